/**
 * Stopping all containers of a pool, in bounded time.
 *
 * What starts first stops last, `parallel-stop` at a time. Each is asked to shut down, and killed after five minutes; all
 * of it takes nine minutes at most: what runs then is killed at once, whatever it was doing. What cannot be killed
 * either is named with its reason, and nothing waits for it for ever: a host that is to go down goes down (its stage 3
 * allows ten minutes).
 *
 * An operation that a container is in the middle of, a start perhaps, is let come to its end first.
 *
 * **On a crash** of the daemon the next one finds the export under way, by the pool's state, and goes on with whatever
 * runs then: each stop is a command of its own, with an outcome in the log.
 */
import type { Ulid } from '../events/types/ids.ts'
import type { CtState } from '../machines/container/machine.ts'
import { inStartOrder } from '../machines/decide/autostart.ts'
import { decideCt } from '../machines/decide/container.ts'
import type { Asked } from '../machines/decide/decision.ts'
import { ctIdOf, ctidOf, streamOfCt } from '../machines/fold.ts'
import { mayRun } from '../machines/life.ts'
import type { Bus } from './bus.ts'
import { inParallel } from './parallel.ts'
import type { Pool } from './pool.ts'

const STOP_TIMEOUT_S = 300
const OVERALL_MS = 540_000
/** For a kill, and for what it supersedes to be fenced. */
const KILL_MS = 30_000

export type Stopper = {
  readonly bus: Bus
  asked(actor: 'shutdown', command: string, args: Record<string, unknown>): Asked
}
/** Told what happens, a line each. */
export type Progress = (text: string) => void
export type NotStopped = { readonly id: Ulid; readonly ctid: string; readonly why: string }
export type Stopped = { readonly stopped: readonly string[]; readonly left: readonly NotStopped[] }

/** Those without autostart first, then the reverse of the order in which they start. @pure */
export function toStop(cts: Iterable<CtState>): CtState[] {
  const hasAutostart = (ct: CtState): number => (ct.context.settings.autostart === null ? 0 : 1)
  return [...cts].filter(mayRun).sort((a, b) => hasAutostart(a) - hasAutostart(b) || inStartOrder(b, a))
}

export const stopCommand = (ctid: string, mode: 'stop' | 'kill' = 'stop') =>
  ({ type: 'ct.stop', ctid, mode, timeoutSeconds: mode === 'kill' ? 0 : STOP_TIMEOUT_S }) as const

/**
 * Stops what runs or may run, as long as it is not called off: whatever is stopping then is waited for, and the rest
 * is left alone.
 */
export async function stopAll(
  owner: Stopper,
  pool: Pool,
  isOff: () => boolean,
  progress: Progress,
): Promise<Stopped> {
  const running = toStop(pool.containers())
  if (running.length === 0 || isOff()) return { stopped: [], left: [] }
  progress(`stopping ${running.length} ${running.length === 1 ? 'container' : 'containers'}`)
  const overdue = new AbortController()
  const ended = new AbortController()
  const end = AbortSignal.any([ended.signal, pool.signal])
  void pool.ports.clock.sleep(OVERALL_MS, end).then(
    () => overdue.abort(),
    () => {},
  )
  const left: NotStopped[] = []
  const stopped: string[] = []
  let done = 0
  await inParallel(running, pool.states.pool().context.config.parallelStop, async (ct) => {
    if (isOff()) return
    const [id, ctid] = [ctIdOf(ct), ctidOf(ct)]
    const why = await stopOne(owner, pool, id, overdue.signal)
    done++
    if (why === null) stopped.push(ctid)
    else left.push({ id, ctid, why })
    progress(`[${done}/${running.length}] ${ctid} ${why === null ? 'stopped' : `did not stop: ${why}`}`)
  })
  ended.abort()
  return { stopped, left }
}

/** @returns why it did not stop; null when it did */
async function stopOne(owner: Stopper, pool: Pool, id: Ulid, overdue: AbortSignal): Promise<string | null> {
  await quiet(pool, id, overdue)
  if (!mayRun(pool.states.ct(id))) return null
  const stopping = (): Promise<string | null> =>
    within(pool, STOP_TIMEOUT_S * 1000 + KILL_MS, attempt(owner, pool, id, 'stop'))
  const stopped = overdue.aborted ? OVERDUE : await unless(overdue, stopping())
  if (stopped === null || pool.signal.aborted) return stopped
  const killed = await within(pool, KILL_MS, attempt(owner, pool, id, 'kill'))
  return killed === LATE ? `it does not die, ${KILL_MS / 1000} s after it was killed` : killed
}

const LATE = 'it does not answer'

/** What `work` gives, or that it takes too long. */
async function within(pool: Pool, ms: number, work: Promise<string | null>): Promise<string | null> {
  const over = new AbortController()
  const late = pool.ports.clock.sleep(ms, AbortSignal.any([over.signal, pool.signal])).then(
    () => LATE,
    () => LATE,
  )
  try {
    return await Promise.race([work, late])
  } finally {
    over.abort()
  }
}

const OVERDUE = 'there was no time left'

/** Lets an operation that is under way come to its end, one that waits for an admin not. */
async function quiet(pool: Pool, id: Ulid, overdue: AbortSignal): Promise<void> {
  const ct = pool.states.ct(id)
  const { op } = ct.context
  if (op && op.pending?.inDoubt == null) await unless(overdue, pool.ended(op.id, streamOfCt(ct)))
}

async function attempt(owner: Stopper, pool: Pool, id: Ulid, mode: 'stop' | 'kill'): Promise<string | null> {
  const ctid = ctidOf(pool.states.ct(id))
  const asked = owner.asked('shutdown', 'ct stop', { id: ctid, ...(mode === 'kill' ? { mode } : {}) })
  const command = stopCommand(ctid, mode)
  try {
    await owner.bus.run(pool, asked, (view) => decideCt(view, command, asked), { noWait: false })
    return null
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** What `work` gives, or that there is no time left for it. */
function unless<T>(overdue: AbortSignal, work: Promise<T>): Promise<T | string> {
  if (overdue.aborted) return Promise.resolve(OVERDUE)
  return new Promise((resolve, reject) => {
    const onAbort = (): void => resolve(OVERDUE)
    overdue.addEventListener('abort', onAbort, { once: true })
    work.then(resolve, reject).finally(() => overdue.removeEventListener('abort', onAbort))
  })
}
