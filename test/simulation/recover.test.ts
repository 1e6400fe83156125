/** Going on with a log that cannot be trusted, wherever the daemon or its host dies in it. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { EventData } from '../../src/events/types/events.ts'
import type { RecoveryPlan, VerifyRow } from '../../src/rpc/proof.ts'
import type { HealthRow, HistoryRow, PoolRow } from '../../src/rpc/results.ts'
import { nameOf } from './boundary.ts'
import { at, type Way, waysAt } from './crashes.ts'
import { problems } from './invariants.ts'
import { assertWell, count, loseAcknowledged, row, running, runs, scene, stateOf } from './scenes.ts'
import { World, type WorldCopy } from './world.ts'

const HOUR = 3_600_000
const poolRow = async (world: World): Promise<PoolRow> =>
  (await world.must('pool.show', { name: 'tank' })).result as PoolRow
const planOf = async (world: World): Promise<RecoveryPlan> =>
  (await world.must('event.recovery', { pool: 'tank' })).result as RecoveryPlan
const verify = async (world: World): Promise<VerifyRow> =>
  ((await world.must('event.verify', { full: true })).result as VerifyRow[])[0] as VerifyRow

/** A daemon that complains of the log, as it should. */
async function bootOn(world: World): Promise<void> {
  await world.boot()
  const others = world.defects.filter((defect) => !/^the log is (damaged|read-only)/.test(defect))
  world.defects.splice(0, world.defects.length, ...others)
}

async function recover(world: World): Promise<void> {
  const { from } = await planOf(world)
  await world.must('event.recover', { pool: 'tank', from, meta: { reason: 'ticket 1' } })
}

/** web runs, its settings were changed last, and the head was anchored; the daemon is dead. */
async function anchored(): Promise<World> {
  const world = await scene()
  await running(world, 'web')
  await world.must('ct.set', { id: 'web', set: { hostname: 'last' } })
  await world.pass(70_000)
  world.kill()
  return world
}

/** The hash of the n-th event from the end is another one. */
function spoil(world: World, fromEnd: number): void {
  const rows = world.disks.named('tank').open()?.rows ?? []
  const index = rows.length - fromEnd
  const found = rows[index]
  assert.ok(found)
  rows[index] = { ...found, hash: Buffer.alloc(32) }
}

const recovered = (world: World): EventData<'LogRecovered'> => {
  const found = [...world.disks.named('tank').rows()].find(({ event }) => event.type === 'LogRecovered')
  assert.ok(found)
  return found.event.data as EventData<'LogRecovered'>
}

const LOSSES: readonly (readonly [string, (world: World) => void])[] = [
  ['is damaged near its end', (world) => spoil(world, 3)],
  ['has lost its end', (world) => world.disks.named('tank').discard(3)],
]

describe('A log that', () => {
  for (const [what, damage] of LOSSES) {
    it(`${what} is recovered: the plan says what is lost, the log who decided it, and all works again`, async () => {
      const world = await anchored()
      damage(world)
      await bootOn(world)
      assert.equal((await poolRow(world)).log, 'read-only')
      assert.match((await poolRow(world)).problem ?? '', /osctl event recover tank/)
      const plan = await planOf(world)
      assert.equal(plan.lost_to, plan.lost_from + 2)
      assert.equal(plan.evidence !== null, what.includes('damaged'))
      await recover(world)
      await assertWell(world)
      assert.equal((await poolRow(world)).log, 'ok')
      assert.equal((await verify(world)).result, 'ok')
      assert.equal((await row(world, 'web')).hostname, null)
      const { from, lost, evidence } = recovered(world)
      assert.deepEqual([from.seq, lost.length], [plan.lost_from - 1, 1])
      assert.equal(world.disks.named('tank').evidence.size, evidence === null ? 0 : 1)
      const history = (await world.must('history.list', {})).result as HistoryRow[]
      assert.ok(history.some(({ command, result }) => command === 'event recover' && result === 'done'))
      await world.must('ct.stop', { id: 'web' })
      await world.must('ct.start', { id: 'web' })
      // The anchors of what was lost are no complaint any more, neither now nor after the log went beyond them.
      await world.must('pool.export', { name: 'tank', force: true })
      await world.must('pool.import', { name: 'tank' })
      await assertWell(world)
    })

    it(`${what} converges wherever a recovery is interrupted`, async () => {
      const before = await anchored()
      damage(before)
      const from = before.copy()
      const boundaries = await recorded(from)
      assert.ok(boundaries.length > 10)
      for (const boundary of boundaries) {
        for (const way of waysAt(boundary)) await interrupted(from, boundary.n, way, nameOf(boundary))
      }
    })
  }

  it('another one was put in place of is recovered too, and snapshots of the one that is gone are no complaint', async () => {
    const world = await scene({ pools: ['tank', 'other'] })
    await running(world, 'web')
    for (let i = 0; i < 3; i++) {
      await world.pass(HOUR)
      await world.must('ct.set', { id: 'web', set: { hostname: `h${i}` } })
      await world.pass(70_000)
    }
    world.kill()
    const disk = world.disks.named('tank')
    disk.discard(3)
    const older = disk.open()?.rows.length ?? 0
    await bootOn(world)
    await recover(world)
    for (let i = 0; i < 4; i++) await world.must('ct.set', { id: 'web', set: { hostname: `other${i}` } })
    assert.ok((disk.open()?.rows.length ?? 0) > older + 3)
    await world.pass(70_000)
    world.kill()
    await bootOn(world)
    await assertWell(world)
    const { result, anchors } = await verify(world)
    assert.equal(result, 'ok')
    assert.ok(anchors >= 3)
  })
})

