/** Reading and checking a disk in memory. */
import type { Head, StoredEvent } from '../types/envelope.ts'
import { answers } from '../types/query.ts'
import { headOf, linkHash, NO_HASH, parseBody } from './chain.ts'
import type { Known, Row, Tip } from './draft.ts'
import type { MemoryDisk, MemorySegment } from './memory-disk.ts'
import { prunedOf } from './memory-segments.ts'
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
  const isThere = options.against && options.against.seq > (prunedOf(disk)?.last ?? 0)
  const fault = isThere && options.against ? faultAgainst(disk, options.against, seq) : null
  if (fault !== null) damage.push({ seq: options.against?.seq ?? null, segment: number, what: fault })
  return { head: headOf(seq, hash), checked, segments: segments.length, pruned: prunedOf(disk), damage }
}

function faultAgainst(disk: MemoryDisk, against: Head, last: number): string | null {
  if (against.seq > last) {
    return `the log ends at ${last}, but it once ended at ${against.seq}: the tail is missing`
  }
  if (against.seq === 0 || disk.at(against.seq)?.hash.toString('hex') === against.hash) return null
  return `event ${against.seq} is not the one that once stood there`
}

/** The event with this key: in the open segment at any age, in earlier ones not before `since`. */
export function findKey(segments: readonly MemorySegment[], key: string, since: number): Row | undefined {
  const [open, ...sealed] = [...segments].reverse()
  const young = open?.keys.get(key)
  if (young) return young
  return sealed.map((it) => it.keys.get(key)).find((row) => row !== undefined && row.event.t >= since)
}

export const emptyTip = (): Tip => ({ seq: 0, hash: NO_HASH, session: 0, versions: new Map() })

/** Where the log ends, before its damage if there is any. */
export function tipOf(disk: MemoryDisk, damagedAt: number | null): Tip {
  const tip = emptyTip()
  for (const { event, hash } of disk.rows()) {
    if (event.seq === damagedAt) break
    Object.assign(tip, { seq: event.seq, hash, session: event.s })
    if (event.type === 'SegmentOpened') tip.versions = new Map()
    tip.versions.set(event.stream, event.ver)
  }
  return tip
}

export function findId(disk: MemoryDisk, id: string): Row | undefined {
  const seq = disk.segments.map((it) => it.ids.get(id)).find((it) => it !== undefined)
  return seq === undefined ? undefined : disk.at(seq)
}

export function knownOf({ segments }: MemoryDisk): Known {
  return {
    hasId: (id) => segments.at(-1)?.ids.has(id) ?? false,
    hasKey: (key, since) => findKey(segments, key, since) !== undefined,
    endedAt: (stream) => {
      const rows = segments.slice(0, -1).flatMap((it) => it.rows)
      return rows.findLast(({ event }) => event.stream === stream)?.event.ver ?? 0
    },
  }
}
