/** After a boot every container is explained: what was expected of it, what became of it, and why. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { BootListRow, BootReport, ExportHeader } from '../../src/rpc/results.ts'
import { NOTHING, type Plan } from './boundary.ts'
import { assertWell, onHost, running, scene } from './scenes.ts'
import type { World } from './world.ts'

const MINUTE = 60_000

const reportOf = async (world: World, boot?: string): Promise<BootReport> => {
  const { result } = await world.must('boot.report', boot === undefined ? {} : { boot })
  const [report] = result as BootReport[]
  assert.ok(report)
  return report
}
const told = ({ containers }: BootReport): string[] =>
  containers.map(({ id, expected, ran, result, attempts, problem }) =>
    [id, expected, ran ? 'ran' : 'was down', result, attempts, problem ?? ''].join(' ').trim(),
  )
const autostart = async (world: World, id: string, priority = 1): Promise<void> => {
  await world.must('ct.set', { id, set: { autostart: { priority, delay: 0 } } })
}
const failing =
  (...ctids: string[]): Plan =>
  ({ what, phase, subject }) =>
    what === 'lxc.start' && phase === 'before' && ctids.includes(subject)
      ? { do: 'error', code: 'E_FAILED', failure: 'permanent' }
      : NOTHING

/** One of each fate. */
async function fates(): Promise<World> {
  const world = await scene({ latency: (op) => (op === 'lxc.start' ? 1000 : 0) })
  await running(world, 'up', 'bad', 'plain', 'rebooting', 'idle')
  await world.must('ct.new', { id: 'down', distribution: 'busybox' })
  for (const [i, id] of ['up', 'bad', 'down'].entries()) await autostart(world, id, i + 1)
  await world.must('ct.stop', { id: 'idle' })
  const { id, run } = onHost(world, 'rebooting')
  world.machine.report({ pool: 'tank', id, run, inits: 1, last: 'reboot', initPid: null, at: world.time.now })
  await world.pass(2000)
  world.powerCut()
  world.plan = failing('bad')
  await world.boot()
  return world
}

describe('boot report', () => {
  it('explains each container that was expected or ran, while it goes on and afterwards', async () => {
    const world = await fates()
    await world.pass(700)
    assert.deepEqual(told(await reportOf(world)), [
      'rebooting rebooting ran starting 1',
      'up autostart ran starting 1',
      'bad autostart ran waiting 0',
      'down autostart was down waiting 0',
      'plain ran ran stopped 0 it ran, and has no autostart',
    ])
    await world.pass(2 * MINUTE)
    const report = await reportOf(world)
    assert.deepEqual(told(report), [
      'rebooting rebooting ran started 1',
      'up autostart ran started 1',
      'bad autostart ran failed 5 injected E_FAILED',
      'down autostart was down started 1',
      'plain ran ran stopped 0 it ran, and has no autostart',
    ])
    assert.deepEqual(
      [report.autostart, report.result, report.total, report.previous, report.host, report.sessions],
      ['planned', 'done', 6, 'host-died', 'sim', 1],
    )
    const up = report.containers.find(({ id }) => id === 'up')
    assert.equal(up?.took, 1000)
    assert.ok(up?.after !== null && up?.after !== undefined && up.after >= 1500 && up.after < 3000)
    assert.ok(report.took !== null && report.took > 50_000)
  })

  it('tells what was cancelled, left alone, and that nothing was to start', async () => {
    const world = await scene({ latency: (op) => (op === 'lxc.start' ? 1000 : 0) })
    await running(world, 'a', 'b', 'c')
    for (const id of ['a', 'b', 'c']) await autostart(world, id)
    await world.must('pool.set', { name: 'tank', set: { parallelStart: 1 } })
    world.powerCut()
    await world.boot()
    await world.pass(500)
    await world.must('ct.stop', { id: 'b' })
    await world.must('pool.autostart-cancel', { name: 'tank' })
    await world.pass(MINUTE)
    assert.deepEqual(told(await reportOf(world)), [
      'a autostart ran started 1',
      'b autostart ran left alone 0 uid 1000 gave the command: ct stop',
      'c autostart ran stopped 0 autostart was cancelled',
    ])
    world.powerCut()
    await world.boot({ autostart: false })
    await world.pass(MINUTE)
    const report = await reportOf(world)
    assert.equal(report.autostart, 'off')
    assert.deepEqual(told(report), [
      'a ran ran stopped 0 nothing was to start by itself (osctl.autostart=0 or --no-autostart)',
    ])
    await assertWell(world)
  })

  it('is about a boot, not about a daemon: what came and went in it belongs to it', async () => {
    const world = await fates()
    await world.pass(1500)
    world.kill()
    world.plan = () => NOTHING
    await world.boot()
    await world.pass(MINUTE)
    const report = await reportOf(world)
    assert.equal(report.sessions, 2)
    assert.equal(report.containers.filter(({ result }) => result === 'started').length, 4)
    await assertWell(world)
  })

  it('answers about earlier boots as it did then, by number and by id, and names what there is not', async () => {
    const world = await fates()
    await world.pass(2 * MINUTE)
    const then = await reportOf(world)
    world.plan = () => NOTHING
    world.powerCut()
    await world.boot()
    await world.pass(MINUTE)
    assert.deepEqual({ ...(await reportOf(world, '-1')), boot: 0 }, then)
    assert.deepEqual({ ...(await reportOf(world, then.boot_id.slice(0, 8))), boot: 0 }, then)
    const rows = (await world.must('boot.list', {})).result as BootListRow[]
    assert.deepEqual(
      rows.map(({ boot, previous }) => [boot, previous]),
      [
        [-2, 'none'],
        [-1, 'host-died'],
        [0, 'host-died'],
      ],
    )
    for (const boot of ['-3', 'abcdef01']) {
      const { error } = await world.call('boot.report', { boot })
      assert.equal(error?.kind, 'invalid')
      assert.match(error?.message ?? '', /^no such boot: .*osctl boot ls shows them/)
    }
    assert.equal((await world.call('boot.report', { boot: '' })).error?.kind, 'invalid')
  })

  it('is in the file of an incident', async () => {
    const world = await fates()
    await world.pass(2 * MINUTE)
    const { result } = await world.must('export.open', { pool: 'tank', since: world.time.now - MINUTE })
    assert.deepEqual((result as ExportHeader).incident?.boot, await reportOf(world))
  })
})
