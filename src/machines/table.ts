/**
 * A machine as a table of moves: what XState makes of a fact is asked of XState once, and remembered.
 *
 * Which actions a fact brings, in which order, and which states it ends in depends on the states that the machine is
 * in, on the fact's type, and on what the guards say; on nothing else. So XState is asked the first time: a recorder of
 * the machine, with the same drawing, names in the place of its actions and questions in the place of its guards, takes
 * the transition, and the guards that it asked for, with their answers, become a path that ends in a *move*. From then
 * on such a fact costs its guards, its updates and one new state object. Measured: 0.4 µs and 0.8 KB a step, where
 * XState's own takes 10 µs and 24 KB; a command makes three of them, and a start replays hundreds of thousands.
 *
 * States that differ in what they remember alone share all else, frozen: one object for each set of states.
 *
 * Invariants: nothing is decided here that XState did not decide; updates, guards and intents are the machine's own
 * functions; what a table cannot hold (timers, actors, transitions without a fact, history, final states, actions and
 * guards without a name) is refused when the table is made. That each step is what XState's public `transition()`
 * makes of it, tests ask for every fact in every state, and the simulator for one event of eight of every life.
 */
import { type AnyMachineSnapshot, type AnyStateMachine, createMachine, transition } from 'xstate'
import type { Seen, Wanted } from './seen.ts'

type Args = { readonly context: object; readonly event: Seen }
type Guard = (args: Args) => boolean
/** What an action does: it changes what is remembered, or asks for an intent. */
type Action = { readonly update: (args: Args) => object } | { readonly want: (args: Args) => Wanted }

type Move = {
  readonly actions: readonly Action[]
  readonly next: Row
  /** Whether any region takes the fact. */
  readonly isHandled: boolean
}

/** The way to a move: what is asked next, until nothing is. */
type Path = { readonly move: Move } | { readonly guard: string; yes: Path | null; no: Path | null }
type Answer = { readonly guard: string; readonly holds: boolean }

/** One set of states, with the moves that are known from there. */
type Row = { readonly state: AnyMachineSnapshot; readonly moves: Map<string, Path> }

export type Moved = { readonly state: AnyMachineSnapshot; readonly wanted: readonly Wanted[] }

const NOTHING: readonly Wanted[] = Object.freeze([])

export class Table {
  readonly #machine: AnyStateMachine
  readonly #recorder: AnyStateMachine
  readonly #guards: Readonly<Record<string, Guard>>
  readonly #updates: ReadonlyMap<string, Action>
  /** By the text of their value, as a baseline or XState has it. */
  readonly #rows = new Map<string, Row>()
  /** By the value object that the states of a row share. */
  readonly #byValue = new WeakMap<object, Row>()
  /** What the recorder is to be told; set while it is asked. */
  #answer: (guard: string) => boolean = () => false

