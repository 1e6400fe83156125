/** What starts by itself and in which order; the plan as the machines have it, and the commands on it. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { toStop } from '../../../src/daemon/stopping.ts'
import { leftOf, toStart } from '../../../src/machines/decide/autostart.ts'
import { ctidOf } from '../../../src/machines/fold.ts'
import { exportPool, set, start } from './commands.ts'
import { has, runs, type World, world } from './helpers.ts'

const names = (w: World, ids: readonly string[]): string[] => ids.map((id) => ctidOf(w.ct(id)))
const withAutostart = (w: World, ctid: string, priority: number): World => {
  w.when(set(ctid, { autostart: { priority, delay: 0 } }))
  return w
}
const trigger = { type: 'pool.autostart-trigger' } as const
const cancel = { type: 'pool.autostart-cancel' } as const
const priority = fc.option(fc.nat(3), { nil: null })

describe('the order', () => {
  test('is by priority, then by name, and stopping is its reverse after what has no autostart', () => {
    const population = fc.uniqueArray(fc.record({ ctid: fc.stringMatching(/^[a-z0-9]{1,3}$/), priority }), {
      selector: ({ ctid }) => ctid,
      maxLength: 7,
    })
    fc.assert(
      fc.property(population, (cts) => {
        const stopped = world()
        const running = world()
        for (const { ctid, priority: p } of cts) {
          has(stopped, ctid)
          runs(running, ctid)
          if (p === null) continue
          withAutostart(stopped, ctid, p)
          withAutostart(running, ctid, p)
        }
        const expected = cts
          .flatMap(({ ctid, priority: p }) => (p === null ? [] : [{ ctid, p }]))
          .sort((a, b) => a.p - b.p || (a.ctid < b.ctid ? -1 : 1))
          .map(({ ctid }) => ctid)
        assert.deepEqual(names(stopped, toStart(stopped)), expected)
        assert.deepEqual(toStart(running), [], 'what runs is not started')
        const stops = toStop(running.cts()).map(ctidOf)
        assert.deepEqual(stops.slice(cts.length - expected.length), expected.toReversed())
        assert.equal(stops.length, cts.length)
      }),
      { numRuns: 8 },
    )
  })
})

describe('the plan', () => {
  const planned = (): World => {
    const w = world()
    for (const [i, ctid] of ['a', 'b', 'c'].entries()) withAutostart(has(w, ctid), ctid, i)
    w.when(trigger)
    return w
  }

  test('is what a trigger makes of all that is stopped, and over at once where there is nothing', () => {
    const w = planned()
    assert.deepEqual(names(w, w.pool().context.autostart), ['a', 'b', 'c'])
    assert.equal(world().when(trigger).decision.is, 'noop')
  })

  test('of another trigger begins with what is starting', () => {
    const w = planned()
    w.when(start('c'))
    w.when(trigger)
    assert.deepEqual(names(w, w.pool().context.autostart), ['c', 'a', 'b'])
  })

  test('ends with a cancel, or with an export, which name what was left', () => {
    for (const command of [cancel, exportPool(true)]) {
      const w = planned()
      w.when(start('a'))
      w.settle()
      assert.deepEqual(names(w, leftOf(w)), ['b', 'c'])
      const ids = leftOf(w)
      const { events } = w.when(command)
      const end = events.find(({ type }) => type === 'AutostartFinished')
      assert.deepEqual(end?.data, { result: 'cancelled', failed: [], left: ids })
      assert.deepEqual(w.pool().context.autostart, [])
    }
    assert.equal(world().when(cancel).decision.is, 'noop')
    const types = world()
      .when(exportPool())
      .events.map(({ type }) => type)
    assert.ok(!types.includes('AutostartFinished'), 'there was none')
  })
})
