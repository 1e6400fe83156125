/**
 * The states of one pool, as the fold of its log.
 *
 * Two layers: *committed* is what the log holds for certain, and what readers see; *speculative* is that
 * plus the batches on their way to the disk, and what decisions are made on. A commit moves a batch from
 * one to the other; a failed one drops the speculative layer. Replay goes through the same machines.
 *
 * A stream that cannot be folded is quarantined alone (DESIGN D16): it keeps its last good state for
 * readers, takes no commands, and its container goes on running.
 */
import type { StoredEvent } from '../events/types/envelope.ts'
import { ctOfStream, ctStream, type StreamId, type Ulid } from '../events/types/ids.ts'
import { readFact } from '../events/types/upcast.ts'
import type { View } from './advance.ts'
import { type Baseline, ctFromBaseline, poolFromBaseline } from './baseline.ts'
import { type CtState, containerMachine } from './container/machine.ts'
import type { DecideView } from './decide/decision.ts'
import { exists } from './life.ts'
import { type PoolState, poolMachine } from './pool/machine.ts'
import { initial, type Seen, step } from './step.ts'

export type AnyState = PoolState | CtState

const unborn: CtState = initial(containerMachine)

/** One layer of states with its index of names. */
export class States implements DecideView {
  #pool: PoolState
  readonly #cts: Map<Ulid, CtState>
  readonly #byCtid: Map<string, Ulid>

  constructor(from?: States) {
    this.#pool = from ? from.#pool : initial(poolMachine)
    this.#cts = new Map(from ? from.#cts : [])
    this.#byCtid = new Map(from ? from.#byCtid : [])
  }

  pool(): PoolState {
    return this.#pool
  }

  ct(id: Ulid): CtState {
    return this.#cts.get(id) ?? unborn
  }

  /** Containers that exist, in the order of their creation. */
  *cts(): Iterable<CtState> {
    for (const ct of this.#cts.values()) if (exists(ct)) yield ct
  }

  /** Containers whose state matters: those that exist, and those that may come back from the trash. */
  *kept(): Iterable<CtState> {
    const inTrash = new Set(Object.values(this.#pool.context.trash).map(({ ct }) => ct))
    for (const [id, ct] of this.#cts) if (exists(ct) || inTrash.has(id)) yield ct
  }

  /** Every container that the log still tells of, gone ones included. */
  all(): Iterable<CtState> {
    return this.#cts.values()
  }

  byCtid(ctid: string): CtState | undefined {
    const id = this.#byCtid.get(ctid)
    return id === undefined ? undefined : this.#cts.get(id)
  }

  of(stream: StreamId): AnyState | null {
    if (stream === 'pool') return this.#pool
    const id = ctOfStream(stream)
    return id === undefined ? null : this.ct(id)
  }

  set(stream: StreamId, state: AnyState): void {
    if (stream === 'pool') {
      this.#pool = state as PoolState
      return
    }
    const id = ctOfStream(stream)
    if (id === undefined) return
    const ct = state as CtState
    const before = this.#cts.get(id)?.context.identity?.ctid
    this.#cts.set(id, ct)
    // Its dataset was renamed by hand, and the log took that over.
    if (before !== undefined && this.#byCtid.get(before) === id) this.#byCtid.delete(before)
    const ctid = ct.context.identity?.ctid
    if (ctid === undefined) return
    if (exists(ct)) this.#byCtid.set(ctid, id)
    else if (this.#byCtid.get(ctid) === id) this.#byCtid.delete(ctid)
  }
}

export type Quarantine = { readonly stream: StreamId; readonly seq: number; readonly why: string }

export class Fold {
  readonly states: States
  /** Versions of all streams. */
  readonly versions = new Map<StreamId, number>()
  readonly quarantined = new Map<StreamId, Quarantine>()
  seq = 0

  constructor() {
    this.states = new States()
  }

  /**
   * Applies one stored event. Never throws: a stream that does not fold is quarantined.
   * @returns false when the event was not applied
   */
  apply(event: StoredEvent): boolean {
    this.seq = event.seq
    this.versions.set(event.stream, event.ver)
    if (event.stream !== 'pool' && ctOfStream(event.stream) === undefined) return true
    if (this.quarantined.has(event.stream)) return false
    const why = this.#fold(event)
    if (why === null) return true
    this.quarantined.set(event.stream, { stream: event.stream, seq: event.seq, why })
    return false
  }

  #fold(event: StoredEvent): string | null {
    const reading = readFact(event)
    if (!reading.ok) return reading.why
    const { fact } = reading
    try {
      if (fact.type === 'Baseline') {
        this.seat(event.stream, fact.state as Baseline)
        return null
      }
      const before = this.states.of(event.stream)
      if (!before) return `no machine for stream ${event.stream}`
      const seen = { ...fact, meta: { id: event.id, t: event.t, op: event.op ?? null } } as Seen
      const stepped =
        event.stream === 'pool'
          ? step(poolMachine, before as PoolState, seen)
          : step(containerMachine, before as CtState, seen)
      if (!stepped.handled) return `${event.type} is not legal here`
      this.states.set(event.stream, stepped.state)
      return null
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
  }

  /** A quarantined stream was folded after all: it goes on in this state. */
  release(stream: StreamId, state: AnyState): void {
    this.states.set(stream, state)
    this.quarantined.delete(stream)
  }

  /** Puts a stream into the state of a baseline or a cached snapshot. @throws when it is unusable */
  seat(stream: StreamId, baseline: Baseline): void {
    this.states.set(stream, stream === 'pool' ? poolFromBaseline(baseline) : ctFromBaseline(baseline))
  }
}

export const ctIdOf = (ct: CtState): Ulid => ct.context.identity?.id ?? ''
export const ctidOf = (ct: CtState): string => ct.context.identity?.ctid ?? ''
export const streamOfCt = (ct: CtState): StreamId => ctStream(ctIdOf(ct))
export type { View }
