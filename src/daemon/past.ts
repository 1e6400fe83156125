/**
 * The daemon's pools as they were. Folding runs in the daemon's own loop, in pieces: after some milliseconds
 * (pace.ts) the rest waits until everything else had its turn, so that `ping` is answered throughout. Nothing that is
 * folded there reaches the live machines, the engine or the log.
 *
 * A crash costs the answer.
 */
import type { PastSource } from '../audit/past.ts'
import type { Holder } from '../audit/serve/holder.ts'
import { Moments } from '../audit/serve/moments.ts'
import { paceOf } from './pace.ts'
import type { Pool } from './pool.ts'
import type { Clock } from './ports.ts'

export type Past = Moments<Pool>

export const pastOf = (holder: Holder<Pool>, clock: Clock): Past =>
  new Moments(holder, sourceOf, () => paceOf(clock))

function sourceOf({ log, checkpoints }: Pool): PastSource {
  if (!checkpoints) return { log, checkpoint: () => Promise.resolve(null) }
  return {
    log,
    checkpoint: (upTo) => checkpoints.load(upTo),
    keep: (kept) => checkpoints.keep(kept),
  }
}
