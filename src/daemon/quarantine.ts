/**
 * Streams that could not be folded (DESIGN D16): the container runs on, is shown in its last good state, and takes no
 * commands. Every start folds all streams anew, so a daemon that can read what its predecessor could not releases
 * them by itself; an admin can ask for it in between.
 *
 * While a stream is quarantined its segment is not sealed: the next one would open with the state before the event
 * that is not understood, as if it had never happened.
 */
import type { StreamId } from '../events/types/ids.ts'
import { ctOfStream } from '../events/types/ids.ts'
import type { Refusal } from '../machines/decide/decision.ts'
import { Fold } from '../machines/fold.ts'
import type { QuarantineRow } from '../rpc/proof.ts'
import type { Pool } from './pool.ts'

const SLICE = 1000

export const quarantineRows = (pool: Pool): QuarantineRow[] =>
  [...pool.quarantined.values()].map(({ stream, seq, why }) => {
    const id = ctOfStream(stream)
    const target = id === undefined ? null : pool.ctid(id)
    return { pool: pool.name, stream, target, position: `${pool.name}:${seq}`, why }
  })

/** Why a command on this stream is refused; null when the stream is well. @pure */
export function quarantineRefusal(
  pool: Pick<Pool, 'name' | 'quarantined'>,
  stream: StreamId,
): Refusal | null {
  const found = pool.quarantined.get(stream)
  if (!found) return null
  const message = `it is quarantined at ${pool.name}:${found.seq}: ${found.why} (osctl event quarantine ls)`
  return { code: 'E_QUARANTINED', kind: 'refused', message }
}

/**
 * Folds one quarantined stream again, aside, and takes its container up when that succeeds.
 * @returns why it still cannot be folded; null when it was released
 */
export async function retryQuarantined(pool: Pool, stream: StreamId): Promise<string | null> {
  const { journal } = pool
  const aside = new Fold()
  const to = journal.head().seq
  let next: number | null = journal.replayFrom
  while (next !== null && next <= to) {
    const slice: Awaited<ReturnType<typeof journal.read>> = await journal.read({
      from: next,
      to,
      stream,
      limit: SLICE,
    })
    for (const event of slice.events) aside.apply(event)
    next = slice.next
  }
  const failed = aside.quarantined.get(stream)
  if (failed) return `${failed.why} (${pool.name}:${failed.seq})`
  const state = aside.states.of(stream)
  if (state === null) return 'no machine for this stream'
  journal.release(stream, state)
  await pool.takeUp(stream)
  return null
}
