import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { root } from '../../../src/cli/commands/index.ts'
import { manPage } from '../../../src/cli/man.ts'

const MAN = join(import.meta.dirname, '../../../docs/man')

test('docs/man/osctl.8 is what the table says (npm run docs)', () => {
  assert.equal(readFileSync(join(MAN, 'osctl.8'), 'utf8'), manPage(root))
})

for (const page of ['osctl.8', 'osctld.8']) {
  test(`${page} is clean roff`, {
    skip: spawnSync('groff', ['--version']).error ? 'groff is not installed' : false,
  }, () => {
    const { status, stderr } = spawnSync('groff', ['-man', '-ww', '-Tascii', '-z', join(MAN, page)], {
      encoding: 'utf8',
    })
    assert.deepEqual([status, stderr], [0, ''])
  })
}
