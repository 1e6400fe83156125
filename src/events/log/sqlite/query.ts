/**
 * Answering an admin's question out of one segment.
 *
 * One condition names the events that may answer, the others are checked on the columns of each, and only
 * then is its body read. Sealed segments have an index for every condition. The open segment has none but on
 * streams, for each would cost every commit a page: its columns are in memory (columns.ts), and until they are
 * complete it is walked by seq, in slices. A stream is narrow, so where one is named its own index drives.
 */

import { isNamed } from '../../types/actor-name.ts'
import type { EventType } from '../../types/events.ts'
import { answers } from '../../types/query.ts'
import { parseBody } from '../chain.ts'
import type { EventQuery } from '../store.ts'
import type { Columns } from './columns.ts'
import { ACTOR, FAILURE, HAS_ACTOR, type QueryIndex } from './indexes.ts'
import { isPast, KEYS, type Keys, type Segment, type Slice } from './segment.ts'

/** Naming takes a part of each slice, so what was named is used before the clock is asked again. */
const CLOCK_EVERY = 256
/** So many events are named at a time: what a slice does not get to is named again in the next one. */
const CHUNK = 256

/** Who asks for one event may have to look at some more. */
const FEWEST = 16

type Bounds = { readonly from: number; readonly to: number }
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

type Named = {
  /** seqs within bounds that may answer, in the query's order, at most CHUNK; `last`: there are no more. */
  readonly within: (bounds: Bounds) => { readonly seqs: readonly number[]; readonly last: boolean }
  /** Whether the names leave something open that only the body tells. */
  readonly mustParse: boolean
}

function namesOf(segment: Segment, columns: Columns | null, query: EventQuery): Named | null {
  const { ids } = query
  if (ids) return namedByLists(segment, query, [listOfIds(ids)], asksBody(query))
  if (segment.isSealed) return namedByIndexes(segment, query)
  if (!columns?.isComplete) return null
  return {
    within: ({ from, to }) => {
      const seqs = columns.candidates(query, from, to, CHUNK)
      return { seqs, last: seqs.length < CHUNK }
    },
    mustParse: asksBody(query) && !columns.isExact,
  }
}

/** A list of seqs that an index keeps: rows of `where` with these values. */
type Listed = { readonly index: QueryIndex | 'events_id'; readonly where: string; readonly values: unknown[] }

const namedByLists = (
  segment: Segment,
  query: EventQuery,
  lists: readonly Listed[],
  mustParse: boolean,
): Named => ({ within: (bounds) => merged(segment, lists, query, bounds), mustParse })

/** The lists whose union holds the answer, of the condition that promises the fewest events. */
function namedByIndexes(segment: Segment, query: EventQuery): Named | null {
  const { op, ops, failed, actors, types } = query
  const by = (lists: readonly Listed[], mustParse: boolean) => namedByLists(segment, query, lists, mustParse)
  if (op !== undefined) return by([listOfOps([op]), listOfIds([op])], asksBody(query))
  if (ops) return by([listOfOps(ops)], asksBody(query))
  const knowsFailures = segment.hasIndex('events_failure')
  if (actors && segment.hasIndex('events_actor')) {
    const names = segment.actors().filter((name) => isNamed(name, actors))
    if (!failed || knowsFailures) return by(names.map(failed ? listOfFailures : listOfActor), false)
  }
  if (failed && knowsFailures)
    return by([{ index: 'events_failure', where: FAILURE, values: [] }], actors !== undefined)
  return types && types.length <= FEW_TYPES ? by(types.map(listOfType), asksBody(query)) : null
}

/** With many types nearly every event is one of them, and walking by seq is cheaper. */
const FEW_TYPES = 4
const listOfType = (type: EventType): Listed => ({ index: 'events_type', where: 'type = ?', values: [type] })
const listOfActor = (name: string): Listed => ({
  index: 'events_actor',
  where: `${HAS_ACTOR} AND ${ACTOR} = ?`,
  values: [name],
})

/** What both indexes hold: neither the table nor a body is read for it. */
const listOfFailures = (name: string): Listed => ({
  index: 'events_actor',
  where: `${HAS_ACTOR} AND ${ACTOR} = ? AND seq IN (SELECT seq FROM events INDEXED BY events_failure WHERE ${FAILURE})`,
  values: [name],
})

