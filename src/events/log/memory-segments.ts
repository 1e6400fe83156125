/** The row of segments of a disk in memory: what was pruned, what takes the place of a damaged one. */
import type { Format, Formats } from '../types/formats.ts'
import type { SegmentHead } from '../types/log-events.ts'
import {
  Draft,
  type Known,
  type PreviousSegment,
  prunedBy,
  type Stamp,
  segmentOpened,
  sinceOf,
  type Tip,
  writable,
} from './draft.ts'
import { type MemoryDisk, MemorySegment } from './memory-disk.ts'
import {
  type AppendBatch,
  LogError,
  type LogRecovery,
  type LogUpgrade,
  type OpenedLog,
  type SegmentInfo,
} from './store.ts'

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

/** What the open segment says of its format. */
export function formatNow(disk: MemoryDisk): OpenedLog['format'] {
  const open = disk.open()
  const first = open?.rows[0]
  return { number: open?.format ?? 1, since: first ? sinceOf(first.event) : null }
}

type Now = { readonly tip: Tip; readonly known: Known; readonly stamp: () => Stamp }

/** The segment that follows the open one. */
export function nextSegment(
  disk: MemoryDisk,
  { tip, known, stamp }: Now,
  { events, expected }: AppendBatch,
  upgrade: LogUpgrade | undefined,
  formats: Formats,
): { draft: Draft; next: MemorySegment } {
  const open = disk.open()
  if (!open) throw new LogError('E_LOG_DAMAGED', 'the event log has no open segment')
  const format = writable(formats, upgrade?.to ?? open.format)
  const head = tip.hash.toString('hex')
  const previous = { segment: open.number, first: open.first, last: tip.seq, head }
  const begin = { segment: open.number + 1, previous, pruned: prunedOf(disk), format }
  const draft = new Draft(tip, known)
  const all = [segmentOpened(stamp(), begin), ...events, ...(upgrade?.events ?? [])]
  const first = draft.add({ events: all, expected })
  return { draft, next: new MemorySegment(open.number + 1, first, tip.hash, draft.rows, format.number) }
}

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
  { tip, known, stamp, format }: Now & { readonly format: Format },
  { events, baselines }: LogRecovery,
): MemorySegment {
  const draft = new Draft(tip, known)
  const kept = damaged.rows.filter(({ event }) => event.seq <= tip.seq)
  const begin = { segment: damaged.number, previous: previousOf(disk, tip), pruned: prunedOf(disk), format }
  const opening = segmentOpened(stamp(), begin)
  draft.add({ events: kept.length > 0 ? events : [opening, ...baselines, ...events], expected: {} })
  const rows = [...kept, ...draft.rows]
  return new MemorySegment(damaged.number, damaged.first, damaged.previous, rows, format.number)
}
