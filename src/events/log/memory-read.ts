/** Reading and checking a disk in memory. */
import type { Head, StoredEvent } from '../types/envelope.ts'
import { answers } from '../types/query.ts'
import { headOf, linkHash, NO_HASH, parseBody } from './chain.ts'
import type { MemoryDisk } from './memory-disk.ts'
import type { Damage, EventQuery, ReadSlice, VerifyReport } from './store.ts'

/** A slice looks at this many rows at most, so that callers meet `next` in the simulator too. */
const SLICE_ROWS = 256

export function selectRows(disk: MemoryDisk, query: EventQuery, head: number): ReadSlice {
  const first = disk.segments[0]?.first ?? 1
  const from = Math.max(first, query.from ?? 1)
  const to = Math.min(head, query.to ?? head)
  const step = query.reverse ? -1 : 1
  const events: StoredEvent[] = []
  let seq = query.reverse ? to : from
  for (let seen = 0; from <= seq && seq <= to; seq += step, seen++) {
    if (events.length === query.limit || seen === SLICE_ROWS) return { events, next: seq }
    const row = disk.at(seq)
    if (row && answers(row.event, query)) events.push(parseBody(row.body))
  }
  return { events, next: null }
}

export function verifyDisk(disk: MemoryDisk, options: { full: boolean; against?: Head }): VerifyReport {
  const damage: Damage[] = []
  const segments = options.full ? disk.segments : disk.segments.slice(-1)
  let checked = 0
  let seq = (segments[0]?.first ?? 1) - 1
  let hash = segments[0]?.previous ?? NO_HASH
  for (const segment of segments) {
    for (const row of segment.rows) {
      if (row.event.seq !== seq + 1 || !linkHash(hash, row.body).equals(row.hash)) {
        const what = 'the hash does not fit the event and the one before'
        damage.push({ seq: row.event.seq, segment: segment.number, what })
      }
      seq = row.event.seq
      hash = row.hash
      checked += 1
    }
  }
  const number = disk.open()?.number ?? 0
  const fault = options.against ? faultAgainst(disk, options.against, seq) : null
  if (fault !== null) damage.push({ seq: options.against?.seq ?? null, segment: number, what: fault })
  return { head: headOf(seq, hash), checked, segments: segments.length, damage }
}

function faultAgainst(disk: MemoryDisk, against: Head, last: number): string | null {
  if (against.seq > last) {
    return `the log ends at ${last}, but it once ended at ${against.seq}: the tail is missing`
  }
  if (against.seq === 0 || disk.at(against.seq)?.hash.toString('hex') === against.hash) return null
  return `event ${against.seq} is not the one that once stood there`
}
