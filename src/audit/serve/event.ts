/** The events themselves, across pools. */

import type { StreamId } from '../../events/types/ids.ts'
import type { EventQuery } from '../../events/types/query.ts'
import type { MethodParams } from '../../rpc/methods.ts'
import { inOneOrder } from '../../rpc/order.ts'
import type { EventRow } from '../../rpc/results.ts'
import { ask } from '../ask.ts'
import { eventRows } from '../read.ts'
import type { PoolMoment } from '../view.ts'
import { conditionsOf, positionOf, streamOfWord, streamsOf, subjectsOf, typesOf } from './conditions.ts'
import { type Answers, type Holder, invalid, notFound, poolsOf } from './holder.ts'
import type { Moments } from './moments.ts'

type Params = MethodParams<'event.list'>
/** Questions to one pool; their answers together are its part. */
type Part = { readonly pool: PoolMoment; readonly queries: readonly EventQuery[] }

/** @param moments  answer `event.list` of a moment: what came later is not there */
export function eventAnswers<P extends PoolMoment>(
  holder: Holder<P>,
  moments: Moments<P>,
): Answers<'event.list' | 'event.show'> {
  return {
    'event.list': async (params) => {
      const { from, reverse, limit } = params
      // Without a beginning the newest are wanted, told in the order in which they happened.
      const isNewest = reverse || (from === undefined && params.since === undefined)
      const parts = await partsOf(await moments.holder(params.pools, params.at), params)
      const lists = await Promise.all(
        parts.map(({ pool, queries }) => listed(pool, queries, isNewest, limit)),
      )
      const rows = inOneOrder(lists)
      const cut = isNewest ? rows.slice(-limit) : rows.slice(0, limit)
      return reverse ? cut.reverse() : cut
    },
    'event.show': async ({ position }) => await show(holder, position),
  }
}

/** At most `limit` rows of one pool in the order in which they happened: the newest, or the oldest. */
async function listed(
  pool: PoolMoment,
  queries: readonly EventQuery[],
  isNewest: boolean,
  limit: number,
): Promise<EventRow[]> {
  const { log: store } = pool
  const found = await Promise.all(queries.map((query) => ask(store, { ...query, reverse: isNewest, limit })))
  const events = found.flat().sort((a, b) => a.seq - b.seq)
  return await eventRows(pool, store, isNewest ? events.slice(-limit) : events.slice(0, limit))
}

async function partsOf(holder: Holder, params: Params): Promise<Part[]> {
  const { pools, ct, stream, types, from, to } = params
  const first = from === undefined ? null : positionOf(holder, from, pools)
  const last = to === undefined ? null : positionOf(holder, to, pools)
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
  const named = ct === undefined ? null : await subjectsOf(holder, ct, pools)
  const only = stream === undefined ? null : streamOfWord(stream)
  const among = named ? named.map(({ pool }) => pool) : poolsOf(holder, pools)
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

async function show(holder: Holder, position: string): Promise<EventRow> {
  const { pool, seq } = positionOf(holder, position)
  const head = pool.log.head().seq
  if (seq < 1 || seq > head)
    throw notFound('E_EVENT_NOT_FOUND', `no event ${pool.name}:${seq} (the log goes from 1 to ${head})`)
  const { events } = await pool.log.read({ from: seq, to: seq, limit: 1 })
  const [row] = await eventRows(pool, pool.log, events)
  if (!row)
    throw notFound('E_EVENT_NOT_FOUND', `no event ${pool.name}:${seq}: it was pruned (osctl event segments)`)
  const place = await pool.log.placeOf(seq)
  return place === null ? row : { ...row, hash: place.hash }
}
