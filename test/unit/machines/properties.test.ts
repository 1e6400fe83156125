/**
 * Rules that hold for every sequence of moves. Most of them stand in `check.ts` and are asked after every
 * batch of every test; here random sequences go through them, and whole histories are compared.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { StoredEvent } from '../../../src/events/types/envelope.ts'
import { EVENT_TYPES, type EventType } from '../../../src/events/types/events.ts'
import type { StreamId } from '../../../src/events/types/ids.ts'
import { containerMachine } from '../../../src/machines/container/machine.ts'
import * as life from '../../../src/machines/life.ts'
import { poolMachine } from '../../../src/machines/pool/machine.ts'
import { neverExecuted } from '../../../src/machines/step.ts'
import { fold, restored, type States, text } from './check.ts'
import type { World } from './helpers.ts'
import { type Move, move, played } from './moves.ts'

/** Failures print the moves by name; a seed from the environment repeats a run. */
const options = (numRuns: number): fc.Parameters<[Move[]]> => ({
  numRuns,
  seed: Number(process.env['FC_SEED'] ?? 20_250_101),
  endOnFailure: false,
})
const moves = (maxLength: number) => fc.array(move, { minLength: Math.floor(maxLength / 2), maxLength })

const everything = (states: States): Map<StreamId, string> =>
  new Map([...states].map(([stream, state]) => [stream, text(state)]))
const replayed = (events: readonly StoredEvent[], from: States = new Map()): States => {
  const states = new Map(from)
  for (const event of events) fold(states, event)
  return states
}
const throughBaselines = (states: States): States =>
  new Map([...states].map(([stream, state]) => [stream, restored(state)]))

/** States that every world has behind it. */
const BEFORE = ['absent', 'installing', 'uninstalling']
/** Types that the log or the daemon alone writes, and rare ones: the golden log has them. */
const ELSEWHERE: readonly EventType[] = [
  'SessionOpened',
  'SegmentOpened',
  'LogRecovered',
  'SegmentsPruned',
  'PoolUpgraded',
  'HeadKept',
  'Baseline',
  'RefusalsSummed',
  'CtSessionOpened',
  'CtSessionEnded',
  'AutostartPlanned',
  'AutostartFinished',
  'PoolExportFailed',
  'RepositoryDeleted',
  'RepositorySet',
  'PoolUninstallRequested',
]

describe('for every sequence of moves', () => {
  test('what decide accepts the machines take, every rule of a batch holds, and all is reached', () => {
    const reached = new Set<string>()
    const types = new Set<EventType>()
    const watch = (w: World): void => {
      for (const state of w.states.values()) reached.add(life.lifeOf(state))
    }
    const property = fc.property(moves(50), (sequence) => {
      for (const { type } of played(sequence, false, watch).events) types.add(type)
    })
    fc.assert(property, options(90))
    if (process.env['FC_SEED']) return
    const drawn = [containerMachine, poolMachine].flatMap(({ states }) =>
      Object.keys(states['life']?.states ?? {}),
    )
    assert.ok(drawn.length > 15)
    assert.deepEqual(
      drawn.filter((name) => !reached.has(name) && !BEFORE.includes(name)),
      [],
    )
    assert.deepEqual(
      EVENT_TYPES.filter((type) => !types.has(type) && !ELSEWHERE.includes(type)),
      [],
    )
  })

  test('replay of the log ends in the states that were live', () => {
    const property = fc.property(moves(50), (sequence) => {
      const w = played(sequence)
      assert.deepEqual(everything(replayed(w.events)), everything(w.states))
    })
    fc.assert(property, options(20))
  })

  test('fold(all) = fold(baselines at k, rest), for every k', () => {
    const property = fc.property(moves(30), (sequence) => {
      const w: World = played(sequence)
      const all = everything(w.states)
      const prefix: States = new Map()
      for (const [k, event] of w.events.entries()) {
        fold(prefix, event)
        assert.deepEqual(
          everything(replayed(w.events.slice(k + 1), throughBaselines(prefix))),
          all,
          `k = ${k}`,
        )
      }
    })
    fc.assert(property, options(8))
  })

  test('every operation ends once its intents have outcomes', () => {
    fc.assert(
      fc.property(moves(40), (sequence) => void played(sequence, true)),
      options(20),
    )
  })

  test("a stream's events alone give its state: other streams are not needed", () => {
    const property = fc.property(moves(40), (sequence) => {
      const w = played(sequence)
      for (const [stream, state] of w.states) {
        const own = replayed(w.events.filter((event) => event.stream === stream)).get(stream)
        assert.ok(own)
        assert.equal(text(own), text(state))
      }
    })
    fc.assert(property, options(20))
  })

  test('every event of an operation names it, and each operation begins and ends once', () => {
    const property = fc.property(moves(40), (sequence) => {
      const { events } = played(sequence, true)
      const begun = events.filter(({ type }) => type === 'CommandAccepted').map(({ op }) => op)
      const ended = events.filter(({ type }) => type === 'OperationFinished').map(({ op }) => op)
      assert.equal(new Set(ended).size, ended.length)
      assert.deepEqual(
        ended.filter((op) => !begun.includes(op)),
        [],
      )
      for (const { type, op, data } of events) {
        if (type !== 'EffectIntended') continue
        assert.ok((data as { intent: string }).intent.startsWith(`${op}.`))
      }
    })
    fc.assert(property, options(20))
  })
})

describe('a machine', () => {
  for (const machine of [containerMachine, poolMachine]) {
    test(`${machine.id} bounds its microsteps`, () => {
      assert.ok(machine.options.maxIterations !== undefined && machine.options.maxIterations <= 1000)
    })

    test(`${machine.id} makes a new context for each instance`, () => {
      assert.equal(typeof machine.config.context, 'function')
    })

    test(`${machine.id} has no timer, no actor, no wildcard and no action without a name`, () => {
      const drawing = JSON.stringify(machine.config, (_key, value: unknown) =>
        typeof value === 'function' && value.name !== 'params' ? `function ${value.name}` : value,
      )
      for (const key of ['"invoke"', '"after"', '"always"', '"*"']) assert.ok(!drawing.includes(key), key)
      assert.ok(!/"(actions|guard)":"function/.test(drawing), 'an action or a guard without a name')
    })
  }

  test('executes no effect: the implementation throws', () => {
    assert.throws(neverExecuted, /executed inside a machine/)
  })

  test('writes states as paths that can be read back', () => {
    for (const path of ['stopped', 'creating/cloning', 'a/b/c'])
      assert.equal(life.pathOf(life.valueOf(path)), path)
    assert.equal(life.pathOf({ a: {} }), 'a')
  })
})
