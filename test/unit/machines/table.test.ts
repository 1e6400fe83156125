/**
 * A step out of the table is what XState says: for every fact in every state that can be reached (and for each event
 * of every other machine test: `check.ts`). And what no table can hold is refused when it is made.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { assign, createMachine, transition } from 'xstate'
import { containerMachine } from '../../../src/machines/container/machine.ts'
import { poolMachine } from '../../../src/machines/pool/machine.ts'
import { handles, initial, type Seen, seat, step } from '../../../src/machines/step.ts'
import { Table } from '../../../src/machines/table.ts'
import { type AnyState, assertPublic, deepFreeze, isPool, stepAny } from './check.ts'
import { ulid } from './commands.ts'
import { FORMS, reachable } from './explore.ts'

const meta = { id: ulid(9), t: 1, op: ulid(1) }
const canStep = (state: AnyState, seen: Seen): boolean =>
  isPool(state) ? handles(poolMachine, state, seen) : handles(containerMachine, state, seen)

/** An intent is asked for, and there is no operation that it could belong to: that is refused alike. */
function asksOutside(state: AnyState, seen: Seen): boolean {
  try {
    stepAny(state, seen)
    return false
  } catch (error) {
    assert.throws(() => xstate(state, seen), error as Error)
    return true
  }
}

const xstate = (state: AnyState, seen: Seen): unknown =>
  isPool(state) ? transition(poolMachine, state, seen) : transition(containerMachine, state, seen)

describe('a step out of the table', () => {
  for (const machine of [containerMachine, poolMachine]) {
    test(`${machine.id}: is XState's in every state, and so is whether it can be taken`, () => {
      let steps = 0
      for (const state of reachable(initial(machine) as AnyState)) {
        deepFreeze(state.context)
        for (const { fact } of FORMS) {
          const made = fact(state)
          if (!made) continue
          const seen: Seen = { ...made, meta }
          if (asksOutside(state, seen)) continue
          assert.equal(canStep(state, seen), state.can(seen as never))
          if (canStep(state, seen)) assertPublic(state, seen)
          else assert.equal(stepAny(state, seen).state, state)
          steps++
        }
      }
      assert.ok(steps > 1000, `${steps} steps`)
    })
  }

  test('shares everything but what is remembered between states of one kind', () => {
    const one = initial(containerMachine)
    const note: Seen = { type: 'CommandRefused', meta } as never
    const { state } = step(containerMachine, one, note)
    assert.notEqual(state, one)
    assert.notEqual(state.context, one.context)
    assert.equal(state.value, one.value)
    assert.ok(Object.isFrozen(state.value) && Object.isFrozen(state.value.life))
    const kept = seat(containerMachine, JSON.parse(JSON.stringify(one.value)), one.context)
    assert.equal(kept.value, one.value)
  })

  test('a state that does not exist cannot be seated', () => {
    assert.throws(() => seat(containerMachine, { life: 'nowhere' }, {}), /nowhere/)
  })
})

describe('a table', () => {
  const refused: Record<string, { readonly on?: object; readonly a?: object; readonly invoke?: object }> = {
    invoke: { invoke: { src: 'x' } },
    after: { a: { after: { 10: 'a' } } },
    always: { a: { always: 'a' } },
    exit: { a: { exit: 'tell' } },
    final: { a: { type: 'final' } },
    history: { a: { initial: 'i', states: { i: {}, h: { type: 'history' } } } },
    '*': { on: { '*': { actions: 'tell' } } },
    actions: { on: { X: { actions: assign(() => ({})) } } },
    guard: { on: { X: { guard: () => true, actions: 'tell' } } },
  }
  for (const [what, { a = {}, ...rest }] of Object.entries(refused)) {
    test(`refuses a machine with ${what}`, () => {
      const machine = createMachine({ initial: 'b', ...rest, states: { a, b: {} } } as never)
      assert.throws(() => new Table(machine), new Error(`a machine with ${what} is no table`))
    })
  }

  test('refuses an action that is neither an update nor an effect', () => {
    const machine = createMachine({ on: { X: { actions: 'tell' } } } as never, {
      actions: { tell: () => {} },
    })
    const table = new Table(machine)
    assert.throws(
      () => table.step(table.seat({}, {}), { type: 'X', meta } as never),
      /an action of type tell/,
    )
  })
})
