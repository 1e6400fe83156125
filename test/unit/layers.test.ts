/** `npm test` tells the truth: counts, exit status, the last line, and what it refuses. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { after, test } from 'node:test'
import { LAYERS, RUN_LIMIT, tooLate } from '../../scripts/layers.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const trees: string[] = []
after(() => {
  for (const tree of trees) rmSync(tree, { recursive: true, force: true })
})

/** Runs the layers on a tree that has only these files in test/unit. */
function run(files: Readonly<Record<string, string>>, ...argv: string[]) {
  const tree = mkdtempSync(join(tmpdir(), 'layers-'))
  trees.push(tree)
  symlinkSync(join(ROOT, 'scripts'), join(tree, 'scripts'))
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(tree, file)), { recursive: true })
    writeFileSync(join(tree, file), `import { test } from 'node:test'\n${text}\n`)
  }
  // The runner marks its children, and a marked `node --test` runs nothing.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const script = join(ROOT, 'scripts/test-layers.ts')
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...argv], {
    cwd: tree,
    encoding: 'utf8',
    env,
  })
  return { status, stdout, stderr, last: stdout.trimEnd().split('\n').at(-1) }
}

test('passed, failed and skipped are counted, a failure is told in full, and the status is 1', () => {
  const { status, last, stdout } = run(
    {
      'test/unit/a.test.ts': "test('a', () => {}); test('b', { skip: 'no reason' }, () => {})",
      'test/unit/b.test.ts': "test('c', () => { throw new Error('what went wrong') })",
    },
    'unit',
  )
  assert.equal(last, '1 passed, 1 failed, 1 skipped')
  assert.equal(status, 1)
  assert.match(stdout, /what went wrong/)
  assert.match(stdout, /b \(no reason\)/)
})

test('a test in a suite counts once, its suite not at all', () => {
  const text = "test('parent', async (t) => { await t.test('child', () => { throw new Error() }) })"
  assert.equal(run({ 'test/unit/a.test.ts': text }, 'unit').last, '0 passed, 1 failed, 0 skipped')
})

test('a file that cannot be loaded is a failed test', () => {
  const { status, last } = run({ 'test/unit/a.test.ts': "import './nowhere.ts'" }, 'unit')
  assert.equal(last, '0 passed, 1 failed, 0 skipped')
  assert.equal(status, 1)
})

test('when all passed the status is 0', () => {
  const { status, last } = run({ 'test/unit/a.test.ts': "test('a', () => {})" }, 'unit')
  assert.equal(last, '1 passed, 0 failed, 0 skipped')
  assert.equal(status, 0)
})

test('a layer that was asked for and has no tests has failed', () => {
  const { status, last } = run({}, 'unit')
  assert.equal(last, '0 passed, 1 failed, 0 skipped')
  assert.equal(status, 1)
})

test('an unknown layer and an unknown option are refused with status 2', () => {
  assert.equal(run({}, 'units').status, 2)
  assert.equal(run({}, '--unknown').status, 2)
})

test('what all layers should take fits into a run, and that into what CI gives it', () => {
  const seconds = LAYERS.reduce((sum, { budget }) => sum + budget, 0)
  assert.ok(seconds <= RUN_LIMIT, `${seconds} s`)
  for (const { name, budget, limit } of LAYERS) assert.ok(budget < limit && limit < RUN_LIMIT, name)
  const ci = readFileSync(join(ROOT, '.ci/run'), 'utf8')
  assert.ok(RUN_LIMIT < Number(/^LIMIT=(\d+)$/m.exec(ci)?.[1]), 'it ends itself before CI ends it')
})

test('a layer that is killed tells what had passed, and which files had not ended', () => {
  const { last, stdout, status } = run(
    {
      'test/unit/a.test.ts': "test('a', () => {})",
      'test/unit/b.test.ts': "test('b', () => new Promise(() => setTimeout(() => {}, 60_000)))",
    },
    'unit',
    '--limit=3',
  )
  assert.equal(last, '1 passed, 1 failed, 0 skipped')
  assert.match(stdout, /^unit .* killed after 3 s: test\/unit\/b\.test\.ts$/m)
  assert.equal(status, 1)
})

test('only a layer that says what it needs is left out when less of the run is left, and says how to run it', () => {
  const late = LAYERS.map((layer) => tooLate(layer, 599)).filter((note) => note !== null)
  assert.deepEqual(late, ['fewer than 600 s of the run are left: npm test -- conformance'])
  for (const layer of LAYERS) assert.equal(tooLate(layer, 600), null)
  for (const { limit, needs = limit } of LAYERS) assert.ok(needs >= limit)
})

test('what a layer begins first is a file that it has', () => {
  for (const { name, files, first = [] } of LAYERS) {
    const own = files === undefined ? [] : globSync(files, { cwd: ROOT })
    for (const file of first) assert.ok(own.includes(file), `${name}: ${file}`)
  }
})