const listOfOps = (ops: readonly string[]): Listed => ({
  index: 'events_op',
  where: 'op IN (SELECT value FROM json_each(?))',
  values: [JSON.stringify(ops)],
})
const listOfIds = (ids: readonly string[]): Listed => ({
  index: 'events_id',
  where: 'id IN (SELECT value FROM json_each(?))',
  values: [JSON.stringify(ids)],
})

function merged(segment: Segment, lists: readonly Listed[], query: EventQuery, { from, to }: Bounds) {
  const order = query.reverse ? 'DESC' : 'ASC'
  const { types = [] } = query
  const typed = types.length === 0 ? '' : `AND type IN (${types.map(() => '?').join(', ')})`
  const seqs = lists.flatMap(({ index, where, values }) =>
    segment
      .prepared(
        `SELECT seq FROM events INDEXED BY ${index} WHERE ${where} ${typed} AND seq BETWEEN ? AND ?
         ORDER BY seq ${order} LIMIT ${CHUNK}`,
      )
      .pluck()
      .all(...values, ...types, from, to),
  ) as number[]
  const isWhole = seqs.length < CHUNK
  const sorted = [...new Set(seqs)].sort(query.reverse ? (a, b) => b - a : (a, b) => a - b)
  return { seqs: sorted.slice(0, CHUNK), last: isWhole }
}

function walkNamed(
  segment: Segment,
  named: Named,
  query: EventQuery,
  bounds: Bounds,
  deadline: number,
  walk: Walk,
): void {
  const sets = setsOf(query)
  let { from, to } = bounds
  let seen = 0
  for (;;) {
    const { seqs, last } = named.within({ from, to })
    for (const row of segment.candidates(seqs, Math.max(query.limit - walk.bodies.length, FEWEST))) {
      walk.next = row.seq
      if (walk.bodies.length === query.limit) return
      if (++seen % CLOCK_EVERY === 0 && isPast(deadline)) return
      if (!matches(row, query, sets)) continue
      if (!named.mustParse || answers(parseBody(row.body), query)) walk.bodies.push(row.body)
    }
    walk.next = null
    const edge = seqs.at(-1)
    if (last || edge === undefined) return
    if (query.reverse) to = edge - 1
    else from = edge + 1
  }
}

function walkRows(segment: Segment, query: EventQuery, bounds: Bounds, deadline: number, walk: Walk): void {
  const { sql, values } = rowsOf(segment, query, bounds)
  const rows = segment.prepared(sql).iterate(...values) as IterableIterator<Keys>
  const sets = setsOf(query)
  let seen = 0
  for (const row of rows) {
    walk.next = row.seq
    if (walk.bodies.length === query.limit) return
    if (++seen % CLOCK_EVERY === 0 && isPast(deadline)) return
    if (!matches(row, query, sets)) continue
    const event = segment.at(row.seq)
    if (event && (!asksBody(query) || answers(parseBody(event.body), query))) walk.bodies.push(event.body)
  }
  walk.next = null
}

const asksBody = ({ actors, failed }: EventQuery): boolean => actors !== undefined || failed !== undefined

type Sets = { readonly [K in 'types' | 'ops' | 'ids']: ReadonlySet<string> | null }

const setOf = (list: readonly string[] | undefined): ReadonlySet<string> | null =>
  list ? new Set(list) : null
const setsOf = ({ types, ops, ids }: EventQuery): Sets => ({
  types: setOf(types),
  ops: setOf(ops),
  ids: setOf(ids),
})

function matches({ stream, type, op, t, id }: Keys, query: EventQuery, { types, ops, ids }: Sets): boolean {
  const own = op ?? id
  return (
    (query.stream === undefined || query.stream === stream) &&
    (types === null || types.has(type)) &&
    (query.op === undefined || query.op === own) &&
    (ops === null || (op !== null && ops.has(op))) &&
    (ids === null || ids.has(id)) &&
    (query.since === undefined || t >= query.since) &&
    (query.until === undefined || t <= query.until)
  )
}

function rowsOf(segment: Segment, query: EventQuery, { from, to }: Bounds) {
  const order = query.reverse ? 'DESC' : 'ASC'
  if (query.stream === undefined) {
    return {
      sql: `SELECT ${KEYS} FROM events WHERE seq BETWEEN ? AND ? ORDER BY seq ${order}`,
      values: [from, to],
    }
  }
  const [low, high] = segment.versionsWithin(query.stream, from, to)
  return {
    sql: `SELECT ${KEYS} FROM events INDEXED BY events_stream_ver
          WHERE stream = ? AND ver BETWEEN ? AND ? ORDER BY ver ${order}`,
    values: [query.stream, low, high],
  }
}
