/**
 * Reading one segment's file, open or sealed. Everything here is synchronous and bounded by a deadline:
 * the caller gives the thread back between two slices.
 */
import { performance } from 'node:perf_hooks'
import type { StreamId } from '../../types/ids.ts'
import { LogError } from '../store.ts'
import type { Db, Statement } from './connection.ts'
import { ACTOR, HAS_ACTOR } from './indexes.ts'

/** A slice of reading never keeps the thread, and so an append, longer than about this. */
export const SLICE_MS = 4
const CLOCK_EVERY = 64
const MAX_WINDOWS = 100

export type RawEvent = { readonly seq: number; readonly body: Buffer; readonly hash: Buffer }

export type Range = {
  readonly from: number
  readonly to: number
  readonly reverse: boolean
  readonly limit: number
  readonly stream?: StreamId | undefined
  /** Each body is followed by its hash, and both count for the limit. */
  readonly withHashes?: boolean | undefined
}

/** Bodies in order, and the seq to go on with; null when the segment has nothing more in the range. */
export type Slice = { readonly bodies: Buffer[]; readonly next: number | null }

export const deadlineIn = (ms: number): number => performance.now() + ms
export const isPast = (deadline: number): boolean => performance.now() >= deadline

type Copies = {
  readonly seq: number
  readonly stream: string
  readonly ver: number
  readonly id: string
  readonly key: string | null
  readonly op: string | null
  readonly type: string
  readonly t: number
}
export type FullRow = Copies & { readonly hash: Buffer; readonly body: Buffer }

/** The copies, the hash in hex, and the body with the number of its bytes; null where there are no bytes. */
export type TextRow = [
  ...copies: [number, string, number, string, string | null, string | null, string, number],
  hash: string | null,
  octets: number,
  body: string | null,
]
const TEXTS = `SELECT seq, stream, ver, id, key, op, type, t,
  CASE typeof(hash) WHEN 'blob' THEN lower(hex(hash)) END, length(body),
  CASE typeof(body) WHEN 'blob' THEN CAST(body AS TEXT) END
  FROM events WHERE seq BETWEEN ? AND ? ORDER BY seq`

/** What questions compare, besides the body. */
export type Keys = Pick<Copies, 'seq' | 'stream' | 'type' | 'op' | 't' | 'id'>
export const KEYS = 'seq, stream, type, op, t, id'
export type Candidate = Keys & { readonly body: Buffer }

export class Segment {
  readonly db: Db
  readonly number: number
  readonly first: number
  /** Hash that the first event is chained to. */
  readonly previous: Buffer
  readonly #statements = new Map<string, Statement>()
  /** What a sealed segment was asked before: it does not change. */
  #actors: readonly string[] | null = null
  #indexes: ReadonlySet<string> | null = null
  readonly #windows = new Map<string, { from: number; to: number }>()

  /** Sealed: immutable, and with an index for every question. */
  readonly isSealed: boolean

  constructor(db: Db, isSealed = false) {
    this.db = db
    this.isSealed = isSealed
    const row = db.prepare('SELECT number, first, previous FROM segment').get() as
      | { number: number; first: number; previous: Buffer }
      | undefined
    if (!row) throw new Error('the segment has no number')
    this.number = row.number
    this.first = row.first
    this.previous = row.previous
  }

  prepared(sql: string): Statement {
    let statement = this.#statements.get(sql)
    if (!statement) {
      statement = this.db.prepare<unknown[], unknown>(sql)
      this.#statements.set(sql, statement)
    }
    return statement
  }

  lastSeq(): number {
    const row = this.prepared('SELECT max(seq) AS seq FROM events').get() as { seq: number | null }
    return row.seq ?? this.first - 1
  }

  /** @throws E_LOG_DAMAGED when the row cannot hold an event */
  at(seq: number): RawEvent | undefined {
    const row = this.prepared('SELECT seq, body, hash FROM events WHERE seq = ?').get(seq) as
      | RawEvent
      | undefined
    if (row) assertBytes(seq, row.body, row.hash)
    return row
  }

