/** Formats of logs: a newer osctld goes on as it was, upgrades when it is told to, and an older one then only reads. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { EventData } from '../../src/events/types/events.ts'
import type { FormatRow, VerifyRow } from '../../src/rpc/proof.ts'
import type { Accepted, CtRow, HealthRow, HistoryRow, PoolRow } from '../../src/rpc/results.ts'
import { nameOf } from './boundary.ts'
import { at, waysAt } from './crashes.ts'
import { ONE, TWO } from './formats.ts'
import { problems } from './invariants.ts'
import { assertWell, count, row, running, runs, scene, stateOf } from './scenes.ts'
import { World } from './world.ts'

const NEEDS =
  'the pool was upgraded to format 2, this osctld writes up to format 1: osctld 9.9.0 or newer is needed'
const TANK = { name: 'tank' }

const poolRow = async (world: World): Promise<PoolRow> =>
  (await world.must('pool.show', TANK)).result as PoolRow
const formatRow = async (world: World): Promise<FormatRow> => {
  const [found] = (await world.must('pool.formats', {})).result as FormatRow[]
  assert.ok(found)
  return found
}
const format = async (world: World): Promise<number | null> => (await poolRow(world)).format

/** A pool of a release that knew one format, with a running container; now a daemon of the next release has it. */
async function older(): Promise<World> {
  const world = await scene({ formats: ONE })
  await running(world, 'web')
  return world
}
async function next(world: World, formats = TWO): Promise<void> {
  world.kill()
  world.formats = formats
  await world.boot()
}

