/** The plan of a command on one pool, in the place of the command: nothing is appended and nothing is done. */
import type { Asked, DecideView, Decision } from '../../machines/decide/decision.ts'
import { States } from '../../machines/fold.ts'
import { emptyPlan, type Plan } from '../../rpc/plan.ts'
import type { Accepted } from '../../rpc/results.ts'
import { CallError } from '../errors.ts'
import type { Pool } from '../pool.ts'
import { Rehearsals, type Staged, type UsersWith } from './rehearse.ts'
import { Walker, walk } from './walk.ts'

/** A plan that is being made: the states that it began with and those that it has come to. */
export type Sheet = {
  readonly pool: Staged
  readonly before: States
  readonly states: States
  readonly walker: Walker
  readonly rehearsals: Rehearsals
}

/** @param op  the operation that goes on, when the plan is not of a new one */
export function sheetOf(pool: Staged, from: States, op?: string): Sheet {
  const before = new States(from)
  const states = new States(before)
  const rehearsals = new Rehearsals(pool, states)
  const { clock, effects } = pool.ports
  const walker = new Walker({
    pool: pool.name,
    states,
    now: clock,
    effects,
    rehearse: (stream, wanted) => rehearsals.of(stream, wanted),
    ...(op === undefined ? {} : { op }),
  })
  return { pool, before, states, walker, rehearsals }
}

/** With what is derived from the states that it has come to. */
export async function completed(sheet: Sheet, plan: Plan, users: UsersWith): Promise<Plan> {
  return { ...plan, derived: [...plan.derived, ...(await sheet.rehearsals.derived(sheet.before, users))] }
}

/** @throws CallError unavailable: the pool takes no changes */
export function checkAvailable(pool: Pool): void {
  const { unavailable } = pool.journal
  if (unavailable === null) return
  const message = `pool ${pool.name} takes no changes: ${unavailable}`
  throw new CallError('unavailable', 'E_POOL_UNAVAILABLE', message)
}

/** The plan of a command whose key this pool knows: nothing; null for a new key. */
export async function planOfKnown(pool: Pool, key: string | undefined): Promise<Plan | null> {
  const known = key === undefined ? null : await pool.journal.store.byKey(key)
  if (!known) return null
  const note = `the key was used before: the answer would be that of operation ${known.op}`
  return emptyPlan({ result: 'known', notes: [note] })
}

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
  checkAvailable(pool)
  const known = await planOfKnown(pool, asked.key)
  if (known) return planned(known)
  const sheet = sheetOf(pool, pool.journal.deciding)
  const plan = await walk(sheet.walker, decide(sheet.states))
  return planned(await completed(sheet, plan, users))
}

export const planned = (plan: Plan): Accepted => ({
  op: null,
  result: 'planned',
  position: null,
  warnings: [],
  plan,
})
