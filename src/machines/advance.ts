/**
 * One batch of facts on its way through the machines: the pure heart of the loop in DESIGN §2.
 *
 * A batch begins with the facts that a command or an outcome brought. Each goes through its stream's
 * machine; the intents that a transition asks for become `EffectIntended` facts of the same batch; what a
 * fact means for the pool (an image installed, a container in the trash) is added; and an operation with
 * nothing pending whose container is at rest is finished. The batch is then appended as one commit.
 *
 * Ids and times come from `Minting`, a port. Nothing is changed in place: on a refused or failed batch the
 * caller simply drops the result.
 */
import type { NewEvent } from '../events/types/envelope.ts'
import { eventVersions, type Fact } from '../events/types/events.ts'
import { ctOfStream, type StreamId } from '../events/types/ids.ts'
import { consequences } from './consequences.ts'
import { type CtState, containerMachine } from './container/machine.ts'
import type { Draft, Minting, View } from './draft.ts'
import { lifeOf } from './life.ts'
import type { Operation } from './operation.ts'
import { type PoolState, poolMachine } from './pool/machine.ts'
import { IllegalFact, type Seen, step, type Wanted } from './step.ts'

export type { Draft, Minting, View } from './draft.ts'

export type Finished = {
  stream: StreamId
  op: string
  result: 'done' | 'failed' | 'undone'
  error: string | null
}
export type Requested = { stream: StreamId; wanted: Wanted }

export type Advanced = {
  readonly events: readonly NewEvent[]
  readonly states: ReadonlyMap<StreamId, PoolState | CtState>
  readonly requested: readonly Requested[]
  readonly finished: readonly Finished[]
}

const AT_REST = [
  'absent',
  'stopped',
  'running',
  'rebooting',
  'frozen',
  'gone',
  'closed',
  'importing',
  'active',
]

class Batch {
  readonly events: NewEvent[] = []
  readonly states = new Map<StreamId, PoolState | CtState>()
  readonly requested: Requested[] = []
  readonly finished: Finished[] = []
  readonly #view: View
  readonly #mint: Minting

  constructor(view: View, mint: Minting) {
    this.#view = view
    this.#mint = mint
  }

  pool(): PoolState {
    return (this.states.get('pool') as PoolState | undefined) ?? this.#view.pool()
  }

  ct(id: string): CtState {
    return (this.states.get(`ct:${id}`) as CtState | undefined) ?? this.#view.ct(id)
  }

  *cts(): Iterable<CtState> {
    for (const ct of this.#view.cts()) {
      const id = ct.context.identity?.id
      yield id === undefined ? ct : this.ct(id)
    }
  }

  take(draft: Draft): void {
    const event = this.#mintEvent(draft)
    this.events.push(event)
    if (draft.fact.type === 'OperationFinished' && event.op) {
      const { result, error } = draft.fact
      this.finished.push({ stream: draft.stream, op: event.op, result, error })
    }
    const id = ctOfStream(draft.stream)
    if (draft.stream !== 'pool' && id === undefined) return
    const seen = { ...draft.fact, meta: { id: event.id, t: event.t, op: event.op ?? null } } as Seen
    const before = id === undefined ? this.pool() : this.ct(id)
    const stepped =
      id === undefined
        ? step(poolMachine, before as PoolState, seen)
        : step(containerMachine, before as CtState, seen)
    if (!stepped.handled) throw new IllegalFact(seen.type, lifeOf(before))
    this.states.set(draft.stream, stepped.state)
    for (const wanted of stepped.wanted) this.#intend(draft.stream, wanted, event.id)
    for (const next of consequences(
      this,
      draft.stream,
      before,
      seen,
      this.states.get(draft.stream) ?? before,
    )) {
      this.take({ ...next, by: event.id, ...(event.op === undefined ? {} : { op: event.op }) })
    }
  }

  /** Finishes the operations that have nothing left to do. */
  settle(): void {
    for (const [stream, state] of [...this.states]) {
      const op = state.context.op
      if (!op || op.pending || !rests(state, op) || !trashRests(state)) continue
      this.take({ stream, fact: { type: 'OperationFinished', ...resultOf(op, lifeOf(state)) }, op: op.id })
    }
  }

  #intend(stream: StreamId, wanted: Wanted, by: string): void {
    this.requested.push({ stream, wanted })
    const { intent, kind, args } = wanted
    const compensates = wanted.compensates ?? null
    // The machine's arguments are JSON by construction: every intent's schema is.
    const fact = { type: 'EffectIntended', intent, kind, args, compensates } as Fact
    this.take({ stream, fact, by })
  }

  #mintEvent({ stream, fact, id, op, by, key }: Draft): NewEvent {
    const { type, ...data } = fact
    const own = id ?? this.#mint.id()
    const current = op ?? (type === 'CommandAccepted' ? own : this.#operationOf(stream)?.id)
    return {
      stream,
      id: own,
      type,
      v: eventVersions[type],
      t: this.#mint.wall(),
      m: this.#mint.mono(),
      ...(current === undefined ? {} : { op: current }),
      ...(by === undefined ? {} : { by }),
      ...(key === undefined ? {} : { key }),
      data,
    }
  }

  #operationOf(stream: StreamId): Operation | null {
    if (stream === 'pool') return this.pool().context.op
    const id = ctOfStream(stream)
    return id === undefined ? null : this.ct(id).context.op
  }
}

/** An import is at rest when it is over; other commands end while it goes on. */
const rests = (state: PoolState | CtState, op: Operation): boolean =>
  AT_REST.includes(lifeOf(state)) && !(lifeOf(state) === 'importing' && op.command === 'pool import')

const trashRests = (state: PoolState | CtState): boolean =>
  !('pruning' in state.context) || state.context.pruning.length === 0

function resultOf(
  op: Operation,
  life: string,
): { result: 'done' | 'failed' | 'undone'; error: string | null } {
  if (op.error === null) return { result: 'done', error: null }
  return { result: life === 'gone' ? 'undone' : 'failed', error: op.error }
}

/**
 * Runs a batch of facts through the machines.
 *
 * @returns the events to append, in order, and the states after them
 * @throws IllegalFact when a fact is not legal in its stream's state: the batch is dropped whole
 * @pure apart from `mint`
 */
export function advance(view: View, drafts: readonly Draft[], mint: Minting): Advanced {
  const batch = new Batch(view, mint)
  for (const draft of drafts) batch.take(draft)
  batch.settle()
  return { events: batch.events, states: batch.states, requested: batch.requested, finished: batch.finished }
}
