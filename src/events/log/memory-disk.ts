/**
 * A disk for the log in memory, which outlives the daemon that used it: the simulator's.
 *
 * What a store wrote and did not sync is the disk's tail: other reads of the same daemon see it, a crash
 * loses it, or keeps it if the crash says so, as a real disk may. At each sync point the disk asks `faults`
 * what happens there. Nothing here knows the time or draws a random number.
 */
import type { Row } from './draft.ts'
import { LogError } from './store.ts'

/** A segment with its indexes. */
export class MemorySegment {
  readonly number: number
  readonly first: number
  readonly previous: Buffer
  readonly format: number
  readonly rows: Row[] = []
  readonly ids = new Map<string, number>()
  readonly keys = new Map<string, Row>()

  constructor(number: number, first: number, previous: Buffer, rows: readonly Row[], format = 1) {
    this.number = number
    this.format = format
    this.first = first
    this.previous = previous
    for (const row of rows) this.push(row)
  }

  push(row: Row): void {
    this.rows.push(row)
    this.ids.set(row.event.id, row.event.seq)
    if (row.event.key !== undefined) this.keys.set(row.event.key, row)
  }

  pop(): void {
    const row = this.rows.pop()
    if (!row) return
    this.ids.delete(row.event.id)
    if (row.event.key !== undefined) this.keys.delete(row.event.key)
  }
}

/** Where a store stands when it asks the disk to make something durable. */
export type SyncPoint = {
  readonly what: 'create' | 'commit' | 'seal' | 'recover' | 'prune'
  /** Counts the sync points of this disk from 1: with a seed, it names a crash. */
  readonly n: number
  readonly events: number
}

export type Fault =
  | 'none'
  /** The daemon dies; what was to be synced is lost. */
  | 'crash-before'
  /** The daemon dies after the sync and before it is told. */
  | 'crash-after'
  /** COMMIT reports failure, and the events are there after reopening. */
  | 'unknown-applied'
  /** COMMIT reports failure, and the events are not there after reopening. */
  | 'unknown-lost'
  /** As `unknown-applied` and `unknown-lost`, and the disk is away: it is opened again at the third try. */
  | 'away-applied'
  | 'away-lost'
  /** No space; nothing was appended. */
  | 'full'
  /** The write failed before COMMIT; nothing was appended. */
  | 'io'

const AWAY_OPENS = 2

export class MemoryDisk {
  /** In order; the last one is open. */
  segments: MemorySegment[] = []
  /** Damaged segments that a recovery took the place of, by its label. */
  readonly evidence = new Map<string, MemorySegment>()
  /** Rows of the open segment, at its end, that were written and not synced. */
  unsynced = 0
  /** Grows with each crash: a store of an earlier life hangs for ever. */
  life = 1
  isHeld = false
  /** A disk that says synced and is not, as one with its cache flush ignored: only a crash tells. */
  ignoresSync = false
  /** Set to make the file system read-only for the next open. */
  isReadOnly = false
  /** How many times more opening it fails. The next daemon finds the disk back. */
  failingOpens = 0
  faults: (point: SyncPoint) => Fault = () => 'none'
  /** Told after a crash that a fault caused, so that the simulator can drop the daemon. */
  onCrash: (point: SyncPoint) => void = () => {}
  #points = 0

  get points(): number {
    return this.#points
  }

  /** What happens at this point. */
  meet(point: SyncPoint): Fault {
    const fault = this.faults(point)
    if (fault.startsWith('away-')) this.failingOpens = Math.max(this.failingOpens, AWAY_OPENS)
    return fault
  }

  /** @throws LogError E_LOG_LOCKED, E_LOG_IO */
  requireOpenable(): void {
    if (this.isHeld) throw new LogError('E_LOG_LOCKED', 'another daemon holds the event log')
    if (this.failingOpens === 0) return
    this.failingOpens--
    throw new LogError('E_LOG_IO', 'the event log cannot be read: EIO')
  }

  open(): MemorySegment | undefined {
    return this.segments.at(-1)
  }

  /** All rows, oldest first. */
  *rows(): Generator<Row> {
    for (const segment of this.segments) yield* segment.rows
  }

  at(seq: number): Row | undefined {
    const segment = this.segments.findLast((it) => it.first <= seq)
    return segment?.rows[seq - segment.first]
  }

  write(rows: readonly Row[]): void {
    for (const row of rows) this.open()?.push(row)
    this.unsynced += rows.length
  }

  /** Takes the last rows off again. */
  discard(count: number): void {
    for (let i = 0; i < count; i++) {
      this.open()?.pop()
      if (this.open()?.rows.length === 0) this.segments.pop()
    }
    this.unsynced = Math.max(0, this.unsynced - count)
  }

  sync(): void {
    if (!this.ignoresSync) this.unsynced = 0
  }

  nextPoint(what: SyncPoint['what'], events: number): SyncPoint {
    this.#points += 1
    return { what, n: this.#points, events }
  }

  /**
   * The daemon dies, or the machine.
   *
   * @param keepUnsynced  how many of the unsynced rows the disk kept all the same, oldest first
   */
  crash(keepUnsynced = 0): void {
    const lost = Math.max(0, this.unsynced - keepUnsynced)
    if (lost > 0) this.discard(lost)
    this.unsynced = 0
    this.isHeld = false
    this.failingOpens = 0
    this.life += 1
  }
}
