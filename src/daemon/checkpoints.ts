/**
 * Checkpoints of a pool's states in `cache.db` (src/events/log/cache.ts): what a start begins with, and what a
 * question about the past begins with.
 *
 * The live states are kept every CHECKPOINT_EVENTS events and when the pool closes; of all but the first only what
 * changed since the one before. States are plain values that are replaced and never changed in place, so they are
 * taken in one moment and made into text in pieces. A fold of the past that passes a stretch without checkpoints
 * keeps some on its way: the next question about that time has it easier.
 *
 * A crash costs a checkpoint. None is believed that does not fit the log.
 */
import { CHECKPOINT_EVENTS, type Checkpoint, type Kept, type Pace } from '../audit/past.ts'
import type { StreamId } from '../events/types/ids.ts'
import { baselineOf } from '../machines/baseline.ts'
import { type AnyState, streamOfCt } from '../machines/fold.ts'
import type { Committed, Journal } from './journal.ts'
import type { KeptState, StateCache } from './ports.ts'

type Taken = { readonly stream: StreamId; readonly ver: number; readonly state: AnyState | null }

export class Checkpoints {
  readonly #journal: Journal
  readonly #cache: StateCache
  readonly #pace: () => Pace
  /** Streams with events since the checkpoint at `#base`; without a base the next checkpoint holds all. */
  #changed = new Set<StreamId>()
  #base: number | null = null
  /** The last event that was heard of: what was folded unheard makes the changes incomplete. */
  #heard: number
  #kept: number
  #last: Promise<void> = Promise.resolve()

  constructor(journal: Journal, cache: StateCache, pace: () => Pace) {
    this.#journal = journal
    this.#cache = cache
    this.#pace = pace
    this.#heard = journal.head().seq
    this.#kept = this.#heard
    journal.listen((committed) => this.#onCommit(committed))
  }

  get isDue(): boolean {
    return this.#journal.head().seq - this.#kept >= CHECKPOINT_EVENTS
  }

  /** The newest checkpoint not above `upTo`. */
  async load(upTo: number): Promise<Checkpoint | null> {
    return await this.#cache.load(upTo)
  }

  /** Keeps states that a fold of the past came by. */
  async keep({ seq, base, states }: Kept): Promise<void> {
    await this.#cache.save(seq, base, states)
  }

  /** Keeps the committed states. One at a time, so that each finds the one that it rests on. */
  async save(): Promise<void> {
    const mine = this.#last.then(() => this.#save())
    this.#last = mine.catch(() => {})
    await mine
  }

  async forget(): Promise<void> {
    this.#base = null
    await this.#cache.forget()
  }

  async close(): Promise<void> {
    await this.#cache.close()
  }

  #onCommit({ stored, first }: Committed): void {
    if (first !== this.#heard + 1) this.#base = null
    this.#heard = stored.at(-1)?.seq ?? this.#heard
    for (const { stream } of stored) this.#changed.add(stream)
  }

  async #save(): Promise<void> {
    const { fold } = this.#journal
    const { seq } = this.#journal.head()
    // Only a moment without commits on their way has states and head of one position.
    if (fold.seq !== seq || fold.quarantined.size > 0) return
    const base = this.#heard === seq ? this.#base : null
    const taken = this.#take(base)
    this.#changed = new Set()
    this.#base = seq
    this.#kept = seq
    if (!(await this.#cache.save(seq, base, await textsOf(taken, this.#pace())))) this.#base = null
  }

  #take(base: number | null): Taken[] {
    const { states, versions } = this.#journal.fold
    const kept = new Set<StreamId>(['pool', ...[...states.kept()].map(streamOfCt)])
    return [...(base === null ? kept : this.#changed)].flatMap((stream): Taken[] => {
      const state = states.of(stream)
      if (!state) return []
      return [{ stream, ver: versions.get(stream) ?? 0, state: kept.has(stream) ? state : null }]
    })
  }
}

async function textsOf(taken: readonly Taken[], pace: Pace): Promise<KeptState[]> {
  const texts: KeptState[] = []
  for (const { stream, ver, state } of taken) {
    texts.push({ stream, ver, state: state && JSON.stringify(baselineOf(state)) })
    await pace()
  }
  return texts
}
