/** The events themselves, across pools. */
import { ask } from '../../audit/ask.ts'
import { eventRows } from '../../audit/read.ts'
import type { StreamId } from '../../events/types/ids.ts'
import type { EventQuery } from '../../events/types/query.ts'
import type { MethodParams } from '../../rpc/methods.ts'
import { inOneOrder } from '../../rpc/order.ts'
import type { EventRow } from '../../rpc/results.ts'
import type { Daemon } from '../daemon.ts'
import { invalid, notFound } from '../errors.ts'
import type { Pool } from '../pool.ts'
import { conditionsOf, positionOf, streamOfWord, streamsOf, subjectsOf, typesOf } from './conditions.ts'
import { type HandlersOf, poolsOf } from './context.ts'

type Params = MethodParams<'event.list'>
/** Questions to one pool; their answers together are its part. */
type Part = { readonly pool: Pool; readonly queries: readonly EventQuery[] }

export function eventHandlers(daemon: Daemon): HandlersOf<'event.list' | 'event.show'> {
  return {
    'event.list': async (params) => {
      const { from, reverse, limit } = params
      // Without a beginning the newest are wanted, told in the order in which they happened.
      const isNewest = reverse || (from === undefined && params.since === undefined)
      const parts = await partsOf(daemon, params)
      const lists = await Promise.all(
        parts.map(({ pool, queries }) => listed(pool, queries, isNewest, limit)),
      )
      const rows = inOneOrder(lists)
      const cut = isNewest ? rows.slice(-limit) : rows.slice(0, limit)
      return reverse ? cut.reverse() : cut
    },
    'event.show': async ({ position }) => await show(daemon, position),
  }
}

/** At most `limit` rows of one pool in the order in which they happened: the newest, or the oldest. */
async function listed(
  pool: Pool,
  queries: readonly EventQuery[],
  isNewest: boolean,
  limit: number,
): Promise<EventRow[]> {
  const { store } = pool.journal
  const found = await Promise.all(queries.map((query) => ask(store, { ...query, reverse: isNewest, limit })))
  const events = found.flat().sort((a, b) => a.seq - b.seq)
  return await eventRows(pool, store, isNewest ? events.slice(-limit) : events.slice(0, limit))
}

async function partsOf(daemon: Daemon, params: Params): Promise<Part[]> {
  const { pools, ct, stream, types, from, to } = params
  const first = from === undefined ? null : positionOf(daemon, from, pools)
  const last = to === undefined ? null : positionOf(daemon, to, pools)
  if (first && last && first.pool !== last.pool)
    throw invalid('E_POSITION', `${from} and ${to} are positions of two logs`)
  const edge = first ?? last
  const range = { ...(first ? { from: first.seq } : {}), ...(last ? { to: last.seq } : {}) }
  const base: EventQuery = {
    ...conditionsOf(params),
    ...(types === undefined ? {} : { types: typesOf(types) }),
    ...range,
    limit: params.limit,
  }
  const named = ct === undefined ? null : await subjectsOf(daemon, ct, pools)
  const only = stream === undefined ? null : streamOfWord(stream)
  const among = named ? named.map(({ pool }) => pool) : poolsOf(daemon, pools)
  return among
    .filter((pool) => edge === null || edge.pool === pool)
    .map((pool): Part => {
      const rows = named?.find((part) => part.pool === pool)?.rows
      return { pool, queries: streamed(base, rows ? streamsOf(rows) : null, only) }
    })
}

function streamed(
  base: EventQuery,
  streams: readonly StreamId[] | null,
  only: StreamId | null,
): EventQuery[] {
  if (only === null) return streams ? streams.map((stream) => ({ ...base, stream })) : [base]
  return streams && !streams.includes(only) ? [] : [{ ...base, stream: only }]
}

async function show(daemon: Daemon, position: string): Promise<EventRow> {
  const { pool, seq } = positionOf(daemon, position)
  const head = pool.journal.head().seq
  if (seq < 1 || seq > head)
    throw notFound('E_EVENT_NOT_FOUND', `no event ${pool.name}:${seq} (the log goes from 1 to ${head})`)
  const { events } = await pool.journal.read({ from: seq, to: seq, limit: 1 })
  const [row] = await eventRows(pool, pool.journal.store, events)
  if (!row)
    throw notFound('E_EVENT_NOT_FOUND', `no event ${pool.name}:${seq}: it was pruned (osctl event segments)`)
  return row
}
