/** Handlers of `op attach` and `op cancel`: an operation as something that an admin can hold. */
import { ask } from '../../audit/ask.ts'
import { isNone } from '../../effects/effect.ts'
import { actorName } from '../../events/types/actor-name.ts'
import type { StoredEvent } from '../../events/types/envelope.ts'
import type { Fact } from '../../events/types/events.ts'
import { ctIdOfStream, type StreamId } from '../../events/types/ids.ts'
import type { Draft } from '../../machines/draft.ts'
import type { AnyState } from '../../machines/fold.ts'
import { lifeOf } from '../../machines/life.ts'
import type { PendingIntent } from '../../machines/operation.ts'
import { withoutUserInfo } from '../../rpc/secrets.ts'
import type { Daemon } from '../daemon.ts'
import { CallError, notFound, refused } from '../errors.ts'
import { planCalledOff, planOutcome } from '../plan/operations.ts'
import { planned } from '../plan/plan.ts'
import type { Pool } from '../pool.ts'
import { actorOf, type HandlersOf, waiting } from './context.ts'

export function controlHandlers(daemon: Daemon): HandlersOf<'op.attach' | 'op.cancel'> {
  return {
    'op.attach': async ({ op, meta }, call) => {
      const { pool, command } = await commandOf(daemon, op)
      return await daemon.bus.attach(pool, command, waiting(call, meta))
    },
    'op.cancel': async ({ op, meta }, call) => {
      const { pool, command } = await commandOf(daemon, op)
      const { stream } = command
      const actor = actorOf(call, meta)
      const cli = meta?.cli === undefined ? null : withoutUserInfo(meta.cli)
      const request: Draft = { stream, op, fact: { type: 'CancelRequested', actor, cli } }
      const why = `cancelled by ${actorName(actor)}`
      if (meta?.dryRun) {
        const pending = cancellable(daemon, pool.states.of(stream), op)
        // The pool is held by its export: this plan does not wait for it.
        if (pending === EXPORT) return planned(await planCalledOff(pool, op, request, why))
        const { intent, kind } = pending
        const fact: Fact = { type: 'EffectFailed', intent, kind, class: 'cancelled', message: why, by: 'run' }
        return planned(
          await daemon.plan(pool.name, (users) =>
            planOutcome(pool, stream, pending, op, fact, users, [request]),
          ),
        )
      }
      const { extra: pending } = await pool.journal.submit((view) => {
        const state = stream === 'pool' ? view.pool() : view.ct(ctIdOfStream(stream))
        return { drafts: [request], extra: cancellable(daemon, state, op) }
      })
      if (pending !== EXPORT) await pool.engine.cancel(pending, why)
      if (meta?.noWait) return { op, result: 'accepted', position: null, warnings: [] }
      const ended = await end(pool, stream, op)
      const warnings = pending === EXPORT ? [`pool ${pool.name} stays imported: ${ended}`] : []
      return { op, result: 'done', position: null, warnings }
    },
  }
}

/** The command's own event, with which its operation began. */
async function commandOf(daemon: Daemon, op: string): Promise<{ pool: Pool; command: StoredEvent }> {
  for (const pool of daemon.pools.values()) {
    const types = ['CommandAccepted', 'CommandNoop'] as const
    const [command] = await ask(pool.journal.store, { op, types, limit: 1 })
    if (command) return { pool, command }
  }
  throw notFound('E_OP_NOT_FOUND', `operation not found: ${op} (osctl op ls --all shows the recent ones)`)
}

/** An export has no steps of its own: it looks whether it was called off before it stops the next container. */
const EXPORT = 'export'

/**
 * The step that the operation is at, if it may be stopped there, or that it is an export.
 * @throws CallError refused, with the step
 */
function cancellable(daemon: Daemon, state: AnyState | null, op: string): PendingIntent | typeof EXPORT {
  const open = state?.context.op
  if (open?.id !== op) throw refused('E_OP_OVER', `operation ${op} is over (osctl op show ${op})`)
  const { pending, command } = open
  if (!pending && state && lifeOf(state) === 'exporting') return EXPORT
  if (!pending) throw refused('E_CANNOT_CANCEL', `${command} cannot be cancelled: it has no step to stop at`)
  const { kind, intent, inDoubt, compensates } = pending
  const step = `step ${intent.split('.').at(-1)}, ${kind},`
  if (inDoubt !== null)
    throw refused('E_OP_IN_DOUBT', `${step} is in doubt: osctl op retry ${op}, or osctl op resolve ${op}`)
  if (compensates !== null) throw refused('E_CANNOT_CANCEL', `${command} is being undone already`)
  const { cancel } = daemon.ports.effects[kind]
  if (isNone(cancel)) throw refused('E_CANNOT_CANCEL', `${step} cannot be cancelled: ${cancel.none}`)
  return pending
}

/** @returns why the operation ended, which of an export says what it had stopped before. @throws CallError */
async function end(pool: Pool, stream: StreamId, op: string): Promise<string | null> {
  const { result, error } = await pool.ended(op, stream)
  if (result === 'done') throw refused('E_TOO_LATE', `operation ${op} was done before it could be cancelled`)
  if (result === 'in doubt') {
    const way = `osctl op show ${op}, then op retry or op resolve`
    throw new CallError('in-doubt', 'E_IN_DOUBT', `${error} (in doubt: ${way})`, { op })
  }
  return error
}
