/** Trying again what a passing condition has stopped. */
import { HostError } from '../effects/host.ts'
import { LogError } from '../events/log/store.ts'
import { Unavailable } from './errors.ts'
import type { Clock } from './ports.ts'

const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 5000

/** A transient failure of the host, or a log that takes no changes now. @pure */
export const isPassing = (error: unknown): boolean =>
  error instanceof HostError
    ? error.failure === 'transient'
    : error instanceof LogError || error instanceof Unavailable

/**
 * Does `work`, again after 100 ms, doubling up to 5 s, while what stops it is passing.
 * @throws what the last attempt threw; the signal's reason when aborted in between
 */
export async function patiently<T>(
  clock: Clock,
  attempts: number,
  work: () => Promise<T>,
  { signal, passes = isPassing }: { signal?: AbortSignal; passes?: (error: unknown) => boolean } = {},
): Promise<T> {
  let pause = FIRST_PAUSE_MS
  for (let attempt = 1; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      if (attempt >= attempts || !passes(error)) throw error
    }
    await clock.sleep(pause, signal)
    pause = Math.min(pause * 2, LONGEST_PAUSE_MS)
  }
}
