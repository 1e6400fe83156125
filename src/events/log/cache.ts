/**
 * `cache.db`: states of streams at one position of a log, so that a start need not fold the whole segment.
 *
 * It is a cache and nothing else: it lies in a directory of its own, may vanish at any time, and is never
 * believed. A set of states belongs to one log (the hash at its position must be that log's), one code and
 * one format; each text is kept with its SHA-256. On any mismatch the whole set is dropped, since the log
 * after the position would not bring back a missing stream. A file that cannot be read is deleted and made
 * anew. No method ever throws: what cannot be used is not there.
 */

import { hash as digest } from 'node:crypto'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import type { Head } from '../types/envelope.ts'
import type { StreamId } from '../types/ids.ts'

/** Version of this file's own tables. */
const FORMAT = 1
const APPLICATION_ID = 0x6f736363

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

export type CacheOptions = {
  readonly dir: string
  readonly key: StateCacheKey
  readonly nativeBinding?: string | undefined
}

type SetRow = { seq: number; hash: string; key: string; count: number }
type StateRow = { stream: string; ver: number; state: string; sum: Buffer }

const SCHEMA = `
  CREATE TABLE position (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL, hash TEXT NOT NULL,
    key TEXT NOT NULL, count INTEGER NOT NULL) STRICT;
  CREATE TABLE states (stream TEXT PRIMARY KEY, ver INTEGER NOT NULL, state TEXT NOT NULL, sum BLOB NOT NULL)
    STRICT, WITHOUT ROWID;`

export class StateCacheFile {
  readonly #options: CacheOptions
  #db: Database.Database | null = null

  constructor(options: CacheOptions) {
    this.#options = options
  }

  /**
   * The states, if they were taken of this very log.
   *
   * @param hashAt  the log's hash at a position; null when it has none there
   */
  load(hashAt: (seq: number) => string | null): CachedStates | null {
    return this.#safely((db) => {
      const set = db.prepare('SELECT seq, hash, key, count FROM position').get() as SetRow | undefined
      if (!set) return null
      if (set.key !== this.#options.key || hashAt(set.seq) !== set.hash) return this.#dropped(db)
      const rows = db
        .prepare('SELECT stream, ver, state, sum FROM states ORDER BY stream')
        .all() as StateRow[]
      if (rows.length !== set.count || !rows.every(isIntact)) return this.#dropped(db)
      const states = rows.map(({ stream, ver, state }) => ({ stream: stream as StreamId, ver, state }))
      return { position: { seq: set.seq, hash: set.hash }, states }
    })
  }

  /** Replaces the set. Unchanged states are not written again. @returns whether it was saved */
  save({ position, states }: CachedStates): boolean {
    const isSaved = this.#safely((db) => {
      db.transaction(() => {
        const stored = db.prepare('SELECT stream, sum FROM states').raw().all() as [string, Buffer][]
        const sums = new Map(stored)
        const put = db.prepare('INSERT OR REPLACE INTO states VALUES (?,?,?,?)')
        for (const it of states) {
          const sum = sumOf(it)
          if (!sums.get(it.stream)?.equals(sum)) put.run(it.stream, it.ver, it.state, sum)
          sums.delete(it.stream)
        }
        const remove = db.prepare('DELETE FROM states WHERE stream = ?')
        for (const stream of sums.keys()) remove.run(stream)
        const { seq, hash } = position
        db.prepare('INSERT OR REPLACE INTO position VALUES (1,?,?,?,?)').run(
          seq,
          hash,
          this.#options.key,
          states.length,
        )
      })()
      return true
    })
    return isSaved ?? false
  }

  close(): void {
    try {
      this.#db?.close()
    } catch {
      // The file is disposable; nothing depends on its last pages.
    }
    this.#db = null
  }

  #dropped(db: Database.Database): null {
    db.exec('DELETE FROM position; DELETE FROM states')
    return null
  }

  /** Runs with an open file; on any failure the file goes, and the answer is null. */
  #safely<T>(work: (db: Database.Database) => T): T | null {
    try {
      return work(this.#open())
    } catch {
      this.#remove()
      return null
    }
  }

  #open(): Database.Database {
    if (this.#db) return this.#db
    try {
      this.#db = this.#openFile()
    } catch {
      this.#remove()
      this.#db = this.#openFile()
    }
    return this.#db
  }

  #openFile(): Database.Database {
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
      if (found[0] !== APPLICATION_ID || found[1] !== FORMAT) this.#create(db)
      return db
    } catch (error) {
      db.close()
      throw error
    }
  }

  #create(db: Database.Database): void {
    db.transaction(() => {
      db.exec('DROP TABLE IF EXISTS position; DROP TABLE IF EXISTS states')
      db.exec(SCHEMA)
      db.pragma(`application_id = ${APPLICATION_ID}`)
      db.pragma(`user_version = ${FORMAT}`)
    })()
    db.pragma('synchronous = OFF')
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

function sumOf({ stream, ver, state }: CachedState): Buffer {
  return digest('sha256', `${stream}\n${ver}\n${state}`, 'buffer')
}

const isIntact = (row: StateRow): boolean => sumOf(row as CachedState).equals(row.sum)
