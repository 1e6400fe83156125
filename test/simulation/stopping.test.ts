/** Stopping everything, at an export and at a shutdown: in order, in bounded time, whatever hangs or dies. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Accepted, HistoryRow, OpRow } from '../../src/rpc/results.ts'
import { NOTHING, type Plan } from './boundary.ts'
import { assertWell, count, onHost, running, runs, scene, stateOf, types } from './scenes.ts'
import type { Request, World } from './world.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND

const stops = (world: World, pool = 'tank'): string[] =>
  [...world.disks.named(pool).rows()].flatMap(({ event }) => {
    const { command, args } = event.data as { command?: string; args?: { id?: string; mode?: string } }
    if (event.type !== 'CommandAccepted' || command !== 'ct stop') return []
    return [args?.mode === 'kill' ? `${args.id} killed` : (args?.id ?? '')]
  })
const autostart = async (world: World, id: string, priority: number): Promise<void> => {
  await world.must('ct.set', { id, set: { autostart: { priority, delay: 0 } } })
}
const stubborn = (world: World, ...ctids: string[]): void => {
  for (const ctid of ctids) world.machine.setStubborn(onHost(world, ctid).id, true)
}
const hanging =
  (...ctids: string[]): Plan =>
  ({ what, phase, subject }) =>
    what === 'lxc.stop' && phase === 'before' && ctids.includes(subject) ? { do: 'hang' } : NOTHING
const exporting = (world: World): Request => world.send('pool.export', { name: 'tank', force: true })
const answered = (world: World, request: Request): Promise<void> =>
  world.wait(() => request.answered, 'not answered')

describe('The containers of a pool stop', () => {
  it('in the reverse of the order in which they start, so many at a time as the pool allows', async () => {
    const world = await scene({ latency: (op) => (op === 'lxc.stop' ? SECOND : 0) })
    await running(world, 'b', 'a', 'first', 'last', 'plain')
    for (const [id, priority] of [
      ['first', 1],
      ['a', 5],
      ['b', 5],
      ['last', 9],
    ] as const)
      await autostart(world, id, priority)
    await world.must('pool.set', { name: 'tank', set: { parallelStop: 2 } })
    const request = exporting(world)
    await world.pass(500)
    assert.deepEqual(stops(world), ['plain', 'last'])
    await answered(world, request)
    assert.deepEqual(stops(world), ['plain', 'last', 'b', 'a', 'first'])
    assert.equal(request.error, null)
  })

  it('and whoever waits is told of each', async () => {
    const world = await scene()
    await running(world, 'a', 'b')
    world.plan = hanging('a')
    const lines: string[] = []
    const asked = { ...world.daemon.asked('shutdown', 'pool export', {}) }
    const done = world.daemon.export('tank', { force: true, stopContainers: true }, asked, {
      progress: (line) => lines.push(line),
    })
    await assert.rejects(world.until(done), /did not stop: a \(it does not die, 30 s after it was killed\)/)
    assert.deepEqual(lines, [
      'stopping 2 containers',
      '[1/2] b stopped',
      '[2/2] a did not stop: it does not die, 30 s after it was killed',
    ])
  })

  it('within nine minutes, however many do not want to: what is left then is killed', async () => {
    const world = await scene()
    const ids = Array.from({ length: 12 }, (_, i) => `s${i}`)
    await running(world, ...ids)
    stubborn(world, ...ids)
    const began = world.time.now
    const request = exporting(world)
    await answered(world, request)
    assert.equal(request.error, null)
    assert.ok(world.time.now - began <= 9 * MINUTE + SECOND, `${(world.time.now - began) / SECOND} s`)
    for (const id of ids) assert.ok(!runs(world, id))
    assert.ok(stops(world).some((stop) => stop.endsWith('killed')))
  })

  it('save the one that nothing stops: it is named with the reason, in the log and in the answer', async () => {
    const world = await scene()
    await running(world, 'a', 'b')
    world.plan = hanging('a')
    const request = exporting(world)
    await answered(world, request)
    assert.match(
      request.error?.message ?? '',
      /^did not stop: a \(it does not die, 30 s after it was killed\)/,
    )
    assert.ok(runs(world, 'a') && !runs(world, 'b'))
    const [failed] = [...world.disks.named('tank').rows()].filter(
      ({ event }) => event.type === 'PoolExportFailed',
    )
    assert.deepEqual(
      ((failed?.event.data ?? { left: [] }) as { left: { ct: string }[] }).left.map(({ ct }) => ct),
      [onHost(world, 'a').id],
    )
    const rows = (await world.must('history.list', {})).result as HistoryRow[]
    assert.ok(rows.some(({ command }) => command === 'the pool stays open: 1 container would not stop'))
    world.plan = () => NOTHING
    world.kill()
    await world.boot()
    await assertWell(world)
    await world.must('pool.export', { name: 'tank', force: true })
    assert.ok(!runs(world, 'a'))
  })

  it('also one that is just starting, when it has started', async () => {
    const world = await scene({ latency: (op) => (op === 'lxc.start' ? 10 * SECOND : 0) })
    await world.must('ct.new', { id: 'a', distribution: 'busybox' })
    const start = world.send('ct.start', { id: 'a' })
    await world.pass(SECOND)
    const request = exporting(world)
    await answered(world, request)
    assert.deepEqual([start.error, request.error], [null, null])
    assert.ok(!runs(world, 'a'))
    assert.equal(types(world).at(-1), 'PoolClosed')
  })

  it('also one whose operation is in doubt', async () => {
    const world = await scene()
    await running(world, 'a')
    world.plan = ({ what, phase }) =>
      (what === 'lxc.freeze' && phase === 'before') || what === 'host.fence' || what === 'lxc.inspect'
        ? { do: 'error', code: 'E_TIMEOUT', failure: 'transient' }
        : NOTHING
    const freeze = await world.call('ct.freeze', { id: 'a' })
    assert.equal(freeze.error?.kind, 'in-doubt')
    world.plan = () => NOTHING
    const request = exporting(world)
    await answered(world, request)
    assert.equal(request.error, null)
    assert.ok(!runs(world, 'a'))
  })
})

describe('An export in whose middle', () => {
  it('the daemon dies is gone on with by the next one, and nothing is started', async () => {
    for (const nth of [1, 2, 3]) {
      const world = await scene()
      await running(world, 'a', 'b', 'c')
      for (const id of ['a', 'b', 'c']) await autostart(world, id, 1)
      await world.must('pool.set', { name: 'tank', set: { parallelStop: 1 } })
      let seen = 0
      world.plan = ({ what, phase }) =>
        what === 'lxc.stop' && phase === 'before' && ++seen === nth ? { do: 'kill' } : NOTHING
      const request = world.send('pool.export', { name: 'tank', force: true, meta: { key: 'the-same-key' } })
      await world.wait(() => !world.isUp, 'the daemon does not die')
      world.plan = () => NOTHING
      await world.boot()
      await world.pass(MINUTE)
      assert.ok(!request.answered)
      assert.equal(world.daemon.pools.size, 0, world.story.join('\n'))
      for (const id of ['a', 'b', 'c']) assert.ok(!runs(world, id))
      assert.equal(types(world).at(-1), 'PoolClosed')
      assert.equal(count(world, 'CtStartRequested'), 3)
      await world.must('pool.import', { name: 'tank', autostart: false })
      const again = await world.must('pool.export', {
        name: 'tank',
        force: true,
        meta: { key: 'the-same-key' },
      })
      assert.equal((again.result as Accepted).op, request.operation)
      await assertWell(world)
    }
  })

  it('the daemon dies is finished only as far as it was asked: without stopping', async () => {
    const world = await scene()
    await running(world, 'a')
    world.plan = ({ what, phase }) => (what === 'commit' && phase === 'after' ? { do: 'kill' } : NOTHING)
    world.send('pool.export', { name: 'tank', force: true, stopContainers: false })
    await world.wait(() => !world.isUp, 'the daemon does not die')
    world.plan = () => NOTHING
    await world.boot()
    await world.pass(MINUTE)
    assert.equal(world.daemon.pools.size, 0)
    assert.ok(runs(world, 'a'))
  })

  it('the host dies is void: the next boot imports the pool and starts what is to start', async () => {
    const world = await scene()
    await running(world, 'a', 'b')
    await autostart(world, 'a', 1)
    stubborn(world, 'a')
    const request = exporting(world)
    await world.pass(MINUTE)
    world.powerCut()
    await world.boot()
    await assertWell(world)
    assert.ok(!request.answered)
    assert.deepEqual([await stateOf(world, 'a'), await stateOf(world, 'b')], ['running', 'stopped'])
  })
})

/** Three run, one stops at a time and takes ten seconds; the export is in the middle of the first. */
async function underWay(): Promise<{ world: World; request: Request }> {
  const world = await scene({ latency: (op) => (op === 'lxc.stop' ? 10 * SECOND : 0) })
  await running(world, 'a', 'b', 'c')
  await world.must('pool.set', { name: 'tank', set: { parallelStop: 1 } })
  const request = exporting(world)
  await world.pass(SECOND)
  return { world, request }
}

