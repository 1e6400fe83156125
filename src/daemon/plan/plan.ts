/** The plan of a command on one pool, in the place of the command: nothing is appended and nothing is done. */
import type { Asked, DecideView, Decision } from '../../machines/decide/decision.ts'
import { States } from '../../machines/fold.ts'
import { emptyPlan, type Plan } from '../../rpc/plan.ts'
import type { Accepted } from '../../rpc/results.ts'
import { CallError } from '../errors.ts'
import type { Pool } from '../pool.ts'
import type { Paper } from './paper.ts'
import { Rehearsals, type UsersWith } from './rehearse.ts'
import { walk } from './walk.ts'

/**
 * @param asked  with `<operation>` in the place of its id
 * @param users  see `Rehearsals.derived`
 * @throws CallError unavailable: the pool takes no changes
 */
export async function planOf(
  pool: Pool,
  asked: Asked,
  decide: (view: DecideView) => Decision,
  users: UsersWith,
): Promise<Accepted> {
  const { unavailable } = pool.journal
  if (unavailable !== null) {
    const message = `pool ${pool.name} takes no changes: ${unavailable}`
    throw new CallError('unavailable', 'E_POOL_UNAVAILABLE', message)
  }
  const known = asked.key === undefined ? null : await pool.journal.store.byKey(asked.key)
  if (known) {
    const note = `the key was used before: the answer would be that of operation ${known.op}`
    return planned(emptyPlan({ result: 'known', notes: [note] }))
  }
  const before = new States(pool.journal.deciding)
  const states = new States(before)
  const rehearsals = new Rehearsals(pool, states)
  const { clock, effects } = pool.ports
  const rehearse: Paper['rehearse'] = (stream, wanted) => rehearsals.of(stream, wanted)
  const plan = await walk({ pool: pool.name, states, now: clock, effects, rehearse }, decide(states))
  return planned({ ...plan, derived: await rehearsals.derived(before, users) })
}

export const planned = (plan: Plan): Accepted => ({
  op: null,
  result: 'planned',
  position: null,
  warnings: [],
  plan,
})
