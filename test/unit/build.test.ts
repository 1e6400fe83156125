/** scripts/build.mjs makes bundles that run where there is nothing but them. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { after, test } from 'node:test'
// @ts-expect-error a script without types
import { build } from '../../scripts/build.mjs'

const ROOT = resolve(import.meta.dirname, '../..')
const trees: string[] = []
after(() => {
  for (const tree of trees) rmSync(tree, { recursive: true, force: true })
})

const PROGRAM = `
import Database from 'better-sqlite3'
import { execa } from 'execa'
import koffi from 'koffi'
import { readFileSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { createMachine } from 'xstate'
declare const __VERSION__: string

const worker = new Worker(new URL('../src/part/worker.ts', import.meta.url))
const fromWorker = await0()
function await0(): Promise<unknown> {
  return new Promise((resolve) => worker.once('message', resolve))
}
async function main(): Promise<void> {
  const report = {
    version: __VERSION__,
    sqlite: new Database(':memory:').prepare('SELECT 1 AS one').get(),
    pid: koffi.load(null).func('int getpid()')() === process.pid,
    machine: createMachine({ id: 'm' }).id,
    execa: (await execa('echo', ['a'])).stdout,
    worker: await fromWorker,
    hook: readFileSync(new URL('../src/hooks/report', import.meta.url), 'utf8'),
  }
  console.log(JSON.stringify(report))
}

await main()
`

const WORKER = `
import Database from 'better-sqlite3'
import { parentPort } from 'node:worker_threads'
parentPort?.postMessage(new Database(':memory:').prepare('SELECT 2 AS two').get())
`

function treeOf(files: Readonly<Record<string, string>>): string {
  const tree = mkdtempSync(join(tmpdir(), 'build-'))
  trees.push(tree)
  const all = { 'package.json': '{ "version": "1.2.3" }', ...files }
  for (const [file, text] of Object.entries(all)) {
    mkdirSync(dirname(join(tree, file)), { recursive: true })
    writeFileSync(join(tree, file), text)
  }
  symlinkSync(join(ROOT, 'node_modules'), join(tree, 'node_modules'))
  return tree
}

const sources = { 'bin/trial.ts': PROGRAM, 'src/part/worker.ts': WORKER, 'src/hooks/report': 'a hook' }

test('a bundle runs in an empty directory: native modules, a worker, a hook, ESM-only packages', async () => {
  const tree = treeOf(sources)
  await build({ root: tree, entries: { trial: 'bin/trial.ts' } })
  const empty = mkdtempSync(join(tmpdir(), 'empty-'))
  trees.push(empty)
  cpSync(join(tree, 'dist'), empty, { recursive: true })
  rmSync(tree, { recursive: true })

  const { status, stdout, stderr } = spawnSync(process.execPath, ['trial.cjs'], {
    cwd: empty,
    encoding: 'utf8',
  })

  assert.equal(stderr, '')
  assert.equal(status, 0)
  assert.deepEqual(JSON.parse(stdout), {
    version: '1.2.3',
    sqlite: { one: 1 },
    pid: true,
    machine: 'm',
    execa: 'a',
    worker: { two: 2 },
    hook: 'a hook',
  })
})

test('the same tree at another place gives the same bytes', async () => {
  const digest = async () => {
    const tree = treeOf(sources)
    await build({ root: tree, entries: { trial: 'bin/trial.ts' } })
    const hash = createHash('sha256')
    for (const name of readdirSync(join(tree, 'dist'), { recursive: true, encoding: 'utf8' }).sort()) {
      hash.update(name)
      if (/\.\w+$/.test(name)) hash.update(readFileSync(join(tree, 'dist', name)))
    }
    return hash.digest('hex')
  }
  assert.equal(await digest(), await digest())
})

test('osctl is compiled ahead: the same bytes at every place, and Node takes them', async () => {
  const built = async () => {
    const tree = treeOf({ 'bin/trial.ts': "console.log('done')" })
    await build({ root: tree, entries: { osctl: 'bin/trial.ts' } })
    return join(tree, 'dist')
  }
  const [one, other] = [await built(), join(await built(), '..', 'elsewhere')]
  renameSync(join(other, '..', 'dist'), other)
  const files = globSync('compiled/*/*', { cwd: one })
  assert.equal(files.length, 1)
  assert.deepEqual(globSync('compiled/*/*', { cwd: other }), files)
  for (const file of files) {
    assert.match(file, new RegExp(`^compiled/${process.version}-.*-0/`))
    assert.deepEqual(readFileSync(join(one, file)), readFileSync(join(other, file)))
  }
  const { stdout, stderr } = spawnSync(process.execPath, [join(other, 'osctl.cjs')], {
    encoding: 'utf8',
    env: { ...process.env, NODE_DEBUG_NATIVE: 'COMPILE_CACHE' },
  })
  assert.match(stdout, /^done$/m)
  if (process.getuid?.() === 0) assert.match(stdout + stderr, /osctl-main\.cjs was accepted/)
})

