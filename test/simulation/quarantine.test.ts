/** A stream that cannot be folded costs one container its commands, until it can be folded again. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { chained } from '../../src/events/log/chain.ts'
import type { Row } from '../../src/events/log/draft.ts'
import type { QuarantineRow } from '../../src/rpc/proof.ts'
import { NOTHING, nameOf } from './boundary.ts'
import { at, waysAt } from './crashes.ts'
import { assertWell, onHost, row, running, scene, stateOf } from './scenes.ts'
import type { World } from './world.ts'

const quarantined = async (world: World): Promise<QuarantineRow[]> =>
  (await world.must('event.quarantine', {})).result as QuarantineRow[]

/** Events of a type that this daemon does not know, in a chain that holds; returns what puts the log back. */
function fromTheFuture(world: World, stream: string, type: string): () => void {
  const segment = world.disks.named('tank').open()
  assert.ok(segment)
  const before: Row[] = [...segment.rows]
  let hash = segment.previous
  for (const [i, { event }] of before.entries()) {
    const isIt = event.stream === `ct:${stream}` && event.type === type
    const changed = isIt ? { ...event, type: 'CtTeleported' as never, data: {} } : event
    const link = chained(hash, changed)
    segment.rows[i] = { event: changed, ...link }
    hash = link.hash
  }
  return () => {
    const now = segment.rows.splice(0)
    hash = segment.previous
    for (const [i, { event }] of now.entries()) {
      const was = before[i]?.event ?? event
      const link = chained(hash, was)
      segment.rows.push({ event: was, ...link })
      hash = link.hash
    }
  }
}

async function withQuarantine(): Promise<{ world: World; mend: () => void }> {
  const world = await scene()
  await running(world, 'good', 'bad')
  const { stream } = await row(world, 'bad')
  world.kill()
  const mend = fromTheFuture(world, stream, 'CtStartRequested')
  await world.boot()
  return { world, mend }
}

describe('A container whose stream is quarantined', () => {
  it('is listed with the event that is not understood, takes no commands, and runs on; the others work', async () => {
    const { world } = await withQuarantine()
    const before = onHost(world, 'bad').evidence
    const [found, ...others] = await quarantined(world)
    assert.ok(found)
    assert.deepEqual([found.target, others], ['bad', []])
    assert.match(found.why, /unknown event type CtTeleported/)
    for (const method of ['ct.stop', 'ct.start', 'ct.delete', 'ct.freeze'] as const) {
      const { error } = await world.call(method, { id: 'bad' })
      assert.equal(error?.code, 'E_QUARANTINED', method)
      assert.match(error?.message ?? '', new RegExp(`quarantined at ${found.position}`))
    }
    await world.must('ct.restart', { id: 'good' })
    assert.deepEqual(onHost(world, 'bad').evidence, before)
    assert.equal(await stateOf(world, 'bad'), 'error')
  })

  it('is not sealed away in a state from before that event', async () => {
    const { world } = await withQuarantine()
    const pool = world.daemon.pools.get('tank')
    assert.ok(pool)
    await world.until(pool.upkeep.seal())
    assert.equal(world.disks.named('tank').segments.length, 1)
    world.kill()
    await world.boot()
    assert.equal((await quarantined(world)).length, 1)
  })

  it('is released by a retry when it can be folded, without being restarted; before, the retry says why not', async () => {
    const { world, mend } = await withQuarantine()
    const [found] = await quarantined(world)
    assert.ok(found)
    const params = { pool: 'tank', stream: found.stream }
    const still = await world.call('event.quarantine-retry', params)
    assert.match(still.error?.message ?? '', /quarantined still: unknown event type/)
    const before = onHost(world, 'bad').evidence
    mend()
    await world.must('event.quarantine-retry', params)
    assert.deepEqual(await quarantined(world), [])
    await world.settle()
    assert.equal(await stateOf(world, 'bad'), 'running')
    assert.deepEqual(onHost(world, 'bad').evidence, before)
    await world.must('ct.stop', { id: 'bad' })
    assert.equal(await stateOf(world, 'bad'), 'stopped')
    const again = await world.call('event.quarantine-retry', params)
    assert.equal(again.error?.code, 'E_NOT_QUARANTINED')
  })

  it('is released or not, and whole, wherever the daemon or its host dies in a retry', async () => {
    const recorded = await withQuarantine()
    const stream = (await quarantined(recorded.world))[0]?.stream ?? ''
    recorded.mend()
    recorded.world.recording = []
    await recorded.world.must('event.quarantine-retry', { pool: 'tank', stream })
    for (const boundary of recorded.world.recording) {
      for (const { action } of waysAt(boundary)) {
        const { world, mend } = await withQuarantine()
        await quarantined(world)
        mend()
        world.plan = at(boundary.n, action)
        await world.call('event.quarantine-retry', { pool: 'tank', stream })
        await world.pass(1000)
        assert.ok(!world.isUp, nameOf(boundary))
        world.plan = () => NOTHING
        // What was appended since is chained to the log that was mended under its daemon's feet.
        mend()
        await world.boot()
        assert.deepEqual(await quarantined(world), [])
        await assertWell(world)
        assert.equal(await stateOf(world, 'bad'), action.do === 'kill' ? 'running' : 'stopped')
      }
    }
    assert.ok(recorded.world.recording.length > 0)
  })

  it('is released by the next daemon that understands it', async () => {
    const { world, mend } = await withQuarantine()
    world.kill()
    mend()
    await world.boot()
    assert.deepEqual(await quarantined(world), [])
    await assertWell(world)
    assert.equal(await stateOf(world, 'bad'), 'running')
  })
})
