/**
 * What a replay of a disk from its first event gives, kept along as the disk grows: folding is pure, so an event that
 * was folded once need not be folded again for every look at the same log.
 */
import { isDeepStrictEqual } from 'node:util'
import { NO_HASH } from '../../src/events/log/chain.ts'
import type { MemoryDisk } from '../../src/events/log/memory-disk.ts'
import { baselineOf, canonical } from '../../src/machines/baseline.ts'
import { type AnyState, Fold } from '../../src/machines/fold.ts'

type Kept = { fold: Fold; hash: Buffer }
const replays = new WeakMap<MemoryDisk, Kept>()

/** The fold of the rows up to `seq`; from the first row when the fold is past it, or what it folded is gone. */
export function replayed(disk: MemoryDisk, seq: number): Fold {
  let kept = replays.get(disk)
  const at = kept?.fold.seq ?? 0
  if (!kept || at > seq || (at > 0 && !disk.at(at)?.hash.equals(kept.hash)))
    kept = { fold: new Fold(), hash: NO_HASH }
  replays.set(disk, kept)
  const first = Math.max(kept.fold.seq + 1, disk.segments[0]?.first ?? 1)
  for (let next = first; next <= seq; next++) {
    const row = disk.at(next)
    if (!row) break
    kept.fold.apply(row.event)
    kept.hash = row.hash
  }
  return kept.fold
}

const textOf = (state: AnyState | null): string => (state ? canonical(baselineOf(state)) : '-')

/** Equal as far as the log knows: what is not there and what is `undefined` are one. */
export function sameState(one: AnyState | null, other: AnyState | null): boolean {
  if (one === other) return true
  if (one && other && isDeepStrictEqual(baselineOf(one), baselineOf(other))) return true
  return textOf(one) === textOf(other)
}
