/** The row of segments of one pool: what there is, what may go, and what is gone. */
import { ask } from '../audit/ask.ts'
import type { SegmentInfo } from '../events/log/store.ts'
import type { EventData } from '../events/types/events.ts'
import type { SegmentHead } from '../events/types/log-events.ts'
import type { Asked } from '../machines/decide/decision.ts'
import { decidePrune, type Prunable, prunable } from '../machines/decide/log.ts'
import type { SegmentRow } from '../rpc/proof.ts'
import type { Accepted } from '../rpc/results.ts'
import type { Bus, Waiting } from './bus.ts'
import type { Pool } from './pool.ts'

/** All that were ever pruned, oldest first. */
export async function prunedSegments(pool: Pool): Promise<readonly SegmentHead[]> {
  const [newest] = await ask(pool.journal.store, { types: ['SegmentsPruned'], reverse: true, limit: 1 })
  return newest ? (newest.data as EventData<'SegmentsPruned'>).segments : []
}

export async function segmentRows(pool: Pool): Promise<SegmentRow[]> {
  const { store } = pool.journal
  const [sealed, pruned] = await Promise.all([store.segments(), prunedSegments(pool)])
  const first = store.head().seq - store.segmentEvents() + 1
  return [
    ...pruned.map(
      ({ segment, first: from, last, head }): SegmentRow => ({
        ...blank(pool.name, segment, 'pruned'),
        first: from,
        last,
        events: last - from + 1,
        head,
      }),
    ),
    ...sealed.map((info) => rowOf(pool.name, info)),
    {
      ...blank(pool.name, Math.max(0, ...[...sealed, ...pruned].map(({ segment }) => segment)) + 1, 'open'),
      first,
      last: store.head().seq,
      events: store.segmentEvents(),
      head: store.head().hash,
    },
  ]
}

/** What would go, oldest first. */
export async function wouldPrune(pool: Pool, wanted: Prunable): Promise<SegmentRow[]> {
  const sealed = await pool.journal.store.segments()
  return prunable(sealed, wanted, pool.ports.clock.wall()).map((info) => rowOf(pool.name, info))
}

/** Decides, and removes the files of what the log then says is pruned. @throws as Bus.run */
export async function prune(
  bus: Bus,
  pool: Pool,
  upTo: number,
  asked: Asked,
  waiting: Waiting,
): Promise<Accepted> {
  const [sealed, pruned] = await Promise.all([pool.journal.store.segments(), prunedSegments(pool)])
  const now = pool.ports.clock.wall()
  const answer = await bus.run(pool, asked, () => decidePrune(asked, upTo, sealed, pruned, now), waiting)
  if (!waiting.dryRun) await pool.journal.store.prune()
  return answer
}

const blank = (pool: string, segment: number, state: SegmentRow['state']) => ({
  pool,
  segment,
  state,
  begun: null,
  ended: null,
  bytes: null,
})

function rowOf(pool: string, { segment, first, last, head, begun, ended, bytes }: SegmentInfo): SegmentRow {
  return {
    ...blank(pool, segment, 'sealed'),
    first,
    last,
    events: last - first + 1,
    head,
    begun,
    ended,
    bytes,
  }
}