test('two builds of the same bytes wait for each other, and both are compiled', async () => {
  const tree = treeOf({ 'bin/trial.ts': "console.log('built twice')" })
  const dist = join(tree, 'dist')
  await build({ root: tree, entries: { osctl: 'bin/trial.ts' } })
  const main = readFileSync(join(dist, 'osctl-main.cjs'))
  const place = join('/tmp', `osctl-${createHash('sha256').update(main).digest('hex')}`)
  mkdirSync(place)
  const other = spawn('sh', ['-c', `sleep 0.5; touch '${tree}/done'; rmdir '${place}'`], { stdio: 'ignore' })
  await build({ root: tree, entries: { osctl: 'bin/trial.ts' } })
  assert.ok(existsSync(join(tree, 'done')), 'the other one had its place until it was done')
  assert.equal(globSync('compiled/*/*', { cwd: dist }).length, 1)
  if (other.exitCode === null) await once(other, 'exit')
  assert.equal(other.exitCode, 0)
})

test('a URL of a file that dist/ does not have stops the build, and leaves no half of one', async () => {
  const text = "export const a = new URL('../docs/a.md', import.meta.url)"
  const tree = treeOf({ 'bin/trial.ts': text })
  await assert.rejects(
    build({ root: tree, entries: { trial: 'bin/trial.ts' } }),
    /docs\/a\.md is a file that dist\/ does not/,
  )
  assert.deepEqual(
    readdirSync(tree).filter((name) => name.includes('dist')),
    [],
  )
})

test('a build can be given one more format of logs: it knows two', async () => {
  const format = { number: 2, since: '9.9.0', brings: 'a rehearsal', events: {} }
  const text = `import { FORMATS } from '${join(ROOT, 'src/events/types/formats.ts')}'
console.log(JSON.stringify(FORMATS.map(({ number, since }) => [number, since])))`
  const tree = treeOf({ 'bin/trial.ts': text })
  const known = async (): Promise<unknown> => {
    await build({ root: tree, entries: { trial: 'bin/trial.ts' } })
    return JSON.parse(
      spawnSync(process.execPath, [join(tree, 'dist/trial.cjs')], { encoding: 'utf8' }).stdout,
    )
  }
  assert.deepEqual(await known(), [[1, '0.1.0']])
  process.env['OSCTL_NEXT_FORMAT'] = JSON.stringify(format)
  try {
    assert.deepEqual(await known(), [
      [1, '0.1.0'],
      [2, '9.9.0'],
    ])
  } finally {
    delete process.env['OSCTL_NEXT_FORMAT']
  }
})

const hasCli = existsSync(join(ROOT, 'bin/osctl.ts'))

test('osctl is thin: no schemas, no machines, no native module', {
  skip: !hasCli && 'no bin/osctl.ts',
}, async () => {
  const out = join(treeOf({}), 'dist')
  await build({ out, entries: { osctl: 'bin/osctl.ts' } })
  const packages = readFileSync(join(out, 'LICENSES'), 'utf8').match(/^\S+ \d+\.\d+\.\d+ \(/gm) ?? []
  assert.deepEqual(
    packages.filter((line) => !line.startsWith('commander ')),
    [],
  )
})

test('osctld starts without HTTPS, which takes it 8 MiB: what speaks it loads it', () => {
  const tell = "process.on('exit', () => console.log(process.moduleLoadList.join()))"
  const argv = ['--import', `data:text/javascript,${encodeURIComponent(tell)}`, 'bin/osctld.ts', '--version']
  const { stdout, status } = spawnSync(process.execPath, argv, { cwd: ROOT, encoding: 'utf8' })
  assert.equal(status, 0)
  assert.ok(stdout.includes('NativeModule net,'), 'the list is one')
  assert.ok(!stdout.includes('NativeModule https,'))
})
