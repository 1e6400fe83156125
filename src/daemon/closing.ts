/**
 * Closing a pool: its containers stop, in reverse order of their autostart and in bounded time (stopping.ts), and
 * `PoolClosed` is the last event. A container that does not stop keeps the pool open, and is named with the reason, in
 * the answer and in the log.
 *
 * An export whose daemon dies is gone on with by the next one: it was accepted. When the host dies it is void, since
 * nothing runs any more, and the pool is imported as after any boot.
 */
import { ask } from '../audit/ask.ts'
import type { EventData, Fact } from '../events/types/events.ts'
import type { Draft } from '../machines/advance.ts'
import type { Asked } from '../machines/decide/decision.ts'
import { decidePool } from '../machines/decide/pool.ts'
import { CallError } from './errors.ts'
import { isPassing, patiently } from './patience.ts'
import type { Pool } from './pool.ts'
import { type NotStopped, type Progress, type Stopper, stopAll } from './stopping.ts'

const GOODBYES = 8

export type ExportOptions = { readonly force: boolean; readonly stopContainers: boolean }

/** What the caller of a long command is told meanwhile. */
export type Told = { readonly accepted?: (op: string) => void; readonly progress?: Progress }

/**
 * @returns the operation; another than asked for when this command was given before: the pool is then as it was
 * @throws CallError refused (running containers without force), failed (a container did not stop)
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

/** Goes on with the export that the pool is in the middle of. @throws as `closePool` */
export async function resumeClosing(owner: Stopper, pool: Pool): Promise<void> {
  const [request] = await ask(pool.log, { types: ['PoolExportRequested'], reverse: true, limit: 1 })
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
  const left = stopContainers ? await stopAll(owner, pool, progress) : []
  if (left.length === 0) await pool.engine.idle()
  const error = left.length > 0 ? `did not stop: ${left.map(inWords).join(', ')}` : null
  const end: Fact = { type: 'OperationFinished', result: error ? 'failed' : 'done', error }
  const last: Fact =
    left.length > 0
      ? { type: 'PoolExportFailed', left: left.map(({ id, why }) => ({ ct: id, why })) }
      : { type: 'PoolClosed' }
  const drafts: Draft[] = [
    { stream: 'pool', fact: end, ...(op === undefined ? {} : { op }) },
    { stream: 'pool', fact: last },
  ]
  // A pool that cannot say goodbye is closed all the same: to its next import it looks as if the daemon had died.
  await patiently(pool.ports.clock, GOODBYES, () =>
    pool.journal.submit(() => ({ drafts, extra: null })),
  ).catch((cause) => {
    if (error !== null || !isPassing(cause)) throw cause
    pool.ports.logger.warn(
      { pool: pool.name, error: String(cause) },
      'the pool is closed without its last event',
    )
  })
  if (error) throw new CallError('failed', 'E_EXPORT', error)
  await pool
    .finish()
    .catch((cause) =>
      pool.ports.logger.warn({ pool: pool.name, error: String(cause) }, 'the head could not be anchored'),
    )
}

const inWords = ({ ctid, why }: NotStopped): string => `${ctid} (${why})`
