/**
 * `cache.db`: checkpoints, which are states of all streams at some positions of a log, so that neither a start nor a
 * question about the past need fold a whole segment (DESIGN D9).
 *
 * It is a cache and nothing else: it lies in a dataset of its own, may vanish at any time, and is never believed. A
 * checkpoint belongs to one log (the hash at its position must be that log's), one code and one format; each text
 * is kept with its SHA-256. On any mismatch everything is dropped, since checkpoints rest on each other: of a
 * checkpoint only those states are written that differ from the one before, and a stream's state at a position is
 * its newest row not above it. A row without state says that the stream is gone. A checkpoint that is put before
 * others leaves them as they are: where one of them rested on what is now overlaid, it gets a row of its own.
 *
 * Work is dealt out in pieces (`Work`), so that the thread which owns the log can commit in between. A file that
 * cannot be read is deleted and made anew. Nothing here ever throws: what cannot be used is not there.
 */

import { hash as digest } from 'node:crypto'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import type { Head } from '../types/envelope.ts'
import type { StreamId } from '../types/ids.ts'

/** Version of this file's own tables. */
const FORMAT = 2
const APPLICATION_ID = 0x6f736363
/** At 10,000 events each this reaches back 2.5 million events; older moments are folded from baselines. */
const MOST_CHECKPOINTS = 256
const PIECE_STREAMS = 16

/** Whatever must be equal for a state to be usable: code version, machine version, schema. */
export type StateCacheKey = string

export type CachedState = {
  readonly stream: StreamId
  readonly ver: number
  /** The state as JSON text; who folds the states parses and checks it. */
  readonly state: string
}

/** States of every live stream, as of `position`. */
export type CachedStates = { readonly position: Head; readonly states: readonly CachedState[] }

/** What to keep: all live streams, or those that changed since the checkpoint at `base`; state null is a stream that ended. */
export type StatesToKeep = {
  readonly seq: number
  readonly base: number | null
  readonly states: readonly (Omit<CachedState, 'state'> & { readonly state: string | null })[]
}

export type CacheOptions = {
  readonly dir: string
  readonly key: StateCacheKey
  readonly nativeBinding?: string | undefined
}

/** Work that goes on at each `next()` until it is done. */
export type Work<T> = Generator<undefined, T, undefined>
/** The log's hash at a position; null when it has none there. */
export type HashAt = (seq: number) => string | null

type CheckpointRow = { seq: number; hash: string; key: string; count: number }
type StateRow = { seq: number; ver: number; state: string | null; sum: Buffer }
type Db = Database.Database

const SCHEMA = `
  CREATE TABLE checkpoints (seq INTEGER PRIMARY KEY, hash TEXT NOT NULL, key TEXT NOT NULL,
    count INTEGER NOT NULL) STRICT;
  CREATE TABLE streams (stream TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
  CREATE TABLE states (stream TEXT NOT NULL, seq INTEGER NOT NULL, ver INTEGER NOT NULL, state TEXT,
    sum BLOB NOT NULL, PRIMARY KEY (stream, seq)) STRICT, WITHOUT ROWID;`
const TABLES = ['checkpoints', 'streams', 'states', 'position'] as const

export class StateCacheFile {
  readonly #options: CacheOptions
  #db: Db | null = null

  constructor(options: CacheOptions) {
    this.#options = options
  }

  /** The newest checkpoint not above `upTo`, if it was taken of this very log. */
  load(upTo: number, hashAt: HashAt): Work<CachedStates | null> {
    return this.#safely((db) => this.#load(db, upTo, hashAt), null)
  }

  /** Keeps a checkpoint. @returns false when it was not: there is no such base, or no file */
  save(kept: StatesToKeep, hashAt: HashAt): Work<boolean> {
    return this.#safely((db) => this.#save(db, kept, hashAt), false)
  }