  /** @throws when the machine has more than a table can hold */
  constructor(machine: AnyStateMachine) {
    refuseMore(machine.config)
    this.#machine = machine
    this.#guards = machine.implementations.guards as Record<string, Guard>
    this.#updates = updatesOf(machine)
    const asked = Object.keys(this.#guards).map((name) => [name, () => this.#answer(name)] as const)
    const named = Object.keys(machine.implementations.actions).map((name) => [name, () => {}] as const)
    this.#recorder = createMachine(recorded(machine.config) as never, {
      guards: Object.fromEntries(asked),
      actions: Object.fromEntries(named),
    })
  }

  /**
   * A state of the machine.
   * @param value  as XState has it; a region that is left out is in its first state
   * @throws when it names a state that does not exist
   */
  seat(value: object, context: object): AnyMachineSnapshot {
    return { ...this.#rowOf(value).state, context }
  }

  /** @returns null when no region takes the fact */
  step({ value, context }: AnyMachineSnapshot, event: Seen): Moved | null {
    const { actions, next, isHandled } = this.#moveOf(this.#rowOf(value), { context, event })
    if (!isHandled) return null
    let now = context
    let wanted = NOTHING
    for (const action of actions) {
      if ('update' in action) now = { ...now, ...action.update({ context: now, event }) }
      else wanted = [...wanted, action.want({ context: now, event })]
    }
    return { state: { ...next.state, context: now }, wanted }
  }

  handles({ value, context }: AnyMachineSnapshot, event: Seen): boolean {
    return this.#moveOf(this.#rowOf(value), { context, event }).isHandled
  }

  #rowOf(value: object): Row {
    return this.#byValue.get(value) ?? this.#rowOfText(value)
  }

  #rowOfText(value: object): Row {
    const text = JSON.stringify(value)
    const known = this.#rows.get(text)
    if (known) return known
    const state = this.#machine.resolveState({ value: value as never, context: {} })
    const whole = JSON.stringify(state.value)
    const row = this.#rows.get(whole) ?? { state, moves: new Map() }
    if (row.state === state) this.#byValue.set(deepFrozen(state.value), row)
    this.#rows.set(whole, row)
    this.#rows.set(text, row)
    return row
  }

  #moveOf(row: Row, args: Args): Move {
    let path = row.moves.get(args.event.type) ?? null
    while (path && !('move' in path)) path = this.#holds(path.guard, args) ? path.yes : path.no
    return path ? path.move : this.#learn(row, args)
  }

  #holds(name: string, args: Args): boolean {
    const guard = this.#guards[name]
    if (!guard) throw new Error(`there is no guard ${name}`)
    return guard(args)
  }

  /** Asks XState, and remembers under what answers of the guards it said so. */
  #learn(row: Row, args: Args): Move {
    const { type } = args.event
    const answers: Answer[] = []
    this.#answer = (guard) => {
      const holds = this.#holds(guard, args)
      answers.push({ guard, holds })
      return holds
    }
    const before = this.#recorder.resolveState({ value: row.state.value, context: {} })
    const [after, executable] = transition(this.#recorder, before, { type })
    const actions = executable.map((one): Action => this.#actionOf(one.type, one.params))
    const isHandled = after !== before || actions.some((action) => 'update' in action)
    const move = { actions, next: this.#rowOf(after.value as object), isHandled }
    row.moves.set(type, extended(row.moves.get(type) ?? null, answers, move))
    return move
  }

  #actionOf(type: string, params: unknown): Action {
    const update = this.#updates.get(type)
    if (update) return update
    if (type !== 'effect' || typeof params !== 'function')
      throw new Error(`a machine asks for an action of type ${type}`)
    return { want: params as (args: Args) => Wanted }
  }
}

/** The path with one more way through it. */
function extended(path: Path | null, answers: readonly Answer[], move: Move): Path {
  const [first, ...rest] = answers
  if (!first) return { move }
  const fork = path && 'guard' in path ? path : { guard: first.guard, yes: null, no: null }
  if (first.holds) fork.yes = extended(fork.yes, rest, move)
  else fork.no = extended(fork.no, rest, move)
  return fork
}

/** The machine's own updates: what is given to `assign`, a function or the members as they are. */
function updatesOf(machine: AnyStateMachine): Map<string, Action> {
  const updates = new Map<string, Action>()
  for (const [name, action] of Object.entries(machine.implementations.actions)) {
    if (typeof action !== 'function' || !('assignment' in action)) continue
    const { assignment } = action
    if (typeof assignment === 'function') updates.set(name, { update: assignment as (args: Args) => object })
    else updates.set(name, { update: () => assignment as object })
  }
  return updates
}

const MORE = ['invoke', 'after', 'always', 'exit', 'onDone', 'output', 'route']

/** @throws for what a table cannot hold */
function refuseMore(config: object): void {
  for (const [key, inner] of Object.entries(config)) {
    const isUnnamed = ['guard', 'actions'].includes(key) && namesOf(inner) === null
    if (MORE.includes(key) || isUnnamed || key === '*' || inner === 'final' || inner === 'history')
      throw new Error(`a machine with ${key === 'type' ? inner : key} is no table`)
    if (typeof inner === 'object' && inner !== null) refuseMore(inner)
  }
}

const namesOf = (actions: unknown): string[] | null => {
  const all = Array.isArray(actions) ? actions : [actions]
  return all.every((one) => typeof one === 'string') ? all : null
}

/** The same drawing, in which an intent's parameters are the function that makes them. */
function recorded(drawing: unknown, key = ''): unknown {
  if (typeof drawing === 'function') return key === 'params' ? () => drawing : drawing
  if (Array.isArray(drawing)) return drawing.map((item) => recorded(item))
  if (typeof drawing !== 'object' || drawing === null) return drawing
  return Object.fromEntries(Object.entries(drawing).map(([name, inner]) => [name, recorded(inner, name)]))
}

function deepFrozen<T extends object>(value: T): T {
  for (const inner of Object.values(value)) if (typeof inner === 'object') deepFrozen(inner)
  return Object.freeze(value)
}