describe('A pool that a newer osctld has', () => {
  it('keeps its format, and the osctld before goes on with all that was done', async () => {
    const world = await older()
    await next(world)
    assert.equal(await format(world), 1)
    await running(world, 'new')
    await world.must('ct.set', { id: 'web', set: { hostname: 'www' } })
    const pool = world.daemon.pools.get('tank')
    assert.ok(pool)
    await world.until(pool.upkeep.seal())
    assert.equal(await format(world), 1, 'a seal changes nothing of that')
    await next(world, ONE)
    await assertWell(world)
    assert.deepEqual([await stateOf(world, 'new'), (await row(world, 'web')).hostname], ['running', 'www'])
    await world.must('ct.stop', { id: 'new' })
  })

  it('takes nothing that the osctld before could not read, and says what to do', async () => {
    const world = await older()
    await next(world)
    const { error } = await world.call('repo.disable', { name: 'default' })
    assert.deepEqual([error?.kind, error?.code], ['refused', 'E_POOL_FORMAT'])
    assert.match(error?.message ?? '', /the pool has format 1, and this needs format 2 \(osctl pool upgrade/)
    await world.must('pool.upgrade', TANK)
    await world.must('repo.disable', { name: 'default' })
    await assertWell(world)
  })

  it('made by it has the newest format', async () => {
    assert.equal(await format(await scene({ formats: TWO })), 2)
  })
})

describe('pool upgrade', () => {
  it('says what it would bring and cost, is recorded with who asked, and leaves everything as it was', async () => {
    const world = await older()
    await next(world)
    const before = await formatRow(world)
    assert.deepEqual(
      [before.format, before.newest, before.upgrade, before.needs, before.would_need, before.brings],
      [1, 2, 2, '0.1.0', '9.9.0', 'repositories can be disabled'],
    )
    const plan = ((await world.must('pool.upgrade', { ...TANK, meta: { dryRun: true } })).result as Accepted)
      .plan
    assert.deepEqual(
      plan?.events.map(({ type }) => type),
      ['SegmentOpened', 'Baseline', 'Baseline', 'CommandAccepted', 'PoolUpgraded', 'OperationFinished'],
    )
    assert.match(plan?.notes.join() ?? '', /next one has format 2: osctld before 9\.9\.0 can then only read/)
    assert.equal(count(world, 'PoolUpgraded'), 0)
    const done = (await world.must('pool.upgrade', { ...TANK, meta: { reason: 'release' } }))
      .result as Accepted
    const told = [...world.disks.named('tank').rows()].find(({ event }) => event.type === 'PoolUpgraded')
    assert.deepEqual(told?.event.data as EventData<'PoolUpgraded'>, { from: 1, to: 2, needs: '9.9.0' })
    const history = (await world.must('history.list', {})).result as HistoryRow[]
    const line = history.find(({ command }) => command.startsWith('pool upgrade'))
    assert.deepEqual([line?.position, line?.result, line?.reason], [done.position, 'done', 'release'])
    const after = await formatRow(world)
    assert.deepEqual([after.format, after.upgrade, after.brings, after.problem], [2, null, null, null])
    assert.equal(await stateOf(world, 'web'), 'running')
    const [verdict] = (await world.must('event.verify', { full: true })).result as VerifyRow[]
    assert.equal(verdict?.result, 'ok')
    await world.must('ct.stop', { id: 'web' })
    await assertWell(world)
    const then = (await world.must('pool.show', { ...TANK, at: { position: 'tank:5' } })).result as PoolRow
    assert.equal(then.format, 1, 'before it')
  })

  it('of an upgraded pool is no change', async () => {
    const world = await older()
    await next(world)
    await world.must('pool.upgrade', TANK)
    assert.equal(((await world.must('pool.upgrade', TANK)).result as Accepted).result, 'noop')
    assert.equal(count(world, 'PoolUpgraded'), 1)
  })

  it('is told to those who follow the log, in its place', async () => {
    const world = await older()
    await next(world)
    const heard: string[] = []
    const pool = world.daemon.pools.get('tank')
    pool?.journal.listen(({ stored }) => heard.push(...stored.map(({ type, seq }) => `${seq} ${type}`)))
    await world.must('pool.upgrade', TANK)
    const end = world.disks.named('tank').open()?.rows.slice(-3) ?? []
    assert.deepEqual(
      heard,
      end.map(({ event }) => `${event.seq} ${event.type}`),
    )
  })

  it('is refused where it could not be trusted: disks that are not whole, or may forget; a log that takes nothing', async () => {
    const world = await older()
    await next(world)
    const zpool = world.machine.state.zpools['tank']
    assert.ok(zpool)
    const refused = async (): Promise<string> => {
      const { error } = await world.call('pool.upgrade', TANK)
      assert.ok(error)
      return `${error.code}: ${error.message}`
    }
    zpool.health = 'DEGRADED'
    assert.match(await refused(), /^E_POOL_DEGRADED: .*health of its zpool is DEGRADED/)
    zpool.health = 'ONLINE'
    world.kill()
    world.disks.named('tank').isReadOnly = true
    await world.boot()
    assert.match(await refused(), /^E_POOL_UNAVAILABLE: pool tank takes no changes: .*read-only file system/)
    assert.equal(world.disks.named('tank').open()?.format, 1)
  })

  it('that fails at the disk is unknown until the log was opened again, and then it is known', async () => {
    for (const fault of ['unknown-applied', 'unknown-lost', 'full'] as const) {
      const world = await older()
      await next(world)
      world.plan = ({ where, phase, what }) =>
        where === 'log' && phase === 'before' && what === 'seal' ? { do: 'disk', fault } : { do: 'nothing' }
      const { error } = await world.call('pool.upgrade', TANK)
      world.plan = () => ({ do: 'nothing' })
      assert.equal(error === null, fault === 'unknown-applied', fault)
      assert.equal(await format(world), fault === 'unknown-applied' ? 2 : 1, fault)
      await world.must('pool.upgrade', TANK)
      assert.equal(count(world, 'PoolUpgraded'), 1, fault)
      assert.equal(await format(world), 2)
      await assertWell(world)
    }
  })

  it('is done once or not at all, wherever the daemon or its host dies, and whichever osctld comes then', async () => {
    const made = await older()
    await next(made)
    await made.settle()
    made.kill()
    const from = made.copy()
    const recording = new World({ seed: 7n, from })
    await recording.boot()
    recording.recording = []
    await recording.must('pool.upgrade', TANK)
    assert.ok(recording.recording.length >= 2)
    const params = { ...TANK, meta: { key: 'the-same-key-0001' } }
    for (const boundary of recording.recording) {
      for (const way of waysAt(boundary)) {
        const name = `${way.name} ${nameOf(boundary)}`
        const world = new World({ seed: 7n, from })
        await world.boot()
        world.plan = at(boundary.n, way.action)
        await world.call('pool.upgrade', params)
        assert.ok(!world.isUp, `the crash ${name} did not happen`)
        world.plan = () => ({ do: 'nothing' })
        // The admin boots the image before.
        world.formats = ONE
        await world.boot()
        const is = await format(world)
        assert.equal(count(world, 'PoolUpgraded'), is === 2 ? 1 : 0, name)
        assert.equal((await poolRow(world)).problem, is === 2 ? NEEDS : null, name)
        await next(world)
        await world.settle()
        assert.deepEqual(await problems(world), [], name)
        await world.must('pool.upgrade', params)
        assert.deepEqual([count(world, 'PoolUpgraded'), await format(world)], [1, 2], name)
        await assertWell(world)
      }
    }
  })
})

describe('An osctld that is older than the format of a pool', () => {
  it('shows the pool and its containers, which run on, changes nothing, and says what it needs', async () => {
    const world = await older()
    await next(world)
    await world.must('pool.upgrade', TANK)
    await world.must('ct.set', { id: 'web', set: { hostname: 'later' } })
    const rows = world.disks.named('tank').open()?.rows.length
    await next(world, ONE)
    const shown = await poolRow(world)
    assert.deepEqual([shown.log, shown.problem, shown.format], ['read-only', NEEDS, 2])
    const [web] = (await world.must('ct.list', {})).result as CtRow[]
    assert.deepEqual([web?.id, web?.state, web?.hostname], ['web', 'running', 'later'])
    assert.ok(runs(world, 'web'))
    const { error } = await world.call('ct.stop', { id: 'web' })
    assert.deepEqual([error?.kind, error?.message], ['unavailable', `pool tank takes no changes: ${NEEDS}`])
    const health = (await world.must('healthcheck', {})).result as HealthRow[]
    assert.ok(health.some(({ entity, problem }) => entity === 'log' && problem === NEEDS))
    const formats = await formatRow(world)
    assert.deepEqual([formats.newest, formats.needs, formats.problem], [1, '9.9.0', NEEDS])
    assert.equal((await world.call('event.recovery', { pool: 'tank' })).error?.code, 'E_LOG_NOT_DAMAGED')
    assert.equal(world.disks.named('tank').open()?.rows.length, rows, 'not an event more')
    await next(world)
    await assertWell(world)
    await world.must('ct.stop', { id: 'web' })
  })
})
