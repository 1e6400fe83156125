/** Operations: what is under way, and how what is in doubt is settled. */

import { stateAnswers } from '../../audit/serve/states.ts'
import { actorName } from '../../events/types/actor-name.ts'
import type { Fact } from '../../events/types/events.ts'
import { ctOfStream, type StreamId } from '../../events/types/ids.ts'
import type { View } from '../../machines/draft.ts'
import { streamOfCt } from '../../machines/fold.ts'
import type { PendingIntent } from '../../machines/operation.ts'
import type { Accepted } from '../../rpc/results.ts'
import type { Daemon } from '../daemon.ts'
import { CallError, notFound, refused } from '../errors.ts'
import { planOutcome, planRetry } from '../plan/operations.ts'
import { planned } from '../plan/plan.ts'
import type { Pool } from '../pool.ts'
import { actorOf, type HandlersOf } from './context.ts'

export function opHandlers(daemon: Daemon): HandlersOf<'op.list' | 'op.show' | 'op.retry' | 'op.resolve'> {
  const states = stateAnswers(daemon.past)
  return {
    'op.list': states['op.list'],
    'op.show': states['op.show'],
    'op.retry': async ({ op, meta }, call) => {
      const { pool, stream, pending } = doubtful(daemon, op)
      if (meta?.dryRun)
        return planned(await daemon.plan(pool.name, (users) => planRetry(pool, stream, pending, op, users)))
      await pool.settle(stream, pending)
      call.operation(op)
      if (meta?.noWait) return { op, result: 'accepted', position: null, warnings: [] }
      return await ended(pool, stream, pending, op)
    },
    'op.resolve': async (params, call) => {
      const { pool, stream, pending } = doubtful(daemon, params.op)
      const by = actorName(actorOf(call, params.meta))
      const fact: Fact =
        params.as === 'done'
          ? {
              type: 'EffectSucceeded',
              intent: pending.intent,
              kind: pending.kind,
              evidence: await evidenceFor(daemon, pool, stream, pending),
              by: 'operator',
            }
          : {
              type: 'EffectFailed',
              intent: pending.intent,
              kind: pending.kind,
              class: params.as === 'undone' ? 'undone' : 'permanent',
              message: `resolved as ${params.as} by ${by}`,
              by: 'operator',
            }
      if (params.meta?.dryRun)
        return planned(
          await daemon.plan(pool.name, (users) => planOutcome(pool, stream, pending, params.op, fact, users)),
        )
      await daemon.ports.host.fence(pending.intent)
      await pool.journal.submit((view) => {
        stillDoubtful(view, stream, pending, params.op)
        return { drafts: [{ stream, fact }], extra: null }
      })
      return { op: params.op, result: 'done', position: null, warnings: [] }
    },
  }
}

type Doubtful = { pool: Pool; stream: StreamId; pending: PendingIntent }

function doubtful(daemon: Daemon, op: string): Doubtful {
  for (const pool of daemon.pools.values()) {
    const streams: StreamId[] = ['pool', ...pool.containers().map(streamOfCt)]
    for (const stream of streams) {
      const open = pool.journal.states.of(stream)?.context.op
      if (open?.id !== op) continue
      if (open.pending?.inDoubt) return { pool, stream, pending: open.pending }
      throw refused('E_OP_RUNNING', `operation ${op} is not in doubt: it runs (osctl op show ${op})`)
    }
  }
  throw notFound('E_OP_NOT_FOUND', `no open operation ${op} (osctl op ls shows those that are)`)
}

/** While the host was asked, somebody else may have settled it. */
function stillDoubtful(view: View, stream: StreamId, { intent }: PendingIntent, op: string): void {
  const ctid = ctOfStream(stream)
  const open = (ctid === undefined ? view.pool() : view.ct(ctid)).context.op?.pending
  if (open?.intent === intent && open.inDoubt) return
  throw refused('E_OP_SETTLED', `operation ${op} was settled meanwhile (osctl op show ${op})`)
}

/** `--as done` needs evidence: what a probe sees now. Without it the admin's word would have to be believed. */
async function evidenceFor(
  daemon: Daemon,
  pool: Pool,
  stream: StreamId,
  pending: Doubtful['pending'],
): Promise<never> {
  const { kind, compensates, intent } = pending
  const { probe } = daemon.ports.effects[kind]
  if (typeof probe !== 'function') return {} as never
  const context = pool.engine.context(stream, compensates ?? intent, new AbortController().signal)
  const seen = await probe(pending.args as never, context)
  // What is undone looks as if it had never begun.
  const isDone = compensates ? seen.is === 'not-started' : seen.is === 'done'
  if (compensates && isDone) return {} as never
  if (!isDone || seen.is !== 'done') {
    const left = compensates ? `what ${kind} made is still there` : 'it was not done'
    const what = 'why' in seen ? seen.why : 'what' in seen ? seen.what : left
    throw refused(
      'E_NOT_DONE',
      `cannot be resolved as done: ${what} (op retry runs it again, --as failed gives it up)`,
    )
  }
  return seen.evidence as never
}

/**
 * How the operation ended that was tried again.
 * @throws CallError in-doubt, when it is so still; failed, unless it was its undoing that was tried again
 */
async function ended(
  pool: Pool,
  stream: StreamId,
  { compensates }: PendingIntent,
  op: string,
): Promise<Accepted> {
  const { result, error } = await pool.ended(op, stream)
  const warnings = result === 'done' || error === null ? [] : [`${result}: ${error}`]
  if (result === 'in doubt') {
    const way = `osctl op show ${op}, then op retry or op resolve`
    throw new CallError('in-doubt', 'E_IN_DOUBT', `${error} (in doubt still: ${way})`, { op })
  }
  if (result !== 'done' && compensates === null)
    throw new CallError('failed', 'E_FAILED', error ?? result, { op })
  return { op, result: 'done', position: null, warnings }
}