describe('What happened in what was lost', () => {
  it('a start: the container that runs is taken over, and not started again', async () => {
    const world = await scene()
    await world.must('ct.new', { id: 'web', distribution: 'busybox' })
    await world.settle()
    const disk = world.disks.named('tank')
    const stopped = disk.open()?.rows.length ?? 0
    await world.must('ct.start', { id: 'web' })
    await world.pass(70_000)
    const [init] = Object.values(world.machine.state.containers)
    world.kill()
    disk.discard((disk.open()?.rows.length ?? 0) - stopped)
    await bootOn(world)
    assert.equal(await stateOf(world, 'web'), 'stopped')
    await recover(world)
    await assertWell(world)
    assert.equal(await stateOf(world, 'web'), 'running')
    assert.deepEqual(Object.values(world.machine.state.containers)[0]?.evidence, init?.evidence)
  })

  it('a creation and a deletion: healthcheck says what belongs to nobody, and what is missing', async () => {
    const world = await scene()
    await world.must('ct.new', { id: 'old', distribution: 'busybox' })
    await world.settle()
    const disk = world.disks.named('tank')
    const before = disk.open()?.rows.length ?? 0
    await world.must('ct.delete', { id: 'old' })
    await world.must('ct.new', { id: 'new', distribution: 'busybox' })
    await world.pass(70_000)
    world.kill()
    disk.discard((disk.open()?.rows.length ?? 0) - before)
    await bootOn(world)
    await recover(world)
    await world.settle()
    const health = (await world.must('healthcheck', {})).result as HealthRow[]
    assert.deepEqual(
      health.map(({ entity, id, problem }) => [
        entity,
        id,
        /^drift (tank\/ct\/new\/foreign|old\/renamed): /.test(problem),
      ]),
      [
        ['dataset', 'tank/ct/new', true],
        ['container', 'old', true],
      ],
    )
    assert.ok(!runs(world, 'new'))
  })

  it('is not written over what a newer plan would say: the head must be the one of the plan', async () => {
    const world = await anchored()
    world.disks.named('tank').discard(3)
    await bootOn(world)
    const { error } = await world.call('event.recover', { pool: 'tank', from: '1:abc' })
    assert.equal(error?.code, 'E_LOG_CHANGED')
    await recover(world)
    const again = await world.call('event.recovery', { pool: 'tank' })
    assert.equal(again.error?.code, 'E_LOG_OK')
    assert.equal(count(world, 'LogRecovered'), 1)
  })

  it('while the daemon ran is recovered from as well, and is known to the next daemon', async () => {
    const world = await scene()
    await running(world, 'web')
    await loseAcknowledged(world)
    await world.pass(1000)
    world.kill()
    await bootOn(world)
    assert.match((await poolRow(world)).problem ?? '', /its end is lost/)
    await recover(world)
    await assertWell(world)
    assert.equal(await stateOf(world, 'web'), 'running')
  })
})

async function recorded(from: WorldCopy) {
  const world = new World({ seed: 7n, from })
  await bootOn(world)
  world.recording = []
  await recover(world)
  await world.settle()
  assert.deepEqual(await problems(world), [])
  return world.recording
}

/** The daemon dies at one boundary of a recovery; the next one finds it done, or does it when it is asked again. */
async function interrupted(from: WorldCopy, n: number, way: Way, name: string): Promise<void> {
  const world = new World({ seed: 7n, from })
  await bootOn(world)
  world.plan = at(n, way.action)
  const { from: head } = await planOf(world)
  const params = { pool: 'tank', from: head, meta: { key: 'the-same-key-0001' } }
  await world.call('event.recover', params)
  if (world.isUp) await world.settle()
  assert.ok(!world.isUp, `the crash ${name} did not happen`)
  world.plan = () => ({ do: 'nothing' })
  if (way.orphan === 'before the next start') world.machine.finishHelpers()
  await bootOn(world)
  await world.settle()
  const { error } = await world.call('event.recover', params)
  assert.equal(error, null, `${way.name} ${name}: ${error?.message}`)
  await world.settle()
  const wrong = await problems(world)
  const told = [`${way.name} ${name}`, ...wrong, ...world.story].join('\n')
  assert.deepEqual(wrong, [], told)
  assert.equal(count(world, 'LogRecovered'), 1, told)
  if (way.action.do === 'kill') assert.equal(await stateOf(world, 'web'), 'running', told)
}
