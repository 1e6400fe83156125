/** Programs that are run on demand: help, and one line with status 64 for what they do not take. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { headOf } from '../options.ts'

const TOP = join(import.meta.dirname, '../..')

const run = (file: string, ...argv: string[]) =>
  spawnSync(process.execPath, [join(TOP, file), ...argv], { encoding: 'utf8' })

const PROGRAMS = {
  sim: 'test/simulation/run.ts',
  kills: 'test/kill/run.ts',
  'power-cuts': 'test/vm/powercut/run.ts',
}

for (const [name, file] of Object.entries(PROGRAMS)) {
  test(`${name}: --help is its head comment, without the marks of one`, () => {
    const { status, stdout, stderr } = run(file, '--help')
    assert.deepEqual([status, stderr], [0, ''])
    assert.match(stdout, new RegExp(`^npm run ${name} -- \\[`))
    assert.doesNotMatch(stdout, /^ ?\*|\*\//m)
  })
}

test('what a program does not take is one line and status 64', () => {
  for (const [argv, says] of [
    [['--unknown'], /Unknown option '--unknown'/],
    [['--seed', 'x'], /--seed x: a whole number is needed/],
    [['--seed'], /'--seed/],
    [['word'], /'word'/],
  ] as const) {
    const { status, stdout, stderr } = run(PROGRAMS.kills, ...argv)
    assert.deepEqual([status, stdout], [64, ''], argv.join(' '))
    assert.match(stderr, /^kills: [^\n]+\n$/)
    assert.match(stderr, says)
  }
})

test('a file without a head comment has no help', () => assert.equal(headOf('const a = 1\n'), ''))
