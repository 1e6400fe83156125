/**
 * What a container or a client can make a log grow by, at most (DESIGN D15), over up to a day of virtual time each. A run of an
 * LXC container that is told to reboot for ever, that dies of its memory and is started again by an admin's script, or
 * a client that repeats what is refused, must not fill the pool.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { assertWell, count, inside, running, runs, scene, types } from './scenes.ts'
import type { World } from './world.ts'

const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE

/** Does it every `ms`, for so long; returns the events a minute that it made the log grow by. */
async function grown(
  world: World,
  forMs: number,
  ms: number,
  act: () => Promise<void> | void,
): Promise<number> {
  const before = types(world).length
  for (let passed = 0; passed < forMs; passed += ms) {
    await act()
    await world.pass(ms)
  }
  return (types(world).length - before) / (forMs / MINUTE)
}

/** Twenty reboots of two events each, their sum, and what is looked at after it. */
const REBOOTS = 20 * 2 + 4
/** Twenty refusals and their sum. */
const REFUSALS = 20 + 1

describe('The log grows by a bounded number of events a minute by', () => {
  for (const [every, days] of [
    [200, 1 / 24],
    [2000, 1 / 8],
    [30_000, 1],
  ] as const) {
    it(`a container that reboots every ${every / 1000} s`, async () => {
      const world = await scene()
      await running(world, 'web')
      const a = await grown(world, days * DAY, every, () => {
        if (runs(world, 'web')) inside(world, 'web', 'reboot')
      })
      assert.ok(a <= REBOOTS, `${a} events a minute`)
      await world.pass(2 * MINUTE)
      await assertWell(world)
    })
  }

  it('a container whose cgroup is emptied again and again, as by the killing of all that it runs', async () => {
    const world = await scene()
    await running(world, 'web')
    const [ct] = Object.values(world.machine.state.containers)
    assert.ok(ct)
    const a = await grown(world, DAY / 48, 500, () => {
      if (!runs(world, 'web')) return
      world.machine.emptied(ct)
      inside(world, 'web', 'reboot')
    })
    assert.ok(a <= REBOOTS, `${a} events a minute`)
    await world.pass(2 * MINUTE)
    await assertWell(world)
  })

  it('a container whose init is killed, as by the OOM killer: once, and it stays as it is', async () => {
    const world = await scene()
    await running(world, 'web')
    const a = await grown(world, DAY, 10 * MINUTE, () => {
      if (runs(world, 'web')) inside(world, 'web', 'crash')
    })
    assert.equal(count(world, 'CtExited'), 1)
    assert.ok(a < 0.1, `${a} events a minute`)
    await assertWell(world)
  })

  it('a client that repeats what is refused, and the last of it is summed up', async () => {
    const world = await scene()
    await running(world, 'web')
    let refused = 0
    const a = await grown(world, DAY / 24, 500, async () => {
      for (const id of ['web', 'nobody']) {
        const { error } = await world.call('ct.delete', { id })
        assert.ok(error)
        refused++
      }
    })
    assert.ok(a <= 2 * REFUSALS, `${a} events a minute`)
    await world.pass(2 * MINUTE)
    const rows = [...world.disks.named('tank').rows()].map(({ event }) => event)
    const summed = rows
      .filter(({ type }) => type === 'RefusalsSummed')
      .reduce((sum, { data }) => sum + (data as { count: number }).count, 0)
    assert.equal(count(world, 'CommandRefused') + summed, refused, 'none is forgotten')
    await assertWell(world)
  })

  it('a client that repeats what is so already', async () => {
    const world = await scene()
    await running(world, 'web')
    const a = await grown(world, DAY / 24, 500, async () => {
      const { error } = await world.call('ct.start', { id: 'web' })
      assert.equal(error, null)
    })
    assert.ok(a <= REFUSALS, `${a} events a minute`)
    await world.pass(2 * MINUTE)
    await assertWell(world)
  })
})
