/** Which containers a name means, today's and those that are gone: a ctid is reused, a container's own id never. */

import type { CtIdentity } from '../events/types/config.ts'
import type { StoredEvent } from '../events/types/envelope.ts'
import type { EventData } from '../events/types/events.ts'
import { ctOfStream, ctStream, type StreamId, ulidSchema } from '../events/types/ids.ts'
import type { LogReader } from '../events/types/query.ts'
import { exists } from '../machines/life.ts'
import type { SubjectRow } from '../rpc/results.ts'
import { ask } from './ask.ts'
import type { PoolView } from './view.ts'

type Named = {
  readonly id: string
  readonly ctid: string
  /** Ids and users that it had, this one too: it may have come back from the trash under others. */
  readonly ctids: readonly string[]
  readonly users: readonly string[]
  readonly since: number
}
/** Events that say what a container is. */
const NAMING = ['CtCreateRequested', 'CtUndeleteRequested'] as const
type Wanted = { readonly ct?: string | undefined; readonly user?: string | undefined }

/** More than any log has. */
const ALL = 10_000_000

/**
 * Containers that have or had this ctid or this own id (`ct`), or belong or belonged to this user, oldest first.
 * `deleted_at` is when a container's story ended; null while it is there.
 */
export async function subjects(pool: PoolView, log: LogReader, wanted: Wanted): Promise<SubjectRow[]> {
  const { ct, user } = wanted
  const isUlid = ct !== undefined && ulidSchema.safeParse(ct).success
  const stream = isUlid ? { stream: ctStream(ct) } : {}
  const known = new Map<string, Named>()
  for (const event of await ask(log, { ...stream, types: NAMING, limit: ALL })) {
    const { identity } = event.data as EventData<'CtCreateRequested'>
    known.set(identity.id, named(identity, event.t, known.get(identity.id)))
  }
  for (const state of pool.states.cts()) {
    const { identity, createdAt } = state.context
    // Its creation may stand in a segment that was pruned; what it is stands in its baseline.
    if (identity && !known.has(identity.id)) known.set(identity.id, named(identity, createdAt ?? 0))
  }
  const found = [...known.values()].filter(
    (each) =>
      (ct === undefined || each.ctids.includes(ct) || each.id === ct) &&
      (user === undefined || each.users.includes(user)),
  )
  const rows = await Promise.all(found.map((each) => subjectRow(pool, log, each)))
  return rows.sort((a, b) => a.created_at - b.created_at)
}

function named({ id, ctid, user }: CtIdentity, t: number, before?: Named): Named {
  const { ctids = [], users = [], since = t } = before ?? {}
  return { id, ctid, ctids: [...ctids, ctid], users: [...users, user], since }
}

async function subjectRow(pool: PoolView, log: LogReader, { id, ctid, since }: Named): Promise<SubjectRow> {
  const isThere = exists(pool.states.ct(id))
  const [last] = isThere ? [] : await ask(log, { stream: ctStream(id), reverse: true, limit: 1 })
  return { pool: pool.name, ctid, stream: id, created_at: since, deleted_at: last?.t ?? null }
}

/** Names of containers for rows of events: those that are gone are looked up in the log, each once. */
export async function namesOf(
  pool: PoolView,
  log: LogReader,
  streams: Iterable<StreamId>,
): Promise<ReadonlyMap<StreamId, string>> {
  const names = new Map<StreamId, string>()
  const gone: StreamId[] = []
  for (const stream of new Set(streams)) {
    const id = ctOfStream(stream)
    const ctid = id === undefined ? undefined : pool.states.ct(id).context.identity?.ctid
    if (ctid !== undefined) names.set(stream, ctid)
    else if (id !== undefined) gone.push(stream)
  }
  for (const { stream, data } of await creationsOf(log, gone))
    names.set(stream, (data as EventData<'CtCreateRequested'>).identity.ctid)
  return names
}

/** A few are asked for one by one; for many it is less work to read all creations. */
const ONE_BY_ONE = 20

async function creationsOf(log: LogReader, streams: readonly StreamId[]): Promise<StoredEvent[]> {
  const query = { types: NAMING, limit: 1, reverse: true } as const
  if (streams.length > ONE_BY_ONE) {
    const wanted = new Set(streams)
    return (await ask(log, { types: NAMING, limit: ALL })).filter(({ stream }) => wanted.has(stream))
  }
  return (await Promise.all(streams.map((stream) => ask(log, { ...query, stream })))).flat()
}
