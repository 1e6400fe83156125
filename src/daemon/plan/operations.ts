/** Plans of what settles an operation that is in doubt: the host is probed now, as it would be then. */
import type { Fact } from '../../events/types/events.ts'
import type { StreamId } from '../../events/types/ids.ts'
import type { Draft, Requested } from '../../machines/advance.ts'
import type { PendingIntent } from '../../machines/operation.ts'
import type { Plan } from '../../rpc/plan.ts'
import type { Pool } from '../pool.ts'
import { verdict } from '../recovery.ts'
import { checkAvailable, completed, sheetOf } from './plan.ts'
import type { UsersWith } from './rehearse.ts'

/** `op retry`: settled by what the probe sees, and the rest of the operation. */
export async function planRetry(
  pool: Pool,
  stream: StreamId,
  pending: PendingIntent,
  op: string,
  users: UsersWith,
): Promise<Plan> {
  const { fact, undo } = await verdict(pool.ports, pool.engine, stream, pending)
  const plan = await planOutcome(pool, stream, pending, op, fact, users)
  if (!undo) return plan
  return { ...plan, notes: [...plan.notes, 'what is half done of the step is undone before that'] }
}

/** The outcome of a step that is open, after what is recorded before it, and what follows. */
export async function planOutcome(
  pool: Pool,
  stream: StreamId,
  pending: PendingIntent,
  op: string,
  fact: Fact,
  users: UsersWith,
  before: readonly Draft[] = [],
): Promise<Plan> {
  checkAvailable(pool)
  const { walker, ...sheet } = sheetOf(pool, pool.journal.deciding, op)
  const { intent, kind, args, compensates } = pending
  walker.notes.push(`whatever runs in cgroup osctl/effects/${intent} is killed first`)
  walker.take([...before, { stream, fact }], false)
  if (fact.type === 'EffectResumed') {
    const wanted = { intent, kind, args, ...(compensates === null ? {} : { compensates }) }
    await walker.resume({ stream, wanted } as Requested)
  } else await walker.finish()
  if (fact.type === 'EffectInDoubt') walker.notes.push(`it would still be in doubt: ${fact.why}`)
  return await completed({ ...sheet, walker }, walker.plan('done'), users)
}

/** `op cancel` of an export: it ends, and the pool stays open; what is stopping right now is not foreseen. */
export async function planCalledOff(pool: Pool, op: string, request: Draft, why: string): Promise<Plan> {
  checkAvailable(pool)
  const { walker } = sheetOf(pool, pool.journal.deciding, op)
  const end: Fact = { type: 'OperationFinished', result: 'failed', error: why }
  const open: Fact = { type: 'PoolExportFailed', left: [] }
  walker.notes.push('containers that are stopping are waited for, those that it stopped stay stopped')
  walker.take([request, { stream: 'pool', fact: end, op }, { stream: 'pool', fact: open }], false)
  await walker.finish()
  return walker.plan('done')
}
