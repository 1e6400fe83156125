/** Bounding what has no time limit of its own, on the daemon's clock. */
import { HostError } from '../effects/host.ts'
import type { Clock } from './ports.ts'

/**
 * Runs `work`, and aborts its signal after `ms`.
 * @throws what `work` throws; HostError E_TIMEOUT (transient) when the time is over
 */
export async function withDeadline<T>(
  clock: Clock,
  ms: number,
  what: string,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const [late, over] = [new AbortController(), new AbortController()]
  const timeout = new HostError('E_TIMEOUT', 'transient', `${what}: no answer within ${ms / 1000} s`)
  const timer = clock.sleep(ms, over.signal).then(
    () => {
      late.abort(timeout)
      throw timeout
    },
    () => new Promise<never>(() => {}),
  )
  try {
    return await Promise.race([work(late.signal), timer])
  } finally {
    over.abort()
  }
}
