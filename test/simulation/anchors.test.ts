/** Heads that are kept outside of the log: a log that is behind them, or another one, is read and never written. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ANCHOR_PROPERTY, SNAPSHOTS_KEPT } from '../../src/daemon/anchors.ts'
import type { MemoryDisk } from '../../src/events/log/memory-disk.ts'
import type { VerifyRow } from '../../src/rpc/proof.ts'
import type { HealthRow, PoolRow } from '../../src/rpc/results.ts'
import { assertWell, loseAcknowledged, running, runs, scene, stateOf } from './scenes.ts'
import type { World } from './world.ts'

const poolRow = async (world: World, name = 'tank'): Promise<PoolRow> =>
  (await world.must('pool.show', { name })).result as PoolRow
const verify = async (world: World, more: object = {}): Promise<VerifyRow> => {
  const [row] = (await world.must('event.verify', { pools: ['tank'], full: true, ...more }))
    .result as VerifyRow[]
  assert.ok(row)
  return row
}
const HOUR = 3_600_000

const property = (world: World): string =>
  world.machine.state.datasets['tank']?.properties[ANCHOR_PROPERTY] ?? ''
const snapshots = (world: World): string[] =>
  Object.entries(world.machine.state.datasets['tank/events']?.snapshots ?? {}).map(
    ([, { properties }]) => properties[ANCHOR_PROPERTY] ?? '',
  )
const headOf = (disk: MemoryDisk): string => {
  const row = [...disk.rows()].at(-1)
  return `${row?.event.seq}:${row?.hash.toString('hex')}`
}

/** A daemon with a running container whose log's head was anchored; it is dead. */
async function anchored(): Promise<World> {
  const world = await scene({ pools: ['tank', 'other'] })
  await running(world, 'web')
  await world.pass(70_000)
  assert.equal(property(world), headOf(world.disks.named('tank')))
  world.kill()
  return world
}

/** All of it is told, the container runs on, and the other pool works. */
async function assertReadOnly(world: World, result: VerifyRow['result'], what: RegExp): Promise<void> {
  await world.boot()
  const row = await poolRow(world)
  assert.equal(row.log, 'read-only')
  assert.match(row.problem ?? '', what)
  const health = (await world.must('healthcheck', {})).result as HealthRow[]
  assert.ok(health.some(({ entity, problem }) => entity === 'log' && what.test(problem)))
  const verdict = await verify(world)
  assert.equal(verdict.result, result)
  assert.match(verdict.problems.join('\n'), what)
  assert.ok(runs(world, 'web'))
  const { error } = await world.call('ct.stop', { id: 'web' })
  assert.equal(error?.kind, 'unavailable')
  assert.match(error?.message ?? '', what)
  assert.equal((await poolRow(world, 'other')).log, 'ok')
  await world.must('ct.new', { id: 'new', pool: 'other', distribution: 'busybox' })
}

describe('The head of a log', () => {
  it('is anchored a minute after a change, hourly and at export with a snapshot, and never when idle', async () => {
    const world = await scene()
    await running(world, 'web')
    await world.pass(70_000)
    const anchor = property(world)
    assert.equal(anchor, headOf(world.disks.named('tank')))
    assert.deepEqual(snapshots(world), [])
    await world.pass(2 * HOUR)
    assert.deepEqual([property(world), snapshots(world)], [anchor, []])
    await world.must('ct.set', { id: 'web', set: { hostname: 'a' } })
    await world.pass(70_000)
    assert.deepEqual(snapshots(world), [property(world)])
    await world.must('pool.export', { name: 'tank', force: true })
    assert.deepEqual(snapshots(world).slice(1), [property(world)])
    assert.equal(property(world), headOf(world.disks.named('tank')))
  })

  it('is kept on a bounded number of snapshots, the newest, and nobody else’s are touched', async () => {
    const world = await scene()
    await running(world, 'web')
    const events = world.machine.state.datasets['tank/events']
    assert.ok(events)
    const foreign = { guid: '99', createtxg: '1', files: {}, properties: {} }
    Object.assign(events.snapshots, { 'osctl-head-by-hand': foreign, daily: { ...foreign, guid: '98' } })
    for (let i = 0; i < SNAPSHOTS_KEPT + 5; i++) {
      await world.pass(HOUR)
      await world.must('ct.set', { id: 'web', set: { hostname: `h${i}` } })
      await world.pass(70_000)
    }
    const kept = snapshots(world).filter((head) => head !== '')
    assert.equal(kept.length, SNAPSHOTS_KEPT)
    assert.equal(kept.at(-1), property(world))
    assert.ok('daily' in events.snapshots && 'osctl-head-by-hand' in events.snapshots)
  })

  it('behind a log that went on after it is no complaint: a crash comes before the anchor', async () => {
    const world = await anchored()
    await world.boot()
    await world.must('ct.set', { id: 'web', set: { hostname: 'later' } })
    world.kill()
    await world.boot()
    await assertWell(world)
    const { result, anchors } = await verify(world)
    assert.deepEqual([result, anchors], ['ok', 1])
  })
})

