/** Processes of effects: where they are, how they end, and who finds them when the daemon is gone. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { Fence } from '../../src/effects/host.ts'
import { findCgroup2, heldIn, processes, removeCgroup } from '../../src/effects/linux/cgroup.ts'
import { effectRunner, query } from '../../src/effects/linux/exec.ts'
import { makeFences } from '../../src/effects/linux/fence.ts'
import { effectCgroup, type Paths } from '../../src/effects/linux/paths.ts'
import { cgroup2, root, scratch } from './needs.ts'

const skip = root() || cgroup2()
const run = scratch()
const cgroup = findCgroup2(readFileSync('/proc/self/mountinfo', 'utf8')) ?? ''
const paths: Paths = { run, etc: run, cgroup }
const fences = makeFences(paths, async () => true)
const effect = effectRunner(fences)
let serial = 0
const fenceOf = (signal = new AbortController().signal): Fence => ({
  intent: `test${process.pid}.${++serial}`,
  signal,
})

before(() => mkdirSync(join(run, 'effects'), { recursive: true }))
after(() => rmSync(run, { recursive: true, force: true }))

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

async function eventually(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 500; i++) {
    if (await holds()) return
    await delay(10)
  }
  assert.fail(`never: ${what}`)
}

test('a program is in its cgroup and in a group of its own from its first instruction', {
  skip,
}, async () => {
  const fence = fenceOf()
  const { stdout } = await effect(
    { argv: ['sh', '-c', 'cat /proc/self/cgroup; ps -o pgid= -p $$; echo $$'] },
    fence,
  )
  assert.match(stdout, new RegExp(`0::.*/osctl/effects/${fence.intent}\\n`))
  const [pgid, pid] = stdout.trim().split('\n').slice(-2).map(Number)
  assert.equal(pgid, pid)
  assert.ok(!existsSync(effectCgroup(paths, fence.intent)), 'the cgroup goes when the work is done')
  assert.equal(await fences.fence(fence.intent), 0)
})

test('arguments are arguments, and stdin carries what must not be one', { skip }, async () => {
  const words = ['$(touch x)', '; exit 7', '', '*', 'a b']
  const { stdout } = await effect({ argv: ['printf', '[%s]', ...words] }, fenceOf())
  assert.equal(stdout, words.map((word) => `[${word}]`).join(''))
  assert.equal((await effect({ argv: ['cat'], stdin: 'secret' }, fenceOf())).stdout, 'secret')
})

test('a failure speaks in the words of the program', { skip }, async () => {
  const fails = effect({ argv: ['sh', '-c', 'echo "out of space" >&2; exit 3'] }, fenceOf())
  await assert.rejects(fails, { code: 'E_NO_SPACE', failure: 'permanent', message: 'out of space' })
  await assert.rejects(query({ argv: ['/no/such/program'] }), { code: 'E_FAILED', failure: 'permanent' })
})

test('a time-out ends the whole family, also who left the group', { skip }, async () => {
  const fence = fenceOf()
  const script = 'setsid sleep 1000 & trap "" TERM; sleep 1000'
  await assert.rejects(effect({ argv: ['sh', '-c', script], timeoutMs: 300 }, fence), {
    code: 'E_TIMEOUT',
    failure: 'transient',
  })
  await fences.fence(fence.intent)
  assert.deepEqual(await processes(effectCgroup(paths, fence.intent)), [])
})

test('an abort ends the effect at once', { skip }, async () => {
  const control = new AbortController()
  setTimeout(() => control.abort(), 200)
  const begin = performance.now()
  const fence = fenceOf(control.signal)
  await assert.rejects(effect({ argv: ['sleep', '1000'] }, fence), {
    code: 'E_ABORTED',
    failure: 'cancelled',
  })
  assert.ok(performance.now() - begin < 4000)
  await assert.rejects(effect({ argv: ['true'] }, fence), { code: 'E_ABORTED' })
})

test('output beyond any pipe does not stop a program, and its end is kept', { skip }, async () => {
  const script = 'i=0; while [ $i -lt 20000 ]; do echo "line $i of much output"; i=$((i+1)); done'
  const { stdout } = await effect({ argv: ['sh', '-c', script] }, fenceOf())
  assert.ok(stdout.length <= 64 * 1024)
  assert.match(stdout, /line 19999 of much output\n?$/)
})

/** A daemon in miniature, which is killed while its helper works. */
const DAEMON = `
import { effectRunner } from '${new URL('../../src/effects/linux/exec.ts', import.meta.url)}'
import { makeFences } from '${new URL('../../src/effects/linux/fence.ts', import.meta.url)}'
const paths = JSON.parse(process.argv[2])
const run = effectRunner(makeFences(paths, async () => true))
const script = 'echo $$ >' + process.argv[4] + '; while :; do echo noise; echo noise >&2; sleep 0.05; done'
await run({ argv: ['sh', '-c', script] }, { intent: process.argv[3], signal: new AbortController().signal })
`

test('a helper outlives a killed daemon unharmed, and the fence finds it', { skip }, async () => {
  const program = join(run, 'daemon.ts')
  writeFileSync(program, DAEMON)
  const { intent } = fenceOf()
  const pidFile = join(run, 'pid')
  const daemon = spawn(process.execPath, [program, JSON.stringify(paths), intent, pidFile], {
    stdio: 'inherit',
  })
  await eventually('the helper starts', () => existsSync(pidFile) && readFileSync(pidFile, 'utf8') !== '')
  const pid = Number(readFileSync(pidFile, 'utf8'))
  daemon.kill('SIGKILL')
  await once(daemon, 'exit')
  await delay(500)
  assert.ok(isAlive(pid), 'no SIGPIPE, no clean-up')
  assert.ok((await fences.fence(intent)) >= 1)
  await eventually('the helper is dead', () => !isAlive(pid))
  assert.ok(!existsSync(effectCgroup(paths, intent)))
  assert.ok(!existsSync(join(run, 'effects', intent)))
})

test('a claim is killed with its intent unless what it names runs', { skip }, async () => {
  for (const [survives, expected] of [
    [true, 0],
    [false, 1],
  ] as const) {
    const asked = makeFences(paths, async () => survives)
    const { intent } = fenceOf()
    const claimed = `osctl/test-${process.pid}`
    mkdirSync(join(cgroup, claimed), { recursive: true })
    const child = spawn('sleep', ['1000'])
    writeFileSync(join(cgroup, claimed, 'cgroup.procs'), String(child.pid))
    await asked.claim(intent, { cgroup: claimed, ref: { pool: 'p', id: 'I', ctid: 'c' }, run: 'r' })
    assert.equal(await asked.fence(intent), expected)
    assert.equal(isAlive(child.pid ?? 0) && child.signalCode === null, survives)
    child.kill('SIGKILL')
    await eventually('the cgroup is empty', async () => (await processes(join(cgroup, claimed))).length === 0)
    await removeCgroup(join(cgroup, claimed))
  }
})

test('a process that does not end is named with what it waits for in the kernel', { skip }, async () => {
  const child = spawn('sleep', ['1000'])
  const { pid = 0 } = child
  await eventually('it sleeps', async () => /^\d+ \(waits in \w+\)$/.test(await heldIn([pid])))
  child.kill('SIGKILL')
  await once(child, 'exit')
  assert.equal(await heldIn([pid, 1 << 30]), `${pid}, ${1 << 30}`)
  assert.equal(await heldIn([]), '')
})
