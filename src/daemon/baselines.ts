/** The states that a segment opens with (DESIGN D9): one event for each stream that still matters. */
import { createHash } from 'node:crypto'
import type { NewEvent } from '../events/types/envelope.ts'
import { eventVersions, type Fact } from '../events/types/events.ts'
import type { StreamId } from '../events/types/ids.ts'
import type { Minting } from '../machines/advance.ts'
import { baselineOf, canonical } from '../machines/baseline.ts'
import { type AnyState, type Fold, streamOfCt } from '../machines/fold.ts'

export const stateHash = (state: AnyState): string =>
  createHash('sha256')
    .update(canonical(baselineOf(state)))
    .digest('hex')

/** Baselines of what is committed, in the order of the streams' creation. */
export function baselinesOf({ states, versions }: Fold, mint: Minting): NewEvent[] {
  const streams: StreamId[] = ['pool', ...[...states.kept()].map(streamOfCt)]
  return streams.flatMap((stream) => {
    const state = states.of(stream)
    if (!state) return []
    const { type, ...data } = baselineFact(stream, versions.get(stream) ?? 0, state)
    const stamp = { id: mint.id(), t: mint.wall(), m: mint.mono() }
    return [{ stream, ...stamp, type, v: eventVersions[type], data }]
  })
}

function baselineFact(stream: StreamId, ver: number, state: AnyState): Fact {
  const baseline = baselineOf(state)
  return { type: 'Baseline', of: stream, ver, state: baseline as never, stateHash: stateHash(state) }
}
