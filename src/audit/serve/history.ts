/** Who did what, across pools and across the lives of a name. */

import type { StreamId } from '../../events/types/ids.ts'
import { inOneOrder } from '../../rpc/order.ts'
import { history } from '../history.ts'
import { subjects } from '../subjects.ts'
import type { PoolMoment } from '../view.ts'
import { conditionsOf, streamsOf, subjectsOf } from './conditions.ts'
import { type Answers, type Holder, notFound, poolsOf } from './holder.ts'
import type { Moments } from './moments.ts'

type Part = { readonly pool: PoolMoment; readonly streams?: readonly StreamId[] }

/** With a moment, the answer is the one that was given then. */
export function historyAnswers<P extends PoolMoment>(
  moments: Moments<P>,
): Answers<'history.list' | 'history.subjects'> {
  return {
    'history.list': async ({ pools, ct, user, limit, at, ...conditions }) => {
      const holder = await moments.holder(pools, at)
      const filter = { ...conditionsOf(conditions), limit }
      const parts = await partsOf(holder, pools, ct, user)
      const lists = await Promise.all(
        parts.map(({ pool, streams }) => history(pool, pool.log, { ...filter, streams })),
      )
      return inOneOrder(lists).slice(-limit)
    },
    'history.subjects': async ({ ct, pools, at }) =>
      (await subjectsOf(await moments.holder(pools, at), ct, pools)).flatMap(({ rows }) => rows),
  }
}

async function partsOf(
  holder: Holder,
  pools: readonly string[] | undefined,
  ct: string | undefined,
  user: string | undefined,
): Promise<Part[]> {
  if (ct !== undefined) {
    const named = await subjectsOf(holder, ct, pools)
    return named.map(({ pool, rows }) => ({ pool, streams: streamsOf(rows) }))
  }
  const among = poolsOf(holder, pools)
  if (user === undefined) return among.map((pool) => ({ pool }))
  const parts = await Promise.all(
    among.map(async (pool) => ({
      pool,
      streams: streamsOf(await subjects(pool, pool.log, { user })),
    })),
  )
  const known = parts.filter(({ streams }) => streams.length > 0)
  if (known.length === 0)
    throw notFound('E_USER_NOT_FOUND', `no container has or had user ${user} (who acted is --actor)`)
  return known
}
