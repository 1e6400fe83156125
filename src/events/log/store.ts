/**
 * The log of a pool: what, why so, and what holds. This file is the port, all that the daemon knows of it.
 *
 * **What.** One log a pool, in a directory of its own: `log.db` is the open segment, `log.<n>.db` are sealed.
 * Events get `seq` in the log and `ver` in their stream, and are chained by hash over their exact bytes
 * (chain.ts). Behind the port stand SQLite (sqlite/log.ts), the same behind a thread (client.ts, worker.ts),
 * and a disk in memory with faults for the simulator (memory.ts). All plan their commits with the same code
 * (draft.ts), and one contract suite runs on each.
 *
 * **Why so.** SQLite, because an admin at the post-mortem has a tool for it on every machine. A thread,
 * because a disk that hangs must not hang the daemon. Group commit, because a sync costs the same for one
 * command and for sixty. Segments that begin with baselines, because replay must not grow with history. An
 * own look at the WAL before SQLite sees it (sqlite/wal.ts), because SQLite drops what follows a flipped bit
 * without a word. Indexes for questions only in sealed segments, because each costs every commit a page.
 *
 * **Invariants.** Positions are gap-free; an append is all there or not at all; what `append` acknowledged
 * survives a power cut; one writer. A log that is damaged is opened, read-only, with the damage named and
 * what stands before it readable; nothing is repaired or thrown away by opening, and `recover` throws nothing away. A commit that fails has an
 * *unknown* outcome: the store then refuses everything until it is reopened, and the caller looks its
 * events up by id.
 *
 * **A crash** in the middle of
 * - an append, before its COMMIT was synced: its events are all there or none is; nobody was told. What a
 *   torn write leaves in the WAL is kept aside as `log.torn-….wal`, named in `notes`, and cut off.
 * - an append, after the sync: they are there; the caller was not told and finds them by id or key.
 * - creating the log: `log.next.db` is left, which means nothing.
 * - sealing: see sqlite/seal.ts, step by step. It opens in the old or in the new segment.
 * - pruning: the event is there, and opening removes what files are left.
 * - upgrading: it is a seal, so it opens in the old format or in the new one.
 * - recovering: see sqlite/recover.ts. It opens damaged as before, or recovered.
 * - closing or a checkpoint: SQLite's own recovery; the WAL still has all of it.
 *
 * **Keys.** An idempotency key is refused while its event stands in the open segment, and for 24 h of event
 * time in older ones: sealed segments are looked into, nothing is carried over. So a segment must not be
 * pruned before its last event is 24 h old. A stream without a baseline has ended; should it get an event
 * after all, it goes on counting from where an older segment left it.
 */
import type { Head, NewEvent, StoredEvent } from '../types/envelope.ts'
import type { StreamId } from '../types/ids.ts'
import type { SegmentHead } from '../types/log-events.ts'
import type { LogReader, SegmentInfo } from '../types/query.ts'

export type { EventQuery, LogReader, ReadQuery, ReadSlice, SegmentInfo } from '../types/query.ts'

export type AppendBatch = {
  readonly events: readonly NewEvent[]
  /** Version that each named stream must have before the batch; 0 = must not exist. */
  readonly expected: Readonly<Partial<Record<StreamId, number>>>
}

/** Positions given to a batch: events[i] has seq `first + i`. */
export type Appended = { readonly first: number; readonly head: Head }

export type Damage = { readonly seq: number | null; readonly segment: number; readonly what: string }

export type OpenedLog = {
  readonly head: Head
  /** Of its open segment; `since` as that says it, null when it does not. */
  readonly format: { readonly number: number; readonly since: string | null }
  /** seq at which replay begins: the open segment's first event (its Baselines follow). */
  readonly replayFrom: number
  readonly streams: ReadonlyMap<StreamId, number>
  /** Set when the log can be read but must not be appended to, with the reason. */
  readonly readOnly: string | null
  readonly damage: readonly Damage[]
  /** What was found and is no damage, such as the torn end of a commit that nobody was told of. */
  readonly notes: readonly string[]
}

/** The next segment is of a newer format, and these events are its first after the baselines. */
export type LogUpgrade = { readonly to: number; readonly events: readonly NewEvent[] }

export type LogRecovery = {
  /** The damaged file is kept as `log.damaged-<label>.db`, its write-ahead log beside it. */
  readonly label: string
  readonly events: readonly NewEvent[]
  /** What the new segment opens with when nothing of the damaged one can be trusted. */
  readonly baselines: readonly NewEvent[]
}
export const evidenceName = (label: string): string => `log.damaged-${label}.db`

export type VerifyReport = {
  readonly head: Head
  readonly checked: number
  readonly segments: number
  /** The newest segment that was pruned with all before it; what is left must join it. */
  readonly pruned: SegmentHead | null
  readonly damage: readonly Damage[]
}

/**
 * Errors (`LogError.code`): E_LOG_CONFLICT (a stream is not at the expected version; nothing was appended),
 * E_LOG_DUPLICATE (the idempotency key or event id is already there; nothing was appended),
 * E_LOG_UNKNOWN (COMMIT failed: reopen and look up), E_LOG_READ_ONLY, E_LOG_CLOSED, E_LOG_FULL (no space),
 * E_LOG_DAMAGED, E_LOG_LOCKED (another process holds the file), E_LOG_MISSING (no directory, not mounted, or
 * no log where one must be), E_LOG_IO (the disk failed before COMMIT; nothing was appended).
 */
export interface LogStore extends LogReader {
  /** Opens (creating the first segment if there is none), checks the tail's chain, returns where it stands. */
  open(): Promise<OpenedLog>
  /** Durable when it resolves. Appends that arrive together commit together. */
  append(batch: AppendBatch): Promise<Appended>
  /** The event that carries this idempotency key, also out of earlier segments' last 24 h. */
  byKey(key: string): Promise<StoredEvent | null>
  /**
   * Seals the open segment and opens the next with these baselines, each a `Baseline` event of its stream
   * ('pool', 'ct:…'). Every step is crash-safe: after a crash the log opens in the old or the new segment.
   * `expected` guards against an append that came between folding the baselines and sealing. With `upgrade` the next
   * segment is of another format: by that one rename the log is upgraded and says so, or neither.
   * @throws E_LOG_READ_ONLY also when this osctld does not know the format
   */
  seal(
    baselines: readonly NewEvent[],
    expected?: AppendBatch['expected'],
    upgrade?: LogUpgrade,
  ): Promise<Appended>
  /**
   * Goes on with a log that was opened read-only because it is damaged: its file is kept beside the log, and what
   * can be trusted of it stands in a new one, followed by these events. Crash-safe: it opens as before, or recovered.
   * @throws E_LOG_READ_ONLY when it is not damaged, or cannot be written; E_LOG_DAMAGED when nothing can be read
   */
  recover(recovery: LogRecovery): Promise<OpenedLog>
  /** Sealed segments, oldest first. One that cannot be read is known by the segment after it, or left out. */
  segments(): Promise<SegmentInfo[]>
  /**
   * Removes the files of the segments that the log says are pruned: all up to the last of its newest SegmentsPruned.
   * Idempotent; opening does it as well, so a crash after that event's commit leaves nothing behind for long.
   * @returns numbers of the segments whose files went
   */
  prune(): Promise<number[]>
  /** Number of events in the open segment: the daemon seals at 250,000. */
  segmentEvents(): number
  /** Hash of the event at this position; null where the log has none that can be read. */
  hashAt(seq: number): Promise<string | null>
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
