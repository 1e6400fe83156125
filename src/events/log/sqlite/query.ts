/**
 * Answering an admin's question out of one segment.
 *
 * One condition drives the scan, the others are checked on the columns of each row, and only the bodies
 * of the answer are read. Sealed segments have an index for every condition. The open segment has none on
 * op, type and time, for each would cost every commit a page: it is walked by seq instead, in slices,
 * an operation from its command's event on, which the index on `id` finds at once.
 */
import type { EventQuery } from '../store.ts'
import { isPast, type Segment, type Slice } from './segment.ts'

const CLOCK_EVERY = 128
/** A time window of more events than this is walked by seq. */
const WINDOW = 20_000

type Candidate = [seq: number, stream: string, type: string, op: string | null, t: number, id: string]
type Bounds = { from: number; to: number }
type Driver = { sql: string; values: (string | number)[] }

export function querySegment(segment: Segment, query: EventQuery, bounds: Bounds, deadline: number): Slice {
  const narrowed = narrow(segment, query, bounds)
  const bodies: Buffer[] = []
  if (narrowed.from > narrowed.to) return { bodies, next: null }
  const { sql, values } = driver(segment, query, narrowed)
  const rows = segment
    .prepared(sql)
    .raw()
    .iterate(...values) as IterableIterator<Candidate>
  const types = query.types ? new Set<string>(query.types) : null
  let seen = 0
  for (const row of rows) {
    if (bodies.length === query.limit) return { bodies, next: row[0] }
    if (++seen % CLOCK_EVERY === 0 && isPast(deadline)) return { bodies, next: row[0] }
    if (!matches(row, query, types)) continue
    const event = segment.at(row[0])
    if (event) bodies.push(event.body)
  }
  return { bodies, next: null }
}

function matches(row: Candidate, query: EventQuery, types: Set<string> | null): boolean {
  const [, stream, type, op, t, id] = row
  return (
    (query.stream === undefined || query.stream === stream) &&
    (types === null || types.has(type)) &&
    (query.op === undefined || query.op === op || query.op === id) &&
    (query.since === undefined || t >= query.since) &&
    (query.until === undefined || t <= query.until)
  )
}

const isIndexed = (segment: Segment): boolean => segment.isSealed

/** Cuts the range of seq by what the indexes know of the operation and of the time. */
function narrow(segment: Segment, query: EventQuery, bounds: Bounds): Bounds {
  let { from, to } = bounds
  if (query.op !== undefined) from = Math.max(from, segment.idSeq(query.op) ?? from)
  if (isIndexed(segment) && (query.since !== undefined || query.until !== undefined)) {
    const window = segment
      .prepared(
        `SELECT min(seq), max(seq), count(*) FROM
         (SELECT seq FROM events INDEXED BY events_t WHERE t BETWEEN ? AND ? LIMIT ?)`,
      )
      .raw()
      .get(query.since ?? 0, query.until ?? Number.MAX_SAFE_INTEGER, WINDOW) as [number, number, number]
    const [first, last, count] = window
    if (count === 0) return { from: 1, to: 0 }
    if (count < WINDOW) {
      from = Math.max(from, first)
      to = Math.min(to, last)
    }
  }
  return { from, to }
}

const COLUMNS = 'seq, stream, type, op, t, id'

function driver(segment: Segment, query: EventQuery, { from, to }: Bounds): Driver {
  const order = query.reverse ? 'DESC' : 'ASC'
  const range = 'seq BETWEEN ? AND ?'
  if (query.stream !== undefined) {
    const [low, high] = segment.versionsWithin(query.stream, from, to)
    return {
      sql: `SELECT ${COLUMNS} FROM events INDEXED BY events_stream_ver
            WHERE stream = ? AND ver BETWEEN ? AND ? ORDER BY ver ${order}`,
      values: [query.stream, low, high],
    }
  }
  if (query.op !== undefined && isIndexed(segment)) {
    return {
      sql: `SELECT ${COLUMNS} FROM events INDEXED BY events_op WHERE op = ? AND ${range} ORDER BY seq ${order}`,
      values: [query.op, from, to],
    }
  }
  const [type, ...others] = query.types ?? []
  if (type !== undefined && others.length === 0 && isIndexed(segment)) {
    return {
      sql: `SELECT ${COLUMNS} FROM events INDEXED BY events_type WHERE type = ? AND ${range} ORDER BY seq ${order}`,
      values: [type, from, to],
    }
  }
  return { sql: `SELECT ${COLUMNS} FROM events WHERE ${range} ORDER BY seq ${order}`, values: [from, to] }
}
