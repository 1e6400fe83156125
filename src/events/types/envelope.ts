/**
 * The envelope: what every stored event carries besides its data. Keys are short, since each event pays
 * for them; the body's exact bytes are what the chain hashes, so nothing is ever re-serialised.
 */
import type { EventType } from './events.ts'
import type { StreamId } from './ids.ts'

/** An event that is decided but not stored: the log gives it `seq`, `ver` and the session. */
export type NewEvent = {
  readonly stream: StreamId
  /** ULID made before the commit: resolves a commit whose outcome is unknown by looking it up. */
  readonly id: string
  readonly type: EventType
  /** Version of `data`'s shape. */
  readonly v: number
  /** Wall clock, ms since the epoch. */
  readonly t: number
  /** Monotonic clock, µs since boot: orders events of one boot across pools, and measures durations. */
  readonly m: number
  /** Operation (correlation): the id of the command's event. */
  readonly op?: string | undefined
  /** Id of the event that caused this one directly. */
  readonly by?: string | undefined
  /** Idempotency key of the command; unique in the log. */
  readonly key?: string | undefined
  readonly data: unknown
}

/** An event as it stands in the log. */
export type StoredEvent = NewEvent & {
  /** Position in the pool's log: from 1, gap-free. Written `POOL:SEQ`. */
  readonly seq: number
  /** Position in its stream: from 1, gap-free. */
  readonly ver: number
  /** `seq` of the session's SessionOpened (its own for that event itself). */
  readonly s: number
}

/** The end of a log: what an anchor records. `hash` is lower-case hex SHA-256, 64 zeros for an empty log. */
export type Head = { readonly seq: number; readonly hash: string }
export const EMPTY_HEAD: Head = { seq: 0, hash: '0'.repeat(64) }
