/** Handler of `ct undelete`. */
import type { IdBlock } from '../../events/types/config.ts'
import { decideUndelete, inTrash, type UndeleteCommand } from '../../machines/decide/undelete.ts'
import type { Accepted } from '../../rpc/results.ts'
import type { Daemon } from '../daemon.ts'
import type { Pool } from '../pool.ts'
import { asked, type HandlersOf, named, refuseWhileStopping, waiting } from './context.ts'

export function undeleteHandlers(daemon: Daemon): HandlersOf<'ct.undelete'> {
  return {
    'ct.undelete': async (params, call) => {
      refuseWhileStopping(daemon)
      const { pool, name } = named(
        daemon,
        params.id,
        (candidate, what) => entries(candidate, what).length > 0,
      )
      const [entry] = entries(pool, name)
      const id = pool.states.pool().context.trash[entry ?? '']?.ct ?? ''
      const before = pool.states.ct(id).context.map
      const ask = asked(daemon, call, 'ct undelete', params)
      // Ids are chosen at the moment of the decision: another pool's creation may be on its way, too.
      const command = (): UndeleteCommand => ({
        type: 'ct.undelete',
        what: name,
        as: params.asId ?? null,
        foreignBlocks: daemon.foreignBlocks(pool),
      })
      const accepted = await daemon.bus.run(
        pool,
        ask,
        (view) => decideUndelete(view, command(), ask),
        waiting(call, params.meta),
      )
      return told(accepted, before, mapAfter(accepted, pool, id))
    },
  }
}

const entries = (pool: Pool, what: string): string[] => inTrash(pool.states.pool().context.trash, what)

function mapAfter({ plan }: Accepted, pool: Pool, id: string): IdBlock | null {
  const planned = plan?.events.find(({ type }) => type === 'CtUndeleteRequested')
  return plan
    ? ((planned?.data as { map: IdBlock } | undefined)?.map ?? null)
    : pool.states.ct(id).context.map
}

/** A container that has other host ids than before says so. */
function told(accepted: Accepted, before: IdBlock | null, after: IdBlock | null): Accepted {
  if (!before || !after || before.first === after.first) return accepted
  const text = `its host ids ${before.first}+${before.count} belong to another container now: it has ${after.first}+${after.count}, and its files need no change`
  if (accepted.plan) return { ...accepted, plan: { ...accepted.plan, notes: [...accepted.plan.notes, text] } }
  return { ...accepted, warnings: [...accepted.warnings, text] }
}
