/** Who waits to be started. */
import type { AutostartRow } from '../../rpc/results.ts'
import { newestPlan, standingsOf } from '../autostart.ts'
import { ctidIn, type PoolMoment } from '../view.ts'
import { type Answers, notFound } from './holder.ts'
import type { Moments } from './moments.ts'

export function autostartAnswers<P extends PoolMoment>(moments: Moments<P>): Answers<'pool.autostart-queue'> {
  return {
    'pool.autostart-queue': async ({ name, at }) => {
      const [pool] = await moments.pools([name], at)
      if (!pool) throw notFound('E_POOL_NOT_FOUND', `pool ${name} had no log at that time`)
      return await queueOf(pool)
    },
  }
}

/** Containers of the open plan that wait, in the order in which they are started. */
async function queueOf(pool: PoolMoment): Promise<AutostartRow[]> {
  if (pool.states.pool().context.autostart.length === 0) return []
  const plan = await newestPlan(pool.log)
  if (!plan) return []
  const standings = await standingsOf(pool.log, plan)
  return plan.cts.flatMap((id): AutostartRow[] => {
    const { is, attempts = 0, why = null } = standings.get(id) ?? {}
    const ctid = ctidIn(pool, id)
    if (is !== 'waiting' || ctid === null) return []
    const { autostart } = pool.states.ct(id).context.settings
    const { priority = null, delay = null } = autostart ?? {}
    return [{ pool: pool.name, id: ctid, priority, delay, attempts, problem: why }]
  })
}