  /**
   * These events in this order, those that are there, read so many at a time.
   * @throws E_LOG_DAMAGED when a row cannot hold an event
   */
  *candidates(seqs: readonly number[], atATime: number): Generator<Candidate> {
    for (let at = 0; at < seqs.length; at += atATime) yield* this.#together(seqs.slice(at, at + atATime))
  }

  /** Where a page cannot be read, the events before it still can: each is then read by itself. */
  *#together(seqs: readonly number[]): Generator<Candidate> {
    const isReverse = (seqs[0] ?? 0) > (seqs.at(-1) ?? 0)
    const together = this.prepared(
      `SELECT ${KEYS}, body FROM events WHERE seq IN (SELECT value FROM json_each(?))
       ORDER BY seq ${isReverse ? 'DESC' : 'ASC'}`,
    )
    for (const row of readable(() => together.all(JSON.stringify(seqs))) ?? this.#oneByOne(seqs)) {
      const candidate = row as Candidate
      assertBytes(candidate.seq, candidate.body)
      yield candidate
    }
  }

  *#oneByOne(seqs: readonly number[]): Generator<unknown> {
    const one = this.prepared(`SELECT ${KEYS}, body FROM events WHERE seq = ?`)
    for (const seq of seqs) yield* one.all(seq)
  }

  /** seq of the event with this id. */
  idSeq(id: string): number | undefined {
    const row = this.prepared('SELECT seq FROM events WHERE id = ?').get(id) as { seq: number } | undefined
    return row?.seq
  }

  keyed(key: string): { seq: number; t: number } | undefined {
    return this.prepared('SELECT seq, t FROM events WHERE key = ?').get(key) as
      | { seq: number; t: number }
      | undefined
  }

  version(stream: StreamId, upTo: number): number {
    const row = this.prepared(
      'SELECT ver FROM events WHERE stream = ? AND seq <= ? ORDER BY ver DESC LIMIT 1',
    ).get(stream, upTo) as { ver: number } | undefined
    return row?.ver ?? 0
  }

  /** Every stream of the segment with its version at `upTo`; hops from stream to stream in the index. */
  versions(upTo: number): Map<StreamId, number> {
    const versions = new Map<StreamId, number>()
    const after = this.prepared('SELECT min(stream) AS stream FROM events WHERE stream > ?')
    let stream = ''
    for (;;) {
      const row = after.get(stream) as { stream: string | null }
      if (row.stream === null) return versions
      stream = row.stream
      const ver = this.version(stream as StreamId, upTo)
      if (ver > 0) versions.set(stream as StreamId, ver)
    }
  }

  lastTime(): number {
    const row = this.prepared('SELECT t FROM events ORDER BY seq DESC LIMIT 1').get() as
      | { t: number }
      | undefined
    return row?.t ?? 0
  }

  read(range: Range, deadline: number): Slice {
    const { stream, reverse, limit, withHashes = false } = range
    const order = reverse ? 'DESC' : 'ASC'
    const sql = stream
      ? `SELECT seq, body, hash FROM events INDEXED BY events_stream_ver WHERE stream = ? AND ver BETWEEN ? AND ?
         AND seq BETWEEN ? AND ? ORDER BY ver ${order} LIMIT ?`
      : `SELECT seq, body, hash FROM events WHERE seq BETWEEN ? AND ? ORDER BY seq ${order} LIMIT ?`
    const bounds = stream ? [stream, ...this.versionsWithin(stream, range.from, range.to)] : []
    const bodies: Buffer[] = []
    const rows = this.prepared(sql)
      .raw()
      .iterate(...bounds, range.from, range.to, limit + 1)
    for (const row of rows as IterableIterator<[number, Buffer, Buffer]>) {
      const isFull = bodies.length >= limit
      const isLate = bodies.length > 0 && bodies.length % CLOCK_EVERY === 0 && isPast(deadline)
      if (isFull || isLate) return { bodies, next: row[0] }
      assertBytes(row[0], row[1], row[2])
      bodies.push(row[1])
      if (withHashes) bodies.push(row[2])
    }
    return { bodies, next: null }
  }

  /** `ver` grows with `seq` within a stream: the versions at both ends of a range bound the index scan. */
  versionsWithin(stream: StreamId, from: number, to: number): [low: number, high: number] {
    const before = from <= this.first ? 0 : this.#versionBefore(stream, from)
    const isOpenEnded = to >= this.lastSeq()
    return [before + 1, isOpenEnded ? Number.MAX_SAFE_INTEGER : this.#versionBefore(stream, to + 1)]
  }

  /** Highest version of the stream before `seq`. */
  #versionBefore(stream: StreamId, seq: number): number {
    let low = 0
    let high = this.version(stream, Number.MAX_SAFE_INTEGER)
    const position = this.prepared(
      'SELECT seq FROM events WHERE stream = ? AND ver >= ? ORDER BY ver LIMIT 1',
    )
    // Invariant: version `low` lies before seq, version `high + 1` does not.
    while (low < high) {
      const middle = Math.ceil((low + high) / 2)
      const row = position.get(stream, middle) as { seq: number } | undefined
      if (row && row.seq < seq) low = middle
      else high = middle - 1
    }
    return low
  }

  /** A segment that an older release sealed has fewer. */
  hasIndex(name: string): boolean {
    if (!this.#indexes) {
      const names = this.prepared("SELECT name FROM sqlite_master WHERE type = 'index'").pluck().all()
      this.#indexes = new Set(names as string[])
    }
    return this.#indexes.has(name)
  }

  /** Names of all actors of a sealed segment; hops from name to name in the index. */
  actors(): readonly string[] {
    if (this.#actors) return this.#actors
    const names: string[] = []
    const after = this.prepared(
      `SELECT ${ACTOR} AS name FROM events INDEXED BY events_actor WHERE ${HAS_ACTOR} AND ${ACTOR} > ?
       ORDER BY ${ACTOR} LIMIT 1`,
    )
    for (;;) {
      const row = after.get(names.at(-1) ?? '') as { name: string } | undefined
      if (!row) break
      names.push(row.name)
    }
    this.#actors = names
    return names
  }

  /** First and last seq of a sealed segment with a time in the window; the clock may have jumped between. */
  window(since: number, until: number): { from: number; to: number } {
    const key = `${since} ${until}`
    const known = this.#windows.get(key)
    if (known) return known
    const { from, to } = this.prepared(
      'SELECT min(seq) AS "from", max(seq) AS "to" FROM events INDEXED BY events_t WHERE t BETWEEN ? AND ?',
    ).get(since, until) as { from: number | null; to: number | null }
    const window = { from: from ?? 1, to: to ?? 0 }
    if (this.#windows.size >= MAX_WINDOWS) this.#windows.clear()
    this.#windows.set(key, window)
    return window
  }

  rowsFrom(seq: number, to: number): IterableIterator<FullRow> {
    return this.prepared(
      'SELECT seq, stream, ver, id, key, op, type, t, hash, body FROM events WHERE seq BETWEEN ? AND ? ORDER BY seq',
    ).iterate(seq, to) as IterableIterator<FullRow>
  }

  /** Rows as text, which cost a third of what buffers cost. @throws when a page of them cannot be read */
  textsFrom(seq: number, to: number): TextRow[] {
    return this.prepared(TEXTS).raw().all(seq, to) as TextRow[]
  }

  checkpoint(): void {
    try {
      this.db.pragma('wal_checkpoint(TRUNCATE)')
    } catch {
      // Closing must not fail: what the WAL holds is durable, and the next open takes it over.
    }
  }

  close(): void {
    this.#statements.clear()
    this.db.close()
  }
}

function readable<T>(read: () => T): T | null {
  try {
    return read()
  } catch {
    return null
  }
}

/** A broken page can hand out a row without its columns. */
function assertBytes(seq: number, ...columns: unknown[]): void {
  if (columns.every((column) => column instanceof Uint8Array)) return
  throw new LogError('E_LOG_DAMAGED', `event ${seq} cannot be read`)
}
