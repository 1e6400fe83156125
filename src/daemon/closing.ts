/**
 * Closing a pool: its containers stop, in reverse order of their autostart and in bounded time (stopping.ts), and
 * `PoolClosed` is the last event but for the refusals of who asked in that very moment. A container that does not stop
 * keeps the pool open, and is named with the reason, in the answer and in the log. One that is called off (`op cancel`,
 * `pool export --abort`) stops no further container and keeps the pool open, too; what it had stopped stays stopped, and
 * is named.
 *
 * An export whose daemon dies is gone on with by the next one: it was accepted. That it was called off is in its
 * operation, so the next one goes no further either. When the host dies it is void, since
 * nothing runs any more, and the pool is imported as after any boot.
 */
import { ask } from '../audit/ask.ts'
import type { EventData, Fact } from '../events/types/events.ts'
import type { Draft } from '../machines/advance.ts'
import type { Asked } from '../machines/decide/decision.ts'
import { decidePool } from '../machines/decide/pool.ts'
import type { PoolState } from '../machines/pool/machine.ts'
import { CallError } from './errors.ts'
import { isPassing, patiently } from './patience.ts'
import type { Pool } from './pool.ts'
import { type NotStopped, type Progress, type Stopped, type Stopper, stopAll } from './stopping.ts'

const GOODBYES = 8

export type ExportOptions = { readonly force: boolean; readonly stopContainers: boolean }

/** What the caller of a long command is told meanwhile. */
export type Told = { readonly accepted?: (op: string) => void; readonly progress?: Progress }

/**
 * @returns the operation; another than asked for when this command was given before: the pool is then as it was
 * @throws CallError refused (running containers without force), failed (a container did not stop, or it was called off)
 */
export async function closePool(
  owner: Stopper,
  pool: Pool,
  options: ExportOptions,
  asked: Asked,
  told: Told,
): Promise<string | null> {
  const command = { type: 'pool.export', ...options } as const
  const { op } = await owner.bus.run(pool, asked, (view) => decidePool(view, command, asked), {
    noWait: true,
    ...(told.accepted ? { accepted: told.accepted } : {}),
  })
  if (op !== asked.op) return (await owner.bus.known(pool, asked.key, { noWait: false }))?.op ?? op
  await finishClosing(owner, pool, options.stopContainers, told.progress)
  return op
}

/**
 * Goes on with the export that the pool is in the middle of. A log that cannot be read now is waited for: nobody else
 * would go on with it.
 * @throws as `closePool`
 */
export async function resumeClosing(owner: Stopper, pool: Pool): Promise<void> {
  const { clock } = pool.ports
  const newest = { types: ['PoolExportRequested'], reverse: true, limit: 1 } as const
  const [request] = await patiently(clock, Number.POSITIVE_INFINITY, () => ask(pool.log, newest), pool)
  const { stopContainers = true } = (request?.data ?? {}) as Partial<EventData<'PoolExportRequested'>>
  await finishClosing(owner, pool, stopContainers)
}

async function finishClosing(
  owner: Stopper,
  pool: Pool,
  stopContainers: boolean,
  progress: Progress = () => {},
): Promise<void> {
  const op = pool.journal.deciding.pool().context.op?.id
  const isOff = (): boolean => calledOff(pool.states.pool()) !== null
  const all: Stopped = stopContainers
    ? await stopAll(owner, pool, isOff, progress)
    : { stopped: [], left: [] }
  if (all.left.length === 0 && !isOff()) await pool.engine.idle()
  let error: string | null = null
  // A pool that cannot say goodbye is closed all the same: to its next import it looks as if the daemon had died.
  await patiently(pool.ports.clock, GOODBYES, () =>
    pool.journal.submit((view) => {
      error = whyOpen(calledOff(view.pool()), all)
      const end: Fact = { type: 'OperationFinished', result: error ? 'failed' : 'done', error }
      const last: Fact = error
        ? { type: 'PoolExportFailed', left: all.left.map(({ id, why }) => ({ ct: id, why })) }
        : { type: 'PoolClosed' }
      const drafts: Draft[] = [
        { stream: 'pool', fact: end, ...(op === undefined ? {} : { op }) },
        { stream: 'pool', fact: last },
      ]
      return { drafts, extra: null }
    }),
  ).catch((cause) => {
    if (error !== null || !isPassing(cause)) throw cause
    pool.ports.logger.warn(
      { pool: pool.name, error: String(cause) },
      'the pool is closed without its last event',
    )
  })
  if (error !== null) throw new CallError('failed', 'E_EXPORT', error)
  await pool
    .finish()
    .catch((cause) =>
      pool.ports.logger.warn({ pool: pool.name, error: String(cause) }, 'the head could not be anchored'),
    )
}

const calledOff = (pool: PoolState): string | null => pool.context.op?.cancelled ?? null

/** Why the pool stays open; null when nothing keeps it. @pure */
function whyOpen(off: string | null, { stopped, left }: Stopped): string | null {
  const parts = [
    ...(off === null ? [] : [off]),
    ...(off !== null && stopped.length > 0 ? [`stopped before: ${stopped.join(', ')}`] : []),
    ...(left.length > 0 ? [`did not stop: ${left.map(inWords).join(', ')}`] : []),
  ]
  return parts.length === 0 ? null : parts.join('; ')
}

const inWords = ({ ctid, why }: NotStopped): string => `${ctid} (${why})`
