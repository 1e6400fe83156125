/** Old segments go when an admin says so, and only then; the chain is followed over them, wherever anything dies. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { EventData } from '../../src/events/types/events.ts'
import type { SegmentRow, VerifyRow } from '../../src/rpc/proof.ts'
import type { Accepted, HistoryRow } from '../../src/rpc/results.ts'
import { nameOf } from './boundary.ts'
import { at, waysAt } from './crashes.ts'
import { problems } from './invariants.ts'
import { assertWell, count, running, scene, stateOf } from './scenes.ts'
import { World, type WorldCopy } from './world.ts'

const DAY = 24 * 3_600_000
const segments = (world: World): number[] => world.disks.named('tank').segments.map(({ number }) => number)
const rows = async (world: World): Promise<SegmentRow[]> =>
  (await world.must('event.segments', {})).result as SegmentRow[]
const prunable = async (world: World, wanted: object): Promise<number[]> =>
  ((await world.must('event.prunable', { pool: 'tank', ...wanted })).result as SegmentRow[]).map(
    ({ segment }) => segment,
  )
const prune = async (world: World, upTo: number): Promise<Accepted> =>
  (await world.must('event.prune', { pool: 'tank', upTo })).result as Accepted
const verify = async (world: World): Promise<VerifyRow> =>
  ((await world.must('event.verify', { full: true })).result as VerifyRow[])[0] as VerifyRow

async function seal(world: World, hostname: string): Promise<void> {
  await world.must('ct.set', { id: 'web', set: { hostname } })
  const pool = world.daemon.pools.get('tank')
  assert.ok(pool)
  await world.until(pool.upkeep.seal())
}

/** Four sealed segments, a day and an hour apart, and an open one. */
async function old(): Promise<World> {
  const world = await scene()
  await running(world, 'web')
  for (let i = 1; i <= 4; i++) {
    await seal(world, `h${i}`)
    await world.pass(DAY + 3_600_000)
  }
  assert.deepEqual(segments(world), [1, 2, 3, 4, 5])
  return world
}

describe('Sealed segments', () => {
  it('are pruned by number, age and position, the oldest first, and by all conditions at once', async () => {
    const world = await old()
    const [first, second, third] = await rows(world)
    assert.ok(first && second && third)
    assert.deepEqual(await prunable(world, { keep: 0 }), [1, 2, 3, 4])
    assert.deepEqual(await prunable(world, { keep: 3 }), [1])
    assert.deepEqual(await prunable(world, { keep: 9 }), [])
    assert.deepEqual(await prunable(world, { beforeSeq: third.first }), [1, 2])
    assert.deepEqual(await prunable(world, { beforeSeq: third.last }), [1, 2])
    assert.deepEqual(await prunable(world, { beforeTime: third.ended }), [1, 2])
    assert.deepEqual(await prunable(world, { beforeTime: third.ended, keep: 3 }), [1])
  })

  it('stay for a day after their last event: keys are looked for in them', async () => {
    const world = await old()
    await seal(world, 'young')
    assert.deepEqual(await prunable(world, { keep: 0 }), [1, 2, 3, 4])
    const { error } = await world.call('event.prune', { pool: 'tank', upTo: 5 })
    assert.equal(error?.code, 'E_SEGMENT_YOUNG')
    assert.deepEqual(segments(world), [1, 2, 3, 4, 5, 6])
  })

  it('that were pruned are known: by list and verify, over more prunings, seals and openings', async () => {
    const world = await old()
    const before = await rows(world)
    await prune(world, 1)
    await prune(world, 3)
    assert.deepEqual(segments(world), [4, 5])
    const after = await rows(world)
    assert.deepEqual(
      after.map(({ segment, state, first, last, head }) => [segment, state, first, last, head]).slice(0, 4),
      before
        .map(({ segment, first, last, head }) => [
          segment,
          segment < 4 ? 'pruned' : 'sealed',
          first,
          last,
          head,
        ])
        .slice(0, 4),
    )
    assert.deepEqual([(await verify(world)).result, (await verify(world)).pruned], ['ok', before[2]?.last])
    for (let i = 0; i < 2; i++) {
      await seal(world, `again${i}`)
      await world.pass(2 * DAY)
    }
    // The segments whose events tell of the first prunings go as well.
    await prune(world, 6)
    world.kill()
    await world.boot()
    await assertWell(world)
    const { result, pruned } = await verify(world)
    assert.equal(result, 'ok')
    assert.equal(pruned, (await rows(world)).findLast(({ state }) => state === 'pruned')?.last)
    assert.equal(world.disks.named('tank').segments.length, 1)
    assert.equal(await stateOf(world, 'web'), 'running')
    const { error } = await world.call('event.show', { position: 'tank:2' })
    assert.match(error?.message ?? '', /pruned/)
  })

  it('are pruned by an event that says who and what; again, nothing happens', async () => {
    const world = await old()
    await prune(world, 2)
    const told = [...world.disks.named('tank').rows()].find(({ event }) => event.type === 'SegmentsPruned')
    assert.ok(told)
    assert.deepEqual(
      (told.event.data as EventData<'SegmentsPruned'>).segments.map(({ segment }) => segment),
      [1, 2],
    )
    const history = (await world.must('history.list', {})).result as HistoryRow[]
    assert.ok(history.some(({ command, result }) => command.startsWith('event prune') && result === 'done'))
    assert.equal((await prune(world, 2)).result, 'noop')
    assert.equal(count(world, 'SegmentsPruned'), 1)
    await assertWell(world)
  })

  it('go for good or not at all, wherever the daemon or its host dies', async () => {
    const world = await old()
    world.kill()
    const from = world.copy()
    const recording = new World({ seed: 7n, from })
    await recording.boot()
    recording.recording = []
    await prune(recording, 2)
    assert.ok(recording.recording.length >= 4)
    for (const boundary of recording.recording) {
      for (const way of waysAt(boundary))
        await interrupted(from, boundary.n, way.action, `${way.name} ${nameOf(boundary)}`)
    }
  })
})

async function interrupted(
  from: WorldCopy,
  n: number,
  action: Parameters<typeof at>[1],
  name: string,
): Promise<void> {
  const world = new World({ seed: 7n, from })
  await world.boot()
  world.plan = at(n, action)
  const params = { pool: 'tank', upTo: 2, meta: { key: 'the-same-key-0001' } }
  await world.call('event.prune', params)
  assert.ok(!world.isUp, `the crash ${name} did not happen`)
  world.plan = () => ({ do: 'nothing' })
  await world.boot()
  await world.settle()
  const told = count(world, 'SegmentsPruned')
  assert.deepEqual(segments(world), told === 0 ? [1, 2, 3, 4, 5] : [3, 4, 5], name)
  assert.deepEqual(await problems(world), [], name)
  const { error } = await world.call('event.prune', params)
  assert.equal(error, null, name)
  assert.deepEqual(segments(world), [3, 4, 5], name)
  assert.equal(count(world, 'SegmentsPruned'), 1, name)
  await world.settle()
  assert.deepEqual(await problems(world), [], name)
}
