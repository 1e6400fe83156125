/**
 * The port of the log: what the daemon needs of a store, and nothing of how it is kept.
 *
 * Two stores stand behind it: SQLite on a ZFS dataset, owned by a worker thread, and an in-memory disk with
 * sync points for the simulator. One contract suite runs on both.
 *
 * Invariants: positions are gap-free; an append is all there or not at all; what `append` acknowledged
 * survives a power cut; one writer. A commit that fails has an *unknown* outcome: the store then refuses
 * everything until it is reopened, and the caller looks its events up by id.
 */
import type { Head, NewEvent, StoredEvent } from '../types/envelope.ts'
import type { EventType } from '../types/events.ts'
import type { StreamId } from '../types/ids.ts'

export type AppendBatch = {
  readonly events: readonly NewEvent[]
  /** Version that each named stream must have before the batch; 0 = must not exist. */
  readonly expected: Readonly<Partial<Record<StreamId, number>>>
}

/** Positions given to a batch: events[i] has seq `first + i`. */
export type Appended = { readonly first: number; readonly head: Head }

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

export type Damage = { readonly seq: number | null; readonly segment: number; readonly what: string }

export type OpenedLog = {
  readonly head: Head
  /** seq at which replay begins: the open segment's first event (its Baselines follow). */
  readonly replayFrom: number
  readonly streams: ReadonlyMap<StreamId, number>
  /** Set when the log can be read but must not be appended to, with the reason. */
  readonly readOnly: string | null
  readonly damage: readonly Damage[]
  /** What was found and is no damage, such as the torn end of a commit that nobody was told of. */
  readonly notes: readonly string[]
}

export type VerifyReport = {
  readonly head: Head
  readonly checked: number
  readonly segments: number
  readonly damage: readonly Damage[]
}

/**
 * Errors (`LogError.code`): E_LOG_CONFLICT (a stream is not at the expected version; nothing was appended),
 * E_LOG_DUPLICATE (the idempotency key or event id is already there; nothing was appended),
 * E_LOG_UNKNOWN (COMMIT failed: reopen and look up), E_LOG_READ_ONLY, E_LOG_CLOSED, E_LOG_FULL (no space),
 * E_LOG_DAMAGED, E_LOG_LOCKED (another process holds the file), E_LOG_MISSING (no directory, not mounted, or
 * no log where one must be), E_LOG_IO (the disk failed before COMMIT; nothing was appended).
 */
export interface LogStore {
  /** Opens (creating the first segment if there is none), checks the tail's chain, returns where it stands. */
  open(): Promise<OpenedLog>
  /** Durable when it resolves. Appends that arrive together commit together. */
  append(batch: AppendBatch): Promise<Appended>
  read(query: ReadQuery): Promise<ReadSlice>
  /** For `history` and `event ls`; replay uses `read`. */
  query(query: EventQuery): Promise<ReadSlice>
  byId(id: string): Promise<StoredEvent | null>
  /** The event that carries this idempotency key, also out of earlier segments' last 24 h. */
  byKey(key: string): Promise<StoredEvent | null>
  head(): Head
  /**
   * Seals the open segment and opens the next with these baselines, each a `Baseline` event of its stream
   * ('pool', 'ct:…'). Every step is crash-safe: after a crash the log opens in the old or the new segment.
   * `expected` guards against an append that came between folding the baselines and sealing.
   */
  seal(baselines: readonly NewEvent[], expected?: AppendBatch['expected']): Promise<Appended>
  /** Number of events in the open segment: the daemon seals at 250,000. */
  segmentEvents(): number
  verify(options: { full: boolean; against?: Head }): Promise<VerifyReport>
  /** Checkpoints the WAL and closes. Idempotent. */
  close(): Promise<void>
}

export type LogErrorCode =
  | 'E_LOG_CONFLICT'
  | 'E_LOG_DUPLICATE'
  | 'E_LOG_UNKNOWN'
  | 'E_LOG_READ_ONLY'
  | 'E_LOG_CLOSED'
  | 'E_LOG_FULL'
  | 'E_LOG_DAMAGED'
  | 'E_LOG_LOCKED'
  | 'E_LOG_MISSING'
  | 'E_LOG_IO'

export class LogError extends Error {
  readonly code: LogErrorCode
  constructor(code: LogErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'LogError'
    this.code = code
  }
}
