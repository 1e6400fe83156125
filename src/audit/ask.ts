/** Asking a log until all is answered: it answers in slices. */
import type { StoredEvent } from '../events/types/envelope.ts'
import type { EventQuery, LogReader } from '../events/types/query.ts'

/** All events that answer a query, at most `limit`, in the query's order. */
export async function ask(log: LogReader, query: EventQuery): Promise<StoredEvent[]> {
  return (await askPage(log, query)).events
}

export type Page = { readonly events: StoredEvent[]; readonly next: number | null }

/** The same, and where to go on for more. */
export async function askPage(log: LogReader, query: EventQuery): Promise<Page> {
  const events: StoredEvent[] = []
  let cursor: EventQuery = query
  for (;;) {
    const slice = await log.query({ ...cursor, limit: query.limit - events.length })
    events.push(...slice.events)
    if (slice.next === null || events.length >= query.limit) return { events, next: slice.next }
    cursor = query.reverse ? { ...query, to: slice.next } : { ...query, from: slice.next }
  }
}