  /** Drops everything. */
  forget(): void {
    run(this.#safely((db) => dropped(db), null))
  }

  close(): void {
    try {
      this.#db?.close()
    } catch {
      // The file is disposable; nothing depends on its last pages.
    }
    this.#db = null
  }

  *#load(db: Db, upTo: number, hashAt: HashAt): Work<CachedStates | null> {
    const found = db
      .prepare('SELECT seq, hash, key, count FROM checkpoints WHERE seq <= ? ORDER BY seq DESC LIMIT 1')
      .get(upTo) as CheckpointRow | undefined
    if (!found) return null
    if (found.key !== this.#options.key || hashAt(found.seq) !== found.hash) return yield* dropped(db)
    const newest = newestRow(db)
    const states: CachedState[] = []
    for (const [i, stream] of streamsOf(db).entries()) {
      const row = newest(stream, found.seq)
      if (row && !sumOf(stream, row).equals(row.sum)) return yield* dropped(db)
      if (row && row.state !== null) states.push({ stream, ver: row.ver, state: row.state })
      if (i % PIECE_STREAMS === 0) yield
    }
    if (states.length !== found.count) return yield* dropped(db)
    return { position: { seq: found.seq, hash: found.hash }, states }
  }

  *#save(db: Db, { seq, base, states }: StatesToKeep, hashAt: HashAt): Work<boolean> {
    const hash = hashAt(seq)
    if (hash === null) return false
    const before = db.prepare('SELECT max(seq) FROM checkpoints WHERE seq <= ?').pluck().get(seq) as
      | number
      | null
    if (before === seq) return true
    if (base !== null && before !== base) return false
    db.exec('BEGIN')
    const ended = base === null ? endedSince(db, seq, states) : []
    const writer = new Writer(db, seq)
    for (const [i, it] of [...states, ...ended].entries()) {
      writer.write(it)
      if (i % PIECE_STREAMS === 0) yield
    }
    const count = yield* livingAt(db, seq)
    db.prepare('INSERT INTO checkpoints VALUES (?,?,?,?)').run(seq, hash, this.#options.key, count)
    yield* forgetOldest(db)
    db.exec('COMMIT')
    return true
  }

  /** Works on an open file; on any failure the file goes, and the answer is that there is nothing. */
  *#safely<T>(work: (db: Db) => Work<T>, otherwise: T): Work<T> {
    try {
      return yield* work(this.#open())
    } catch {
      this.#remove()
      return otherwise
    }
  }

  #open(): Db {
    if (this.#db) return this.#db
    try {
      this.#db = this.#openFile()
    } catch {
      this.#remove()
      this.#db = this.#openFile()
    }
    return this.#db
  }

  #openFile(): Db {
    const { dir, nativeBinding } = this.#options
    const db = new Database(join(dir, 'cache.db'), {
      timeout: 0,
      ...(nativeBinding ? { nativeBinding } : {}),
    })
    try {
      db.pragma('locking_mode = EXCLUSIVE')
      db.pragma('journal_mode = WAL')
      db.pragma('synchronous = OFF')
      const found = [
        db.pragma('application_id', { simple: true }),
        db.pragma('user_version', { simple: true }),
      ]
      if (found[0] !== APPLICATION_ID || found[1] !== FORMAT) create(db)
      return db
    } catch (error) {
      db.close()
      throw error
    }
  }

  #remove(): void {
    this.close()
    try {
      for (const suffix of ['', '-wal', '-shm', '-journal']) {
        rmSync(join(this.#options.dir, `cache.db${suffix}`), { force: true })
      }
    } catch {
      // On a read-only file system there is simply no cache.
    }
  }
}

/** Does all of a work at once. */
export function run<T>(work: Work<T>): T {
  for (;;) {
    const { done, value } = work.next()
    if (done) return value
  }
}

function create(db: Db): void {
  db.transaction(() => {
    for (const table of TABLES) db.exec(`DROP TABLE IF EXISTS ${table}`)
    db.exec(SCHEMA)
    db.pragma(`application_id = ${APPLICATION_ID}`)
    db.pragma(`user_version = ${FORMAT}`)
  })()
  db.pragma('synchronous = OFF')
}

// biome-ignore lint/correctness/useYield: it ends a work that yields
function* dropped(db: Db): Work<null> {
  db.exec('DELETE FROM checkpoints; DELETE FROM streams; DELETE FROM states')
  return null
}

const streamsOf = (db: Db): StreamId[] =>
  db.prepare('SELECT stream FROM streams ORDER BY stream').pluck().all() as StreamId[]

function newestRow(db: Db): (stream: StreamId, upTo: number) => StateRow | undefined {
  const select = db.prepare(
    'SELECT seq, ver, state, sum FROM states WHERE stream = ? AND seq <= ? ORDER BY seq DESC LIMIT 1',
  )
  return (stream, upTo) => select.get(stream, upTo) as StateRow | undefined
}

/** Streams that the checkpoint before has and a complete set has not. */
function endedSince(db: Db, seq: number, states: StatesToKeep['states']): StatesToKeep['states'] {
  const there = new Set(states.map(({ stream }) => stream))
  return streamsOf(db)
    .filter((stream) => !there.has(stream))
    .map((stream) => ({ stream, ver: newestRow(db)(stream, seq)?.ver ?? 0, state: null }))
}

/** Writes the rows of one checkpoint, and leaves the next one what it is. */
class Writer {
  readonly #seq: number
  readonly #next: number | null
  readonly #newest: ReturnType<typeof newestRow>
  readonly #put: (stream: StreamId, seq: number, row: Pick<StateRow, 'ver' | 'state'>) => void

