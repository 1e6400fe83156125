/** The real clocks: wall clock, CLOCK_MONOTONIC as µs since boot, and its timers. */
import type { Clock } from '../ports.ts'

export const realClock: Clock = {
  wall: () => Date.now(),
  mono: () => Number(process.hrtime.bigint() / 1000n),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const abort = (): void => {
        clearTimeout(timer)
        reject(signal?.reason)
      }
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', abort)
        resolve()
      }, ms)
      signal?.addEventListener('abort', abort, { once: true })
    }),
}
