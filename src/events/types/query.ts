/**
 * Questions that a log answers, wherever it lies: the open log of a pool, a file far from its host. Answers
 * come in slices, so that a long one never holds up a commit.
 */
import type { Head, StoredEvent } from './envelope.ts'
import type { EventType } from './events.ts'
import type { StreamId } from './ids.ts'

export type ReadQuery = {
  /** First seq wanted (inclusive). */
  readonly from: number
  /** Last seq wanted (inclusive); absent = to the head. */
  readonly to?: number
  readonly stream?: StreamId
  /** At most this many events; the store may return fewer (a slice of ≤ 10 ms). */
  readonly limit: number
  /** Newest first. */
  readonly reverse?: boolean
}

export type ReadSlice = {
  readonly events: readonly StoredEvent[]
  /** Where to go on (`from` of the next query, or `to` when reading in reverse), null at the end. */
  readonly next: number | null
}

/**
 * A question of an admin at the post-mortem. All conditions hold at once. `next` of the answer goes into
 * `from` (into `to` when reading in reverse); an answer may be empty and still have a `next`.
 */
export type EventQuery = {
  readonly stream?: StreamId
  readonly types?: readonly EventType[]
  /** Events of one operation: those that carry this `op`, and the command's own event. */
  readonly op?: string
  /** Wall clock, ms since the epoch, both inclusive. The clock may have jumped: order is always by seq. */
  readonly since?: number
  readonly until?: number
  readonly from?: number
  readonly to?: number
  readonly reverse?: boolean
  readonly limit: number
}

/** What reading a log takes, and no more: whoever has this cannot change anything. */
export interface LogReader {
  /** For replay: events in the order of their positions. */
  read(query: ReadQuery): Promise<ReadSlice>
  /** For `history` and `event ls`. */
  query(query: EventQuery): Promise<ReadSlice>
  byId(id: string): Promise<StoredEvent | null>
  head(): Head
}
