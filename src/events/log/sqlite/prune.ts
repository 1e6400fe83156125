/**
 * Pruning: the files of old sealed segments go, the chain stays known.
 *
 * That they were pruned is said by an event, SegmentsPruned, and again by the first event of each later segment, so
 * it is found in the open segment whatever its age. The event is committed before the first file goes: a crash in
 * between leaves files that mean nothing any more, and that the next opening removes.
 */
import { statSync } from 'node:fs'
import type { StoredEvent } from '../../types/envelope.ts'
import type { EventData } from '../../types/events.ts'
import type { SegmentHead } from '../../types/log-events.ts'
import { parseBody } from '../chain.ts'
import { prunedBy } from '../draft.ts'
import type { SegmentInfo } from '../store.ts'
import { type Catalog, isPlaced, type Placed } from './catalog.ts'
import type { LogDirectory } from './directory.ts'
import type { Segment } from './segment.ts'

/** The newest segment that this one says is pruned. A few events are looked at, whatever the segment's size. */
export function prunedIn(segment: Segment, last: number): SegmentHead | null {
  const rows = segment
    .prepared(
      `SELECT seq, type FROM events INDEXED BY events_stream_ver WHERE stream = 'log' AND seq <= ? ORDER BY ver DESC`,
    )
    .raw()
    .iterate(last) as IterableIterator<[number, string]>
  for (const [seq, type] of rows) {
    if (type !== 'SegmentsPruned' && type !== 'SegmentOpened') continue
    return prunedBy(eventAt(segment, seq) ?? { type: 'SegmentOpened', data: {} }) ?? null
  }
  return null
}

const eventAt = (segment: Segment, seq: number): StoredEvent | null => {
  const row = segment.at(seq)
  return row ? parseBody(row.body) : null
}

/** Removes what is left of pruned segments. @returns their numbers */
export function removePruned(directory: LogDirectory, catalog: Catalog): number[] {
  const { segment: upTo = 0 } = catalog.pruned ?? {}
  const numbers = directory.sealedNumbers().filter((number) => number <= upTo)
  if (numbers.length === 0) return []
  catalog.forget()
  for (const number of numbers) directory.removeSealed(number)
  directory.sync()
  return numbers
}

/** Sealed segments, oldest first; of one that cannot be read, what the one after it says. */
export function segmentInfos(directory: LogDirectory, catalog: Catalog, open: Segment | null): SegmentInfo[] {
  const infos: SegmentInfo[] = []
  let next: { segment: Segment } | null = open && { segment: open }
  for (const number of catalog.numbers().toReversed()) {
    const found = catalog.sealed(number)
    const info = isPlaced(found)
      ? infoOf(directory, found)
      : infoBefore(directory, next?.segment ?? null, number)
    if (info) infos.unshift(info)
    next = isPlaced(found) ? found : null
  }
  return infos
}

function infoOf(directory: LogDirectory, { segment, last }: Placed): SegmentInfo | null {
  const end = segment.at(last)
  const begin = eventAt(segment, segment.first)
  if (!end || !begin) return null
  return {
    segment: segment.number,
    first: segment.first,
    last,
    head: end.hash.toString('hex'),
    begun: begin.t,
    ended: parseBody(end.body).t,
    bytes: statSync(directory.sealed(segment.number)).size,
  }
}

function infoBefore(directory: LogDirectory, after: Segment | null, number: number): SegmentInfo | null {
  const opening = after && eventAt(after, after.first)
  const previous = opening ? (opening.data as EventData<'SegmentOpened'>).previous : null
  if (!opening || previous?.segment !== number) return null
  return { ...previous, begun: opening.t, ended: opening.t, bytes: statSync(directory.sealed(number)).size }
}
