/**
 * The rules. Everything in this folder is pure: state and fact in, state and intents out.
 *
 * XState machines are used as transition tables and never as live actors, because restoring or replaying
 * a live actor repeats its side effects. `step` is the only one who asks XState, and it asks once for each move
 * (`table.ts`); that what it then does is what XState's public `transition()` says, tests ask for each event.
 *
 * Invariants: a fact that no region handles is an error, never ignored; of the actions that a machine names the only
 * one that is no update is `effect`, whose implementation throws if it is ever executed; every machine bounds its
 * microsteps, so no drawing mistake can spin the daemon.
 */
import { type AnyStateMachine, initialTransition, type SnapshotFrom } from 'xstate'
import type { Seen, Wanted } from './seen.ts'
import { Table } from './table.ts'

export type { FactMeta, Seen, Wanted } from './seen.ts'

export type Stepped<S> = { readonly state: S; readonly wanted: readonly Wanted[]; readonly handled: boolean }

/** Thrown for a fact that the machine does not handle in its present state. */
export class IllegalFact extends Error {
  readonly type: string
  constructor(type: string, state: string) {
    super(`${type} is not legal in state ${state}`)
    this.name = 'IllegalFact'
    this.type = type
  }
}

const tables = new WeakMap<AnyStateMachine, Table>()

function tableOf(machine: AnyStateMachine): Table {
  const known = tables.get(machine)
  if (known) return known
  const made = new Table(machine)
  tables.set(machine, made)
  return made
}

/**
 * Takes one transition.
 *
 * @returns the next state, the intents that it asks for, and whether any region handled the fact; an
 *          unhandled fact leaves the very same state object
 * @pure
 */
export function step<M extends AnyStateMachine>(
  machine: M,
  state: SnapshotFrom<M>,
  fact: Seen,
): Stepped<SnapshotFrom<M>> {
  const moved = tableOf(machine).step(state, fact)
  if (!moved) return { state, wanted: [], handled: false }
  return { state: moved.state as SnapshotFrom<M>, wanted: moved.wanted, handled: true }
}

/** Whether `step` would handle the fact. @pure */
export const handles = <M extends AnyStateMachine>(machine: M, state: SnapshotFrom<M>, fact: Seen): boolean =>
  tableOf(machine).handles(state, fact)

/** The state of a stream that has no event yet. @pure */
export function initial<M extends AnyStateMachine>(machine: M): SnapshotFrom<M> {
  const [{ value, context }] = initialTransition(machine as AnyStateMachine)
  return seat(machine, value, context)
}

/**
 * A state that was kept.
 * @throws when `value` names a state that does not exist
 * @pure
 */
export const seat = <M extends AnyStateMachine>(
  machine: M,
  value: object,
  context: object,
): SnapshotFrom<M> => tableOf(machine).seat(value, context) as SnapshotFrom<M>

/** Stands for every effect in every machine: effects are returned as data, never executed here. */
export function neverExecuted(): never {
  throw new Error('an effect was executed inside a machine')
}

export const MAX_MICROSTEPS = 50
