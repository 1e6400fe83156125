/**
 * Closing a pool: its containers stop, in reverse order of their autostart and within a bounded time each,
 * and `PoolClosed` is the last event. A container that does not stop keeps the pool open, and is named.
 */
import type { Fact } from '../events/types/events.ts'
import type { Draft } from '../machines/advance.ts'
import type { CtState } from '../machines/container/machine.ts'
import { decideCt } from '../machines/decide/container.ts'
import type { Asked } from '../machines/decide/decision.ts'
import { decidePool } from '../machines/decide/pool.ts'
import { ctidOf } from '../machines/fold.ts'

import type { Bus } from './bus.ts'
import { CallError } from './errors.ts'
import { inParallel } from './parallel.ts'
import { isPassing, patiently } from './patience.ts'
import type { Pool } from './pool.ts'
import { shouldRun } from './reality.ts'

const STOP_TIMEOUT_S = 300
const GOODBYES = 8

type Owner = {
  readonly bus: Bus
  asked(actor: 'shutdown', command: string, args: Record<string, unknown>): Asked
}
export type ExportOptions = { readonly force: boolean; readonly stopContainers: boolean }

/**
 * @returns the operation; another than asked for when this command was given before: the pool is then as it was
 * @throws CallError refused (running containers without force), failed (a container did not stop)
 */
export async function closePool(
  owner: Owner,
  pool: Pool,
  options: ExportOptions,
  asked: Asked,
  accepted: (op: string) => void,
): Promise<string | null> {
  const command = { type: 'pool.export', ...options } as const
  const { op } = await owner.bus.run(pool, asked, (view) => decidePool(view, command, asked), {
    noWait: true,
    accepted,
  })
  if (op !== asked.op) return (await owner.bus.known(pool, asked.key, { noWait: false }))?.op ?? op
  const failed = options.stopContainers ? await stopAll(owner, pool) : []
  const error = failed.length > 0 ? `did not stop: ${failed.join(', ')}` : null
  await pool.engine.idle()
  const end: Fact = { type: 'OperationFinished', result: error ? 'failed' : 'done', error }
  const drafts: Draft[] = [
    { stream: 'pool', fact: end, ...(op === null ? {} : { op }) },
    { stream: 'pool', fact: error === null ? { type: 'PoolClosed' } : stillOpen(pool) },
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
  return op
}

const stillOpen = (pool: Pool): Fact => {
  const containers = pool.containers().length
  return { type: 'PoolReady', containers, adopted: 0, lost: 0, exited: 0, settled: 0, inDoubt: 0 }
}

/** What runs, in the order in which it stops: what starts first stops last. @pure */
export function toStop(cts: Iterable<CtState>): CtState[] {
  const rank = (ct: CtState): number => ct.context.settings.autostart?.priority ?? Number.MAX_SAFE_INTEGER
  return [...cts].filter(shouldRun).sort((a, b) => rank(b) - rank(a))
}

export const stopCommand = (ctid: string) =>
  ({ type: 'ct.stop', ctid, mode: 'stop', timeoutSeconds: STOP_TIMEOUT_S }) as const

/** Stops what runs. Returns the containers that did not stop. */
async function stopAll(owner: Owner, pool: Pool): Promise<string[]> {
  const failed: string[] = []
  const running = toStop(pool.containers())
  const width = pool.journal.states.pool().context.config.parallelStop
  await inParallel(running, width, async (ct) => {
    const ctid = ctidOf(ct)
    const asked = owner.asked('shutdown', 'ct stop', { id: ctid })
    const command = stopCommand(ctid)
    await owner.bus
      .run(pool, asked, (view) => decideCt(view, command, asked), { noWait: false })
      .catch(() => failed.push(ctid))
  })
  return failed
}
