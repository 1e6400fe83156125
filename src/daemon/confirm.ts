/**
 * Confirming a start from a snapshot (DESIGN D9): the segment is folded from its baselines up to the
 * snapshot's position, aside and in slices, and each stream's state compared.
 */
import type { LogStore } from '../events/log/store.ts'
import type { StreamId } from '../events/types/ids.ts'
import type { Baseline } from '../machines/baseline.ts'
import { type AnyState, Fold } from '../machines/fold.ts'
import type { Journal } from './journal.ts'

/**
 * @param pause  called between slices, so that commands are served meanwhile
 * @returns streams whose state differs; empty when all is as it should be
 */
export async function confirmSnapshot(
  journal: Journal,
  hash: (state: AnyState) => string,
  pause: () => Promise<void>,
): Promise<StreamId[]> {
  const taken = journal.takeSnapshot()
  if (!taken) return []
  const { snapshot, replayFrom } = taken
  const to = snapshot.seq
  const aside = new Fold()
  let next: number | null = replayFrom
  while (next !== null && next <= to) {
    const slice: Awaited<ReturnType<LogStore['read']>> = await journal.read({ from: next, to, limit: 500 })
    for (const event of slice.events) aside.apply(event)
    next = slice.next
    await pause()
  }
  const seated = new Fold()
  for (const { stream, state } of snapshot.states) seated.seat(stream, JSON.parse(state) as Baseline)
  return snapshot.states
    .filter(({ stream }) => {
      const [one, other] = [aside.states.of(stream), seated.states.of(stream)]
      return one !== null && other !== null && hash(one) !== hash(other)
    })
    .map(({ stream }) => stream)
}
