/** Who did what, across pools and across the lives of a name. */
import { history } from '../../audit/history.ts'
import { subjects } from '../../audit/subjects.ts'
import type { StreamId } from '../../events/types/ids.ts'
import { inOneOrder } from '../../rpc/order.ts'
import type { Daemon } from '../daemon.ts'
import { notFound } from '../errors.ts'
import type { Pool } from '../pool.ts'
import { conditionsOf, streamsOf, subjectsOf } from './conditions.ts'
import { type HandlersOf, poolsOf } from './context.ts'

type Part = { readonly pool: Pool; readonly streams?: readonly StreamId[] }

export function historyHandlers(daemon: Daemon): HandlersOf<'history.list' | 'history.subjects'> {
  return {
    'history.list': async ({ pools, ct, user, limit, ...conditions }) => {
      const filter = { ...conditionsOf(conditions), limit }
      const parts = await partsOf(daemon, pools, ct, user)
      const lists = await Promise.all(
        parts.map(({ pool, streams }) => history(pool, pool.journal.store, { ...filter, streams })),
      )
      return inOneOrder(lists).slice(-limit)
    },
    'history.subjects': async ({ ct, pools }) =>
      (await subjectsOf(daemon, ct, pools)).flatMap(({ rows }) => rows),
  }
}

async function partsOf(
  daemon: Daemon,
  pools: readonly string[] | undefined,
  ct: string | undefined,
  user: string | undefined,
): Promise<Part[]> {
  if (ct !== undefined) {
    const named = await subjectsOf(daemon, ct, pools)
    return named.map(({ pool, rows }) => ({ pool, streams: streamsOf(rows) }))
  }
  const among = poolsOf(daemon, pools)
  if (user === undefined) return among.map((pool) => ({ pool }))
  const parts = await Promise.all(
    among.map(async (pool) => ({
      pool,
      streams: streamsOf(await subjects(pool, pool.journal.store, { user })),
    })),
  )
  const known = parts.filter(({ streams }) => streams.length > 0)
  if (known.length === 0)
    throw notFound('E_USER_NOT_FOUND', `no container has or had user ${user} (who acted is --actor)`)
  return known
}