  constructor(db: Db, seq: number) {
    this.#seq = seq
    this.#next = db.prepare('SELECT min(seq) FROM checkpoints WHERE seq > ?').pluck().get(seq) as
      | number
      | null
    this.#newest = newestRow(db)
    const name = db.prepare('INSERT OR IGNORE INTO streams VALUES (?)')
    const put = db.prepare('INSERT OR REPLACE INTO states VALUES (?,?,?,?,?)')
    this.#put = (stream, at, { ver, state }) => {
      name.run(stream)
      put.run(stream, at, ver, state, sumOf(stream, { ver, state }))
    }
  }

  write({ stream, ver, state }: StatesToKeep['states'][number]): void {
    const before = this.#newest(stream, this.#seq)
    if (before ? before.ver === ver && before.state === state : state === null) return
    if (this.#next !== null) {
      const seen = this.#newest(stream, this.#next)
      if (!seen || seen.seq < this.#seq) this.#put(stream, this.#next, seen ?? { ver, state: null })
    }
    this.#put(stream, this.#seq, { ver, state })
  }
}

function* livingAt(db: Db, seq: number): Work<number> {
  // Only whether there is a state: of 1,000 containers their texts are most of what keeping a checkpoint costs.
  const lives = db
    .prepare<[string, number], 0 | 1>(
      'SELECT state IS NOT NULL FROM states WHERE stream = ? AND seq <= ? ORDER BY seq DESC LIMIT 1',
    )
    .pluck()
  let count = 0
  for (const [i, stream] of streamsOf(db).entries()) {
    count += lives.get(stream, seq) ?? 0
    if (i % PIECE_STREAMS === 0) yield
  }
  return count
}

/** One checkpoint more than is kept: what only the oldest one needs goes with it. */
function* forgetOldest(db: Db): Work<void> {
  const kept = db
    .prepare('SELECT seq FROM checkpoints ORDER BY seq DESC LIMIT 1 OFFSET ?')
    .pluck()
    .get(MOST_CHECKPOINTS - 1) as number | undefined
  if (kept === undefined) return
  if (db.prepare('DELETE FROM checkpoints WHERE seq < ?').run(kept).changes === 0) return
  const newest = newestRow(db)
  const forget = db.prepare('DELETE FROM states WHERE stream = ? AND seq < ?')
  const forgetStream = db.prepare(
    'DELETE FROM streams WHERE stream = ? AND NOT EXISTS (SELECT 1 FROM states WHERE stream = ?)',
  )
  for (const [i, stream] of streamsOf(db).entries()) {
    const row = newest(stream, kept)
    // A stream that was gone by then needs no row that says so.
    if (row) forget.run(stream, row.state === null ? row.seq + 1 : row.seq)
    if (row?.state === null) forgetStream.run(stream, stream)
    if (i % PIECE_STREAMS === 0) yield
  }
}

function sumOf(stream: StreamId, { ver, state }: Pick<StateRow, 'ver' | 'state'>): Buffer {
  return digest('sha256', `${stream}\n${ver}\n${state === null ? 'gone' : `state ${state}`}`, 'buffer')
}
