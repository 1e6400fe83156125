/** What the README promises of a fresh machine, in a Debian 13 that has nodejs and npm and nothing else. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join, resolve } from 'node:path'
import { test } from 'node:test'

const ROOT = resolve(import.meta.dirname, '../..')

/** Runs a shell command in a copy of this tree, in the clean root. */
function inCleanRoot(command: string): { status: number | null; output: string } {
  const argv = [join(ROOT, 'scripts/clean-root.sh'), command]
  const { status, stdout, stderr } = spawnSync('bash', argv, {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  })
  return { status, output: stdout + stderr }
}

test('npm ci needs no compiler, and the daemon, its log and its bundles work with what it installed', () => {
  const { status, output } = inCleanRoot(`
    set -e
    command -v cc gcc make python3 && exit 99
    npm ci --no-audit --no-fund --loglevel=error
    npm run build
    npm test -- test/unit/build.test.ts test/unit/tidy.test.ts
  `)
  assert.equal(status, 0, output)
  assert.match(output, /^\d+ passed, 0 failed, \d+ skipped$/m)
})
