/** Long work in the daemon's own loop gives way, so that `ping` is answered throughout. */
import type { Pace } from '../audit/past.ts'
import type { Clock } from './ports.ts'

/** Half of what whoever pings may notice. */
const SLICE_US = 5000

/** A pace for one piece of work: it waits for its turn again whenever it has run for a slice. */
export function paceOf(clock: Clock): Pace {
  let began = clock.mono()
  return () => {
    if (clock.mono() - began < SLICE_US) return undefined
    return clock.sleep(0).then(() => {
      began = clock.mono()
    })
  }
}
