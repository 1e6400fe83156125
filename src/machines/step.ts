/**
 * The rules. Everything in this folder is pure: state and fact in, state and intents out.
 *
 * XState machines are used as transition tables and never as live actors, because restoring or replaying
 * a live actor repeats its side effects. `step` is the only caller of XState. It uses the machine's own
 * `transition` with one inert scope that is reused (6–8 µs against 24 µs for the public `transition()`,
 * which makes a new scope each time); a property test holds both equal.
 *
 * Invariants: a fact that no region handles is an error, never ignored; of the actions that a transition
 * returns the only type is `effect`, whose implementation throws if it is ever executed; every machine
 * bounds its microsteps, so no drawing mistake can spin the daemon.
 */
import { type AnyActorScope, type AnyStateMachine, createActor, type SnapshotFrom } from 'xstate'
import type { Fact } from '../events/types/events.ts'
import type { IntentRequest } from '../events/types/intents.ts'

/** What the envelope adds to a fact: when it was, and for which operation. */
export type FactMeta = { readonly id: string; readonly t: number; readonly op: string | null }
export type Seen = Fact & { readonly meta: FactMeta }

/** An intent as a transition asks for it; its id is `<operation>.<n>`. */
export type Wanted = IntentRequest & { readonly intent: string }

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

type Collected = { type: string; params: unknown }
const scopes = new WeakMap<AnyStateMachine, { scope: AnyActorScope; collected: Collected[] }>()

function scopeOf(machine: AnyStateMachine): { scope: AnyActorScope; collected: Collected[] } {
  const known = scopes.get(machine)
  if (known) return known
  const collected: Collected[] = []
  const self = createActor(machine)
  const scope: AnyActorScope = {
    self,
    system: self.system,
    id: '',
    sessionId: '',
    logger: () => {},
    defer: () => {},
    emit: () => {},
    stopChild: () => {},
    actionExecutor: (action) => {
      collected.push({ type: action.type, params: action.params })
    },
  }
  const made = { scope, collected }
  scopes.set(machine, made)
  return made
}

/** Rejects any action but an intent: a timer, a spawned child or an inline function is a programming error. */
export function wantedOf(actions: readonly Collected[]): Wanted[] {
  return actions.map((action) => {
    if (action.type !== 'effect') throw new Error(`a machine returned an action of type ${action.type}`)
    return action.params as Wanted
  })
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
  const { scope, collected } = scopeOf(machine)
  collected.length = 0
  const next = machine.transition(state, fact, scope) as SnapshotFrom<M>
  if (next === state) return { state, wanted: [], handled: false }
  return { state: next, wanted: wantedOf(collected), handled: true }
}

/** The state of a stream that has no event yet. @pure */
export function initial<M extends AnyStateMachine>(machine: M): SnapshotFrom<M> {
  return machine.getInitialSnapshot(scopeOf(machine).scope, undefined as never) as SnapshotFrom<M>
}

/** Stands for every effect in every machine: effects are returned as data, never executed here. */
export function neverExecuted(): never {
  throw new Error('an effect was executed inside a machine')
}

export const MAX_MICROSTEPS = 50
