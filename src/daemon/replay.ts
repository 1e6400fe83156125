/** Folding a log that is read: from a checkpoint of its states on, or from its baselines. */
import type { Checkpoint } from '../audit/past.ts'
import type { LogStore, ReadSlice } from '../events/log/store.ts'
import type { Baseline } from '../machines/baseline.ts'
import { Fold } from '../machines/fold.ts'

const SLICE = 2000

/** Applies the events of these positions. */
export async function replay(store: LogStore, fold: Fold, from: number, to: number): Promise<void> {
  let next: number | null = from
  while (next !== null && next <= to) {
    const slice: ReadSlice = await store.read({ from: next, to, limit: SLICE })
    for (const event of slice.events) fold.apply(event)
    next = slice.next
  }
}

/** A fold that stands at the checkpoint; null when its states cannot be used. */
export function seated({ seq, states }: Checkpoint): Fold | null {
  const fold = new Fold()
  try {
    for (const { stream, ver, state } of states) {
      fold.seat(stream, JSON.parse(state) as Baseline)
      fold.versions.set(stream, ver)
    }
    fold.seq = seq
    return fold
  } catch {
    return null
  }
}
