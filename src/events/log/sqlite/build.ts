/**
 * Writing segments: rows into the open one, and a whole new segment beside it.
 */
import type { Row } from '../draft.ts'
import { type Binding, type Db, migrate, openForAppend, type Statement } from './connection.ts'
import type { FullRow } from './segment.ts'

const INSERT =
  'INSERT INTO events (seq, stream, ver, id, key, op, type, t, hash, body) VALUES (?,?,?,?,?,?,?,?,?,?)'

/** Inserts rows; the transaction is the caller's. */
export class Inserter {
  readonly #insert: Statement
  constructor(db: Db) {
    this.#insert = db.prepare<unknown[], unknown>(INSERT)
  }

  insert({ event, body, hash }: Row): void {
    const { seq, stream, ver, id, key, op, type, t } = event
    this.#insert.run(seq, stream, ver, id, key ?? null, op ?? null, type, t, hash, body)
  }

  copy({ seq, stream, ver, id, key, op, type, t, hash, body }: FullRow): void {
    this.#insert.run(seq, stream, ver, id, key, op, type, t, hash, body)
  }
}

export type NewSegment = {
  readonly number: number
  readonly first: number
  readonly previous: Buffer
  readonly format: number
  /** Events of a segment that this one takes the place of, byte for byte. */
  readonly copied?: Iterable<FullRow>
  readonly rows: readonly Row[]
}

/** Builds a complete, durable segment in a file of its own. The caller publishes it by renaming. */
export function buildSegment(path: string, segment: NewSegment, binding: Binding): void {
  const db = openForAppend(path, binding, true)
  try {
    migrate(db, segment.format)
    db.transaction(() => {
      db.prepare('INSERT INTO segment VALUES (?,?,?)').run(segment.number, segment.first, segment.previous)
      const inserter = new Inserter(db)
      for (const row of segment.copied ?? []) inserter.copy(row)
      for (const row of segment.rows) inserter.insert(row)
    })()
    db.pragma('wal_checkpoint(TRUNCATE)')
  } finally {
    db.close()
  }
}
