/** Events of a log, as an admin reads them. */
import type { StoredEvent } from '../events/types/envelope.ts'
import { ctOfStream } from '../events/types/ids.ts'
import type { EventQuery, LogReader } from '../events/types/query.ts'
import type { EventRow } from '../rpc/results.ts'
import { ctidIn, type PoolView } from './view.ts'

/** All events that answer a query, at most `limit`, in the query's order. */
export async function ask(log: LogReader, query: EventQuery): Promise<StoredEvent[]> {
  const found: StoredEvent[] = []
  let cursor: EventQuery | null = query
  while (cursor && found.length < query.limit) {
    const slice = await log.query({ ...cursor, limit: query.limit - found.length })
    found.push(...slice.events)
    cursor =
      slice.next === null
        ? null
        : query.reverse
          ? { ...query, to: slice.next }
          : { ...query, from: slice.next }
  }
  return found
}

export function eventRow(pool: PoolView, event: StoredEvent): EventRow {
  const { seq, t, stream, ver, type, id, op, by, data } = event
  const ct = ctOfStream(stream)
  return {
    position: `${pool.name}:${seq}`,
    pool: pool.name,
    seq,
    time: t,
    stream,
    target: ct === undefined ? null : ctidIn(pool, ct),
    ver,
    type,
    id,
    op: op ?? null,
    by: by ?? null,
    data,
  }
}
