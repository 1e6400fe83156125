/**
 * Questions that a log answers, wherever it lies: the open log of a pool, a file far from its host. Answers
 * come in slices, so that a long one never holds up a commit.
 */
import type { Actor } from './actor.ts'
import { actorName, isNamed } from './actor-name.ts'
import type { Head, StoredEvent } from './envelope.ts'
import type { EventType } from './events.ts'
import type { StreamId } from './ids.ts'
import type { SegmentHead } from './log-events.ts'

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
  /** Events of one operation. One without `op` is an operation by itself, named by its id. */
  readonly op?: string
  /** Events that carry one of these as their `op`. */
  readonly ops?: readonly string[]
  /** Events of these ids. */
  readonly ids?: readonly string[]
  /** Commands and sessions of actors that answer to one of these names (`isNamed`). */
  readonly actors?: readonly string[]
  /** What an admin would call a failure (`isFailure`). */
  readonly failed?: true
  /** Wall clock, ms since the epoch, both inclusive. The clock may have jumped: order is always by seq. */
  readonly since?: number
  readonly until?: number
  readonly from?: number
  readonly to?: number
  readonly reverse?: boolean
  readonly limit: number
}

/** Events as the bytes that the chain hashes, and the hash that stands with each. */
export type RawSlice = {
  readonly rows: readonly { readonly body: Uint8Array; readonly hash: Uint8Array }[]
  readonly next: number | null
}

/** Where a position lies. */
export type Place = {
  /** First position of its segment: folding from there gives the states at any position of the segment. */
  readonly segmentFirst: number
  /** SHA-256 of the chain up to and with the event there, as in `Head`. */
  readonly hash: string
}

/** What reading a log takes, and no more: whoever has this cannot change anything. */
export interface LogReader {
  /** For replay: events in the order of their positions. */
  read(query: ReadQuery): Promise<ReadSlice>
  /** For `history` and `event ls`. */
  query(query: EventQuery): Promise<ReadSlice>
  /** As `read`, unparsed: for who carries a log elsewhere. */
  raw(query: ReadQuery): Promise<RawSlice>
  byId(id: string): Promise<StoredEvent | null>
  /** Null when the log has no such position, or not any more. */
  placeOf(seq: number): Promise<Place | null>
  head(): Head
}

/** Events that say who acted. */
export const ACTOR_TYPES: readonly EventType[] = [
  'CommandAccepted',
  'CommandNoop',
  'CommandRefused',
  'CancelRequested',
  'CtSessionOpened',
]

/** Facts that tell what happened without a command, and belong to the history as well. */
export const HAPPENINGS: readonly EventType[] = [
  'RefusalsSummed',
  'PoolOpened',
  'PoolReady',
  'AutostartFinished',
  'PoolExportFailed',
  'PoolClosed',
  'CtExited',
  'CtRebooted',
  'CtAdopted',
  'CtLost',
  'DriftNoticed',
  'DriftGone',
  'EffectFenced',
  'EffectInDoubt',
]
/** Events that are failures whatever they hold. */
export const FAILURE_TYPES: readonly EventType[] = [
  'CommandRefused',
  'RefusalsSummed',
  'EffectInDoubt',
  'CtLost',
  'PoolExportFailed',
]

/** Name of the actor that an event tells of; null when it tells of none. */
export function actorOfEvent({ type, data }: Pick<StoredEvent, 'type' | 'data'>): string | null {
  return ACTOR_TYPES.includes(type) ? actorName((data as { actor?: Actor }).actor) : null
}

/** A refusal, an operation that did not end as it should, one in doubt, a container that died. @pure */
export function isFailure({ type, data }: Pick<StoredEvent, 'type' | 'data'>): boolean {
  if (type === 'OperationFinished') return (data as { result?: string }).result !== 'done'
  if (type === 'CtExited') return (data as { target?: string }).target === 'crash'
  return FAILURE_TYPES.includes(type)
}

/** Whether an event fulfils all conditions of a query but its range and limit. @pure */
export function answers(event: StoredEvent, query: EventQuery): boolean {
  const { stream, types, op, ops, ids, actors, failed, since, until } = query
  const name = actors && actorOfEvent(event)
  const own = event.op ?? event.id
  return (
    (stream === undefined || stream === event.stream) &&
    (types === undefined || types.includes(event.type)) &&
    (op === undefined || op === own) &&
    (ops === undefined || (event.op !== undefined && ops.includes(event.op))) &&
    (ids === undefined || ids.includes(event.id)) &&
    (since === undefined || event.t >= since) &&
    (until === undefined || event.t <= until) &&
    (actors === undefined || (typeof name === 'string' && isNamed(name, actors))) &&
    (failed === undefined || isFailure(event))
  )
}

/** One sealed segment, as a question about the row of segments is answered. */
export type SegmentInfo = SegmentHead & {
  /** Wall clock of its first and last event, ms. */
  readonly begun: number
  readonly ended: number
  readonly bytes: number
}
