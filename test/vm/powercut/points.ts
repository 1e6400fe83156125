/**
 * At which points of a recorded run the power goes.
 *
 * Two kinds. *At a flush*: the disk has all that was written so far, as it was when the flush was answered. *Between*
 * two flushes: some writes came after the last one, and the disk's cache had written any part of them. Half of the
 * points are of each kind, spread over the run; with two for each flush, that is every flush, and every stretch of
 * writes between two.
 */
import type { Random } from '../../simulation/random.ts'
import { type Cut, type Entry, entriesWithin } from '../write-log.ts'
import type { Acknowledged } from './recording.ts'

export type Point = Cut & {
  /** It names the point in this recording: entries, and which of those after the last flush are lost. */
  readonly key: string
  readonly kind: 'flush' | 'between'
  /** Writes after the last flush, and how many of them are lost. */
  readonly unflushed: number
  readonly lost: number
  /** The last command that was answered, and the one that was under way: places in the list of the acknowledged. */
  readonly before: number
}

/** One of each of `count` equal parts of the list; all of them where there are no more. */
function spread<T>(all: readonly T[], count: number, chance: Random): T[] {
  if (count >= all.length) return [...all]
  const share = all.length / count
  return Array.from({ length: count }, (_, i) => all[Math.floor((i + chance.fraction()) * share)]).filter(
    (one) => one !== undefined,
  )
}

/** A stretch of writes between two flushes: `[from, to)`, never empty. */
type Stretch = { readonly from: number; readonly to: number }

function stretches(entries: readonly Entry[], first: number, last: number): Stretch[] {
  const found: Stretch[] = []
  let from = first
  for (let at = first; at < last; at++) {
    if (!entries[at]?.isFlush) continue
    if (at > from) found.push({ from, to: at })
    from = at + 1
  }
  return found
}

/**
 * @returns at most `count` points, no two alike, in the order of the run
 */
export function pointsOf(
  entries: readonly Entry[],
  acknowledged: readonly Acknowledged[],
  count: number,
  chance: Random,
): Point[] {
  const ends = acknowledged.map(({ bytes }) => entriesWithin(entries, bytes))
  const [first = 0, last = 0] = [ends[0], ends.at(-1)]
  const lastBefore = (at: number): number => ends.findLastIndex((end) => end <= at)
  const flushes = entries.flatMap(({ isFlush }, at) => (isFlush && at >= first && at < last ? [at] : []))
  const points = new Map<string, Point>()
  const add = (point: Omit<Point, 'before'>): unknown =>
    points.set(point.key, { ...point, before: lastBefore(point.entries) })

  for (const at of spread(flushes, Math.ceil(count / 2), chance))
    add({ key: `${at + 1}`, kind: 'flush', entries: at + 1, unflushed: 0, lost: 0, kept: () => true })

  const open = stretches(entries, first, last)
  // A short stretch has few distinct points: it may give none that is new.
  for (let tries = 0; points.size < count && open.length > 0 && tries < 20; tries++)
    for (const stretch of spread(open, count - points.size, chance)) add(between(stretch, chance))
  return [...points.values()].sort((a, b) => a.entries - b.entries)
}

/** After some writes of a stretch, each of which the disk had written or not. */
function between({ from, to }: Stretch, chance: Random): Omit<Point, 'before'> {
  const entries = from + 1 + chance.below(to - from)
  const lost = new Set<number>()
  for (let at = from; at < entries; at++) if (chance.chance(0.5)) lost.add(at)
  return {
    key: `${entries}-${[...lost].join('.')}`,
    kind: 'between',
    entries,
    unflushed: entries - from,
    lost: lost.size,
    kept: (at) => !lost.has(at),
  }
}