describe('A log that does not fit its anchors is read-only, and says why', () => {
  it('when its end was cut off', async () => {
    const world = await anchored()
    world.disks.named('tank').discard(4)
    await assertReadOnly(world, 'lost', /its end is lost, or an older copy was put in its place/)
    const { first_bad, head } = await verify(world)
    assert.equal(first_bad, Number(head.split(':')[0]) + 1)
  })

  it('when an older copy was put back, with the property gone and only a snapshot left to tell', async () => {
    const world = await anchored()
    const disk = world.disks.named('tank')
    const older = [...(disk.open()?.rows ?? [])].length
    await world.boot()
    await world.pass(HOUR)
    await world.must('ct.set', { id: 'web', set: { hostname: 'late' } })
    await world.pass(70_000)
    world.kill()
    disk.discard([...(disk.open()?.rows ?? [])].length - older)
    delete world.machine.state.datasets['tank']?.properties[ANCHOR_PROPERTY]
    await assertReadOnly(world, 'lost', /property .* of tank\/events@osctl-head-/)
  })

  it('when another log stands in its place', async () => {
    const world = await anchored()
    const disk = world.disks.named('tank')
    const other = world.disks.named('other')
    disk.segments = other.segments
    const anchor = property(world)
    world.machine.state.datasets['tank'] = {
      ...(world.machine.state.datasets['tank'] as never as object),
      properties: {
        ...world.machine.state.datasets['tank']?.properties,
        [ANCHOR_PROPERTY]: `3:${anchor.split(':')[1]}`,
      },
    } as never
    await world.boot()
    const row = await poolRow(world)
    assert.equal(row.log, 'read-only')
    assert.match(row.problem ?? '', /another log than the one that was anchored: event 3 /)
    assert.equal((await verify(world)).result, 'replaced')
    assert.equal((await verify(world)).first_bad, 3)
  })

  it('when a disk that does not answer comes back without what it had acknowledged', async () => {
    const world = await scene()
    await running(world, 'web')
    const { error } = await loseAcknowledged(world)
    assert.match(error?.message ?? '', /its end is lost: it ends at \d+, and \d+ was committed/)
    assert.match((await poolRow(world)).problem ?? '', /its end is lost/)
  })
})

describe('event verify', () => {
  it('accepts heads that were kept elsewhere, of this pool alone', async () => {
    const world = await scene()
    await running(world, 'web')
    const { guid } = await poolRow(world)
    const [seq = '', hash = ''] = (await verify(world)).head.split(':')
    const head = { guid, seq: Number(seq), hash }
    await world.must('ct.set', { id: 'web', set: { hostname: 'x' } })
    assert.equal(
      (await verify(world, { against: [head, { ...head, guid: '1', hash: 'a'.repeat(64) }] })).result,
      'ok',
    )
    assert.equal(
      (await verify(world, { against: [{ seq: head.seq, hash: hash.slice(0, 16) }] })).result,
      'ok',
    )
    const wrong = await verify(world, { against: [{ ...head, hash: 'a'.repeat(64), time: 1 }] })
    assert.deepEqual([wrong.result, wrong.first_bad], ['replaced', head.seq])
    const later = await verify(world, { against: [{ ...head, seq: 9999 }] })
    assert.equal(later.result, 'lost')
    const { error } = await world.call('event.verify', { against: [{ ...head, guid: '1' }] })
    assert.equal(error?.code, 'E_HEAD')
    assert.equal(await stateOf(world, 'web'), 'running')
  })
})
