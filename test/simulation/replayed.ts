/**
 * What a replay of a disk from its first event gives, kept along as the disk grows: folding is pure, so an event that
 * was folded once need not be folded again for every look at the same log.
 */
import assert from 'node:assert/strict'
import { isDeepStrictEqual } from 'node:util'
import { type AnyStateMachine, transition } from 'xstate'
import { NO_HASH } from '../../src/events/log/chain.ts'
import type { MemoryDisk } from '../../src/events/log/memory-disk.ts'
import type { StoredEvent } from '../../src/events/types/envelope.ts'
import { readFact } from '../../src/events/types/upcast.ts'
import { baselineOf, canonical } from '../../src/machines/baseline.ts'
import { type AnyState, Fold } from '../../src/machines/fold.ts'
import type { Seen } from '../../src/machines/step.ts'

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
    applied(kept.fold, row.event)
    kept.hash = row.hash
  }
  return kept.fold
}

/** Of so many events one is taken through XState, too: asking for each would cost a third of the whole run. */
const ASKED_OF = 8

/** Folds one event; a step must be what XState's public `transition()` makes of it. */
function applied(fold: Fold, event: StoredEvent): void {
  if (event.seq % ASKED_OF !== 0) {
    fold.apply(event)
    return
  }
  const before = fold.states.of(event.stream)
  const reading = readFact(event)
  if (!fold.apply(event) || before === null || !reading.ok || reading.fact.type === 'Baseline') return
  const seen = { ...reading.fact, meta: { id: event.id, t: event.t, op: event.op ?? null } } as Seen
  const [next] = transition(before.machine as AnyStateMachine, before, seen)
  const after = fold.states.of(event.stream)
  assert.deepEqual(
    [after?.value, after?.context],
    [next.value, next.context],
    `XState takes ${event.type} elsewhere`,
  )
}

const textOf = (state: AnyState | null): string => (state ? canonical(baselineOf(state)) : '-')

/** Equal as far as the log knows: what is not there and what is `undefined` are one. */
export function sameState(one: AnyState | null, other: AnyState | null): boolean {
  if (one === other) return true
  if (one && other && isDeepStrictEqual(baselineOf(one), baselineOf(other))) return true
  return textOf(one) === textOf(other)
}
