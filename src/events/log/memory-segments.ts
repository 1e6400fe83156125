/** The row of segments of a disk in memory: what was pruned, what takes the place of a damaged one. */
import type { SegmentHead } from '../types/log-events.ts'
import {
  Draft,
  type Known,
  type PreviousSegment,
  prunedBy,
  type Stamp,
  segmentOpened,
  type Tip,
} from './draft.ts'
import { type MemoryDisk, MemorySegment } from './memory-disk.ts'
import type { LogRecovery, SegmentInfo } from './store.ts'

/** The newest segment that the open one says is pruned. */
export function prunedOf(disk: MemoryDisk): SegmentHead | null {
  for (const { event } of disk.open()?.rows.toReversed() ?? []) {
    const pruned = event.stream === 'log' ? prunedBy(event) : undefined
    if (pruned !== undefined) return pruned
  }
  return null
}

export const segmentsOf = (disk: MemoryDisk): SegmentInfo[] =>
  disk.segments.slice(0, -1).flatMap(({ number, first, rows }) => {
    const [oldest, newest] = [rows[0], rows.at(-1)]
    if (!oldest || !newest) return []
    const bytes = rows.reduce((sum, { body }) => sum + body.length, 0)
    const head = newest.hash.toString('hex')
    return [
      {
        segment: number,
        first,
        last: newest.event.seq,
        head,
        begun: oldest.event.t,
        ended: newest.event.t,
        bytes,
      },
    ]
  })

/** What a segment that takes the place of the open one follows. */
function previousOf(disk: MemoryDisk, { seq, hash }: Tip): PreviousSegment | null {
  const before = disk.segments.at(-2)
  return before
    ? { segment: before.number, first: before.first, last: seq, head: hash.toString('hex') }
    : null
}

/** The open segment without what cannot be trusted of it, and with what a recovery says. */
export function mended(
  disk: MemoryDisk,
  damaged: MemorySegment,
  { tip, known, stamp }: { tip: Tip; known: Known; stamp: () => Stamp },
  { events, baselines }: LogRecovery,
): MemorySegment {
  const draft = new Draft(tip, known)
  const kept = damaged.rows.filter(({ event }) => event.seq <= tip.seq)
  const opening = segmentOpened(stamp(), damaged.number, previousOf(disk, tip), prunedOf(disk))
  draft.add({ events: kept.length > 0 ? events : [opening, ...baselines, ...events], expected: {} })
  return new MemorySegment(damaged.number, damaged.first, damaged.previous, [...kept, ...draft.rows])
}
