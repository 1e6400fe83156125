/**
 * Answering an admin's question out of one segment.
 *
 * One condition names the events that may answer, the others are checked on the columns of each, and only
 * then is its body read. Sealed segments have an index for every condition. The open segment has none but on
 * streams, for each would cost every commit a page: its columns are in memory (columns.ts), and until they are
 * complete it is walked by seq, in slices. A stream is narrow, so where one is named its own index drives.
 */

import { isNamed } from '../../types/actor.ts'
import type { EventType } from '../../types/events.ts'
import { answers } from '../../types/query.ts'
import { parseBody } from '../chain.ts'
import type { EventQuery } from '../store.ts'
import type { Columns } from './columns.ts'
import { ACTOR, FAILURE, HAS_ACTOR, type QueryIndex } from './indexes.ts'
import { isPast, type Segment, type Slice } from './segment.ts'

const CLOCK_EVERY = 64
/** So many events are named at a time. */
const CHUNK = 1000

type Bounds = { readonly from: number; readonly to: number }
type Candidate = [seq: number, stream: string, type: string, op: string | null, t: number, id: string]
/** Where the answer stands: `next` is the seq to go on with. */
type Walk = { readonly bodies: Buffer[]; next: number | null }

export function querySegment(
  segment: Segment,
  columns: Columns | null,
  query: EventQuery,
  bounds: Bounds,
  deadline: number,
): Slice {
  const narrowed = narrow(segment, query, bounds)
  const walk: Walk = { bodies: [], next: null }
  if (narrowed.from > narrowed.to) return walk
  const named = query.stream === undefined ? namesOf(segment, columns, query) : null
  if (named === null) walkRows(segment, query, narrowed, deadline, walk)
  else walkNamed(segment, named, query, narrowed, deadline, walk)
  return walk
}

/** Cuts the range of seq by what the index on time knows. */
function narrow(segment: Segment, { since, until }: EventQuery, bounds: Bounds): Bounds {
  if (!segment.isSealed || (since === undefined && until === undefined)) return bounds
  const window = segment.window(since ?? 0, until ?? Number.MAX_SAFE_INTEGER)
  return { from: Math.max(bounds.from, window.from), to: Math.min(bounds.to, window.to) }
}

/** The seqs within bounds that may answer, in the query's order, at most CHUNK; `last`: there are no more. */
type Names = (bounds: Bounds) => { readonly seqs: readonly number[]; readonly last: boolean }

function namesOf(segment: Segment, columns: Columns | null, query: EventQuery): Names | null {
  if (!segment.isSealed) {
    if (!columns?.isComplete) return null
    return ({ from, to }) => {
      const seqs = columns.candidates(query, from, to, CHUNK)
      return { seqs, last: seqs.length < CHUNK }
    }
  }
  const lists = listsOf(segment, query)
  return lists === null ? null : (bounds) => merged(segment, lists, query, bounds)
}

/** A list of seqs that an index keeps: rows of `where` with these values. */
type Listed = { readonly index: QueryIndex | 'events_id'; readonly where: string; readonly values: unknown[] }

/** The lists whose union holds the answer, of the condition that promises the fewest events. */
function listsOf(segment: Segment, { op, ops, failed, actors, types }: EventQuery): Listed[] | null {
  const operations = op === undefined ? ops : [op]
  if (operations)
    return operations.flatMap((id) => [
      { index: 'events_op', where: 'op = ?', values: [id] },
      { index: 'events_id', where: 'id = ? AND op IS NULL', values: [id] },
    ])
  if (failed && segment.hasIndex('events_failure'))
    return [{ index: 'events_failure', where: FAILURE, values: [] }]
  if (actors && segment.hasIndex('events_actor'))
    return segment
      .actors()
      .filter((name) => isNamed(name, actors))
      .map((name) => ({ index: 'events_actor', where: `${HAS_ACTOR} AND ${ACTOR} = ?`, values: [name] }))
  return types && types.length <= FEW_TYPES ? types.map(listOfType) : null
}