describe('An export that is called off', () => {
  it('lets the container stop that is stopping, and leaves the others and the pool as they are', async () => {
    const { world, request } = await underWay()
    const { result } = await world.must('op.cancel', { op: request.operation ?? '' })
    const said = 'cancelled by uid 1000; stopped before: c'
    assert.deepEqual((result as Accepted).warnings, [`pool tank stays imported: ${said}`])
    assert.deepEqual([request.error?.kind, request.error?.message], ['failed', said])
    assert.deepEqual(stops(world), ['c'])
    assert.deepEqual([runs(world, 'a'), runs(world, 'b'), runs(world, 'c')], [true, true, false])
    const rows = (await world.must('history.list', {})).result as HistoryRow[]
    assert.ok(rows.some(({ command }) => command === 'the pool stays open: its export was called off'))
    await world.must('ct.start', { id: 'c' })
    await assertWell(world)
    await world.must('pool.export', { name: 'tank', force: true })
    assert.equal(world.daemon.pools.size, 0)
  })

  it('stays called off when the daemon dies: the next one stops nothing more', async () => {
    const { world, request } = await underWay()
    await world.must('op.cancel', { op: request.operation ?? '', meta: { noWait: true } })
    world.kill()
    await world.boot()
    await world.pass(MINUTE)
    assert.deepEqual(stops(world), ['c'])
    assert.ok(runs(world, 'a') && runs(world, 'b'))
    const rows = (await world.must('op.list', { all: true })).result as OpRow[]
    const row = rows.find(({ command }) => command === 'pool export')
    assert.match(row?.problem ?? '', /^cancelled by uid 1000/)
    await assertWell(world)
  })

  it('names what would not stop, too, and cannot be called off once it is over', async () => {
    const { world, request } = await underWay()
    world.plan = hanging('b')
    await world.pass(10 * SECOND)
    await world.must('op.cancel', { op: request.operation ?? '' })
    assert.match(request.error?.message ?? '', /^cancelled by .*; stopped before: c; did not stop: b \(/)
    const { error } = await world.call('op.cancel', { op: request.operation ?? '' })
    assert.equal(error?.code, 'E_OP_OVER')
  })

  it('is planned as it is done', async () => {
    const { world, request } = await underWay()
    const dry = world.send('op.cancel', { op: request.operation ?? '', meta: { dryRun: true } })
    await answered(world, dry)
    const { plan } = dry.result as Accepted
    const planned = plan?.events.map(({ type }) => type)
    await world.must('op.cancel', { op: request.operation ?? '' })
    assert.deepEqual(planned, ['CancelRequested', 'OperationFinished', 'PoolExportFailed'])
    for (const type of planned ?? []) assert.ok(types(world).includes(type), type)
  })
})

describe('A shutdown', () => {
  it('exports all pools side by side, and names what would not stop', async () => {
    const world = await scene({ pools: ['tank', 'deep'] })
    for (const pool of ['tank', 'deep'])
      for (const id of [`${pool}1`, `${pool}2`]) {
        await world.must('ct.new', { id, pool, distribution: 'busybox' })
        await world.must('ct.start', { id })
      }
    stubborn(world, 'tank1', 'deep1')
    world.plan = hanging('deep2')
    const began = world.time.now
    const { result } = await world.must('shutdown', {})
    assert.deepEqual((result as Accepted).warnings, [
      'deep: did not stop: deep2 (it does not die, 30 s after it was killed)',
    ])
    assert.ok(world.time.now - began < 9 * MINUTE)
    assert.deepEqual([...world.daemon.pools.keys()], ['deep'])
    assert.ok(!runs(world, 'tank1') && !runs(world, 'deep1') && runs(world, 'deep2'))
  })
})
