/** Events of a log, as an admin reads them. */
import type { StoredEvent } from '../events/types/envelope.ts'
import type { EventData } from '../events/types/events.ts'
import type { LogReader } from '../events/types/query.ts'
import type { EventRow } from '../rpc/results.ts'
import { ask } from './ask.ts'
import { namesOf } from './subjects.ts'
import type { PoolView } from './view.ts'

/** Where a session was. */
export type SessionSeen = Pick<EventData<'SessionOpened'>, 'bootId' | 'host'>

/** Sessions by their position, those that these events are of. */
export async function sessionsOf(
  log: LogReader,
  events: readonly StoredEvent[],
): Promise<ReadonlyMap<number, SessionSeen>> {
  const sessions = events.map(({ s }) => s)
  if (sessions.length === 0) return new Map()
  const [from, to] = [Math.min(...sessions), Math.max(...sessions)]
  const opened = await ask(log, { types: ['SessionOpened'], from: Math.max(1, from), to, limit: 100_000 })
  return new Map(opened.map(({ seq, data }) => [seq, data as EventData<'SessionOpened'>]))
}

/** Rows of events, with the names of containers that are gone and the boots that the events are of. */
export async function eventRows(
  pool: PoolView,
  log: LogReader,
  events: readonly StoredEvent[],
): Promise<EventRow[]> {
  const streams = events.map(({ stream }) => stream)
  const [names, sessions] = await Promise.all([namesOf(pool, log, streams), sessionsOf(log, events)])
  return events.map((event) => eventRow(pool, event, names.get(event.stream), sessions.get(event.s)?.bootId))
}

/** @param name  of the container that the event is about */
export function eventRow(
  pool: Pick<PoolView, 'name'>,
  event: StoredEvent,
  name: string | undefined,
  boot: string | undefined,
): EventRow {
  const { seq, t, m, stream, ver, type, v, id, op, by, data } = event
  return {
    position: `${pool.name}:${seq}`,
    pool: pool.name,
    seq,
    time: t,
    boot: boot ?? null,
    mono: m,
    stream,
    target: name ?? null,
    ver,
    type,
    v,
    id,
    op: op ?? null,
    by: by ?? null,
    data,
  }
}