/** With many types nearly every event is one of them, and walking by seq is cheaper. */
const FEW_TYPES = 4
const listOfType = (type: EventType): Listed => ({ index: 'events_type', where: 'type = ?', values: [type] })

function merged(segment: Segment, lists: readonly Listed[], query: EventQuery, { from, to }: Bounds) {
  const order = query.reverse ? 'DESC' : 'ASC'
  const seqs = lists.flatMap(({ index, where, values }) =>
    segment
      .prepared(
        `SELECT seq FROM events INDEXED BY ${index} WHERE ${where} AND seq BETWEEN ? AND ?
         ORDER BY seq ${order} LIMIT ${CHUNK}`,
      )
      .pluck()
      .all(...values, from, to),
  ) as number[]
  const isWhole = seqs.length < CHUNK
  const sorted = [...new Set(seqs)].sort(query.reverse ? (a, b) => b - a : (a, b) => a - b)
  return { seqs: sorted.slice(0, CHUNK), last: isWhole && sorted.length <= CHUNK }
}

function walkNamed(
  segment: Segment,
  names: Names,
  query: EventQuery,
  bounds: Bounds,
  deadline: number,
  walk: Walk,
): void {
  let { from, to } = bounds
  let seen = 0
  for (;;) {
    const { seqs, last } = names({ from, to })
    for (const seq of seqs) {
      walk.next = seq
      if (walk.bodies.length === query.limit) return
      if (++seen % CLOCK_EVERY === 0 && isPast(deadline)) return
      const event = segment.at(seq)
      if (event && answers(parseBody(event.body), query)) walk.bodies.push(event.body)
    }
    walk.next = null
    const edge = seqs.at(-1)
    if (last || edge === undefined) return
    if (query.reverse) to = edge - 1
    else from = edge + 1
  }
}

const COLUMNS = 'seq, stream, type, op, t, id'

function walkRows(segment: Segment, query: EventQuery, bounds: Bounds, deadline: number, walk: Walk): void {
  const { sql, values } = rowsOf(segment, query, bounds)
  const rows = segment
    .prepared(sql)
    .raw()
    .iterate(...values) as IterableIterator<Candidate>
  const types = query.types ? new Set<string>(query.types) : null
  let seen = 0
  for (const row of rows) {
    walk.next = row[0]
    if (walk.bodies.length === query.limit) return
    if (++seen % CLOCK_EVERY === 0 && isPast(deadline)) return
    if (!matches(row, query, types)) continue
    const event = segment.at(row[0])
    if (event && (!asksBody(query) || answers(parseBody(event.body), query))) walk.bodies.push(event.body)
  }
  walk.next = null
}

const asksBody = ({ actors, failed }: EventQuery): boolean => actors !== undefined || failed !== undefined

function matches(row: Candidate, query: EventQuery, types: Set<string> | null): boolean {
  const [, stream, type, op, t, id] = row
  const { ops } = query
  const own = op ?? id
  return (
    (query.stream === undefined || query.stream === stream) &&
    (types === null || types.has(type)) &&
    (query.op === undefined || query.op === own) &&
    (ops === undefined || ops.includes(own)) &&
    (query.since === undefined || t >= query.since) &&
    (query.until === undefined || t <= query.until)
  )
}

function rowsOf(segment: Segment, query: EventQuery, { from, to }: Bounds) {
  const order = query.reverse ? 'DESC' : 'ASC'
  if (query.stream === undefined) {
    return {
      sql: `SELECT ${COLUMNS} FROM events WHERE seq BETWEEN ? AND ? ORDER BY seq ${order}`,
      values: [from, to],
    }
  }
  const [low, high] = segment.versionsWithin(query.stream, from, to)
  return {
    sql: `SELECT ${COLUMNS} FROM events INDEXED BY events_stream_ver
          WHERE stream = ? AND ver BETWEEN ? AND ? ORDER BY ver ${order}`,
    values: [query.stream, low, high],
  }
}
