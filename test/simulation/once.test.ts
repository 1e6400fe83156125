/** What happened is not made to happen again: by a daemon that comes back, or by one that was not sure. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { NOTHING, type Plan } from './boundary.ts'
import { assertWell, count, scene, stateOf } from './scenes.ts'
import { TAR } from './verbs.ts'
import type { World } from './world.ts'

/** Dies before the outcome is committed of the effect that made this call. */
function killBeforeOutcome(call: string): Plan {
  let isDone = false
  return ({ what, where, phase }) => {
    isDone ||= what === call && phase === 'after'
    return isDone && where === 'log' && phase === 'before' ? { do: 'kill' } : NOTHING
  }
}

/** Outcomes that recovery's probe gave, by kind. */
const probed = (world: World): string[] =>
  [...world.disks.named('tank').rows()].flatMap(({ event: { type, data } }) => {
    const { by, kind } = data as { by?: string; kind?: string }
    return type === 'EffectSucceeded' && by === 'probe' ? [kind ?? ''] : []
  })

type Begin = (world: World) => Promise<unknown>
const created: Begin = (world) => world.must('ct.new', { id: 'a', distribution: 'busybox' })
const started: Begin = (world) => created(world).then(() => world.must('ct.start', { id: 'a' }))
const nothing: Begin = async () => {}

/** Kind of the effect, its last call of the host, what comes before, the command. */
const EFFECTS: readonly (readonly [string, string, Begin, (world: World) => unknown])[] = [
  ['image.fetch', 'images.fetch', nothing, (w) => w.send('ct.new', { id: 'a', distribution: 'busybox' })],
  ['dataset.clone', 'zfs.clone', nothing, (w) => w.send('ct.new', { id: 'a', distribution: 'busybox' })],
  ['dataset.rename', 'zfs.rename', nothing, (w) => w.send('ct.import', { id: 'a', file: TAR })],
  ['lxc.start', 'lxc.start', created, (w) => w.send('ct.start', { id: 'a' })],
  ['lxc.stop', 'lxc.stop', started, (w) => w.send('ct.stop', { id: 'a' })],
  ['lxc.freeze', 'lxc.freeze', started, (w) => w.send('ct.freeze', { id: 'a' })],
]

describe('An effect that was whole when its daemon died is found by its probe and not done again', () => {
  for (const [kind, call, begin, send] of EFFECTS) {
    it(kind, async () => {
      const world = await scene()
      await begin(world)
      await world.settle()
      world.plan = killBeforeOutcome(call)
      send(world)
      await world.wait(() => !world.isUp, 'the daemon does not die')
      world.plan = () => NOTHING
      world.recording = []
      await world.boot()
      await assertWell(world)
      assert.deepEqual(probed(world), [kind])
      assert.equal(count(world, 'EffectResumed'), 0)
      const calls = world.recording.map(({ what }) => what)
      assert.ok(!calls.includes(call), calls.join(' '))
    })
  }
})

describe('A commit whose outcome nobody was told', () => {
  it('is looked up, and what it brought stands once', async () => {
    const world = await scene()
    await created(world)
    for (const [fault, hostname] of [
      ['unknown-applied', 'first'],
      ['unknown-lost', 'second'],
    ] as const) {
      const before = count(world, 'CtConfigSet')
      let isDue = true
      world.plan = ({ where, phase }) => {
        const now = isDue && where === 'log' && phase === 'before'
        if (now) isDue = false
        return now ? { do: 'disk', fault } : NOTHING
      }
      // Without a key, by which it would be told from another command.
      await world.must('ct.set', { id: 'a', set: { hostname } })
      await assertWell(world)
      assert.equal(count(world, 'CtConfigSet'), before + 1, fault)
    }
    assert.equal(await stateOf(world, 'a'), 'stopped')
  })
})
