/**
 * Comparing a segment with what it must be: its schema, its first event, its chain, and the copies in its
 * columns. Used for the tail when a log is opened and for everything by verify.
 */
import Database from 'better-sqlite3'
import type { StoredEvent } from '../../types/envelope.ts'
import type { EventData } from '../../types/events.ts'
import { newest } from '../../types/formats.ts'
import { linkHash, linkHashOfAscii, NO_HASH, parseBody } from '../chain.ts'
import type { Damage } from '../store.ts'
import { APPLICATION_ID, type Binding, type Db, formatsIn, messageOf, migrate } from './connection.ts'
import { QUERY_INDEXES } from './indexes.ts'
import { type FullRow, isPast, type Segment, type TextRow } from './segment.ts'

export const formatOf = (db: Db): number => db.pragma('user_version', { simple: true }) as number

function schemaOf(db: Db): Map<string, string> {
  const rows = db.prepare('SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL').all()
  return new Map((rows as { name: string; sql: string }[]).map(({ name, sql }) => [name, sql]))
}

/** What is wrong with the file's identity and schema; empty when nothing is. */
export function schemaFaults(db: Db, binding: Binding): string[] {
  if (db.pragma('application_id', { simple: true }) !== APPLICATION_ID) return ['this is not an event log']
  if (db.pragma('auto_vacuum', { simple: true }) !== 0)
    return ['the file header is damaged: it says auto_vacuum']
  const format = formatOf(db)
  if (format > newest(formatsIn(binding)).number) return []
  const model = new Database(
    ':memory:',
    binding.nativeBinding ? { nativeBinding: binding.nativeBinding } : {},
  )
  migrate(model, format)
  const wanted = schemaOf(model)
  model.close()
  const found = schemaOf(db)
  const faults: string[] = []
  for (const [name, sql] of wanted) {
    if (found.get(name) !== sql)
      faults.push(`${name} is ${found.has(name) ? 'changed' : 'missing'} in the schema`)
  }
  for (const name of found.keys()) {
    if (!wanted.has(name) && !(name in QUERY_INDEXES)) faults.push(`${name} does not belong in the schema`)
  }
  return faults
}

/** Whether the first event says of the segment what the segment says of itself. */
export function openingFault(segment: Segment): string | null {
  const row = segment.at(segment.first)
  if (!row) return 'the segment has no first event'
  const event = parseBody(row.body)
  if (event.type !== 'SegmentOpened') return 'the first event is not SegmentOpened'
  const { segment: number, previous } = event.data as EventData<'SegmentOpened'>
  if (number !== segment.number) return `the first event says segment ${number}`
  if (previous ? previous.head !== segment.previous.toString('hex') : segment.first !== 1) {
    return 'the first event names another head of the segment before'
  }
  return null
}

/** What is wrong with one event, given the hash of the one before. */
export function rowFault(row: FullRow, seq: number, previous: Buffer): string | null {
  if (row.seq !== seq) return `seq ${row.seq} stands where ${seq} must be`
  if (!Buffer.isBuffer(row.body) || !Buffer.isBuffer(row.hash)) return 'the event cannot be read'
  if (!linkHash(previous, row.body).equals(row.hash))
    return 'the hash does not fit the event and the one before'
  const event = parseBody(row.body)
  for (const name of ['seq', 'stream', 'ver', 'id', 'type', 't'] as const) {
    if (event[name] !== row[name]) return `column ${name} differs from the event`
  }
  if ((event.key ?? null) !== row.key) return 'column key differs from the event'
  if ((event.op ?? null) !== row.op) return 'column op differs from the event'
  return null
}

/**
 * The hash of an event in which surely nothing is wrong; null leaves it to `rowFault`. A body with as many characters
 * as bytes is ASCII. (A byte that is no UTF-8 reads as one character too, but no hash was ever made of such a body.)
 */
function soundHash(row: TextRow, seq: number, previous: string): string | null {
  const [at, stream, ver, id, key, op, type, t, hash, octets, body] = row
  if (at !== seq || body === null || body.length !== octets) return null
  if (linkHashOfAscii(previous, body) !== hash) return null
  const event = parsed(body)
  const isSame =
    event?.seq === at &&
    event.stream === stream &&
    event.ver === ver &&
    event.id === id &&
    event.type === type &&
    event.t === t &&
    (event.key ?? null) === key &&
    (event.op ?? null) === op
  return isSame ? hash : null
}

function parsed(body: string): StoredEvent | null {
  try {
    return JSON.parse(body) as StoredEvent
  } catch {
    return null
  }
}

/** So many events are read at a time. */
const CHUNK = 256

/** Walks a segment's chain; `step` goes on until the deadline. */
export class ChainWalk {
  readonly segment: Segment
  readonly last: number
  /** Next seq to check. */
  seq: number
  damage: Damage | null = null
  /** Of the event before, in hex. */
  #hash: string

  /** Starts at `from`, trusting the hash stored with the event before it. */
  constructor(segment: Segment, from: number, last: number) {
    this.segment = segment
    this.last = last
    this.seq = Math.max(from, segment.first)
    const before = this.seq > segment.first ? segment.at(this.seq - 1)?.hash : segment.previous
    this.#hash = (before ?? NO_HASH).toString('hex')
  }

  /** Of the last event checked. */
  get hash(): Buffer {
    return Buffer.from(this.#hash, 'hex')
  }

  get isDone(): boolean {
    return this.damage !== null || this.seq > this.last
  }

  step(deadline: number): void {
    do {
      const to = Math.min(this.last, this.seq + CHUNK - 1)
      for (const row of this.#texts(to)) {
        const hash = soundHash(row, this.seq, this.#hash)
        if (hash === null) this.#lookClosely()
        else this.#goOn(hash)
        if (this.damage) return
      }
      // Of a damaged file even the first seq may be no number.
      while (!this.isDone && !(this.seq > to)) this.#lookClosely()
    } while (!this.isDone && !isPast(deadline))
  }

  /** None when a page of them cannot be read: the events before it are then looked at one by one. */
  #texts(to: number): readonly TextRow[] {
    try {
      return this.segment.textsFrom(this.seq, to)
    } catch {
      return []
    }
  }

  /** Checks one event over its bytes, and names what is wrong, if anything is. */
  #lookClosely(): void {
    try {
      for (const row of this.segment.rowsFrom(this.seq, this.last)) {
        const fault = rowFault(row, this.seq, this.hash)
        return fault === null ? this.#goOn(row.hash.toString('hex')) : this.#damaged(fault)
      }
      this.#damaged(`events ${this.seq} to ${this.last} are missing`)
    } catch (error) {
      this.#damaged(messageOf(error))
    }
  }

  #goOn(hash: string): void {
    this.#hash = hash
    this.seq += 1
  }

  #damaged(what: string): void {
    this.damage = { seq: this.seq, segment: this.segment.number, what }
  }
}

/** Checks a whole range without giving the thread back. */
export function walkNow(segment: Segment, from: number, last: number): ChainWalk {
  const walk = new ChainWalk(segment, from, last)
  while (!walk.isDone) walk.step(Number.POSITIVE_INFINITY)
  return walk
}
