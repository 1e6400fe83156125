/**
 * Commands about a log as a whole. They are over in the commit that begins them, on the stream `log`, which has no
 * machine: an operation of the pool or of a container does not stand in their way.
 */
import type { Fact } from '../../events/types/events.ts'
import type { SegmentHead } from '../../events/types/log-events.ts'
import type { SegmentInfo } from '../../events/types/query.ts'
import { type Asked, accept, type Decision, noop, refuse } from './decision.ts'

/** Idempotency keys are looked for in sealed segments for a day, so a segment stays for so long. */
export const YOUNGEST_PRUNED_MS = 24 * 3600 * 1000

/** The command with what it is about, and its end. @pure */
export function decideLog(asked: Asked, ...facts: readonly Fact[]): Decision {
  const end: Fact = { type: 'OperationFinished', result: 'done', error: null }
  return accept('log', asked, [...facts, end])
}

/** Which sealed segments an admin wants to be rid of; all conditions hold at once. */
export type Prunable = {
  /** Keep so many sealed segments. */
  readonly keep?: number | undefined
  /** All of whose events are older. */
  readonly beforeTime?: number | undefined
  readonly beforeSeq?: number | undefined
}

/**
 * The oldest segments that meet the conditions, up to the first that does not or that is too young.
 *
 * @param sealed  oldest first
 * @param now  wall clock, ms
 * @pure
 */
export function prunable(sealed: readonly SegmentInfo[], wanted: Prunable, now: number): SegmentInfo[] {
  const { keep = 0, beforeTime = Number.POSITIVE_INFINITY, beforeSeq = Number.POSITIVE_INFINITY } = wanted
  const end = sealed.findIndex(
    ({ last, ended }, i) =>
      i >= sealed.length - keep ||
      ended >= beforeTime ||
      last >= beforeSeq ||
      now - ended < YOUNGEST_PRUNED_MS,
  )
  return sealed.slice(0, end < 0 ? sealed.length : end)
}

/**
 * Prunes all sealed segments up to one.
 *
 * @param pruned  what was pruned before, oldest first
 * @pure
 */
export function decidePrune(
  asked: Asked,
  upTo: number,
  sealed: readonly SegmentInfo[],
  pruned: readonly SegmentHead[],
  now: number,
): Decision {
  const going = sealed.filter(({ segment }) => segment <= upTo)
  const last = going.at(-1)
  if (!last) return noop('log', asked, `segment ${upTo} is pruned already, or is not sealed`)
  const young = going.find(({ ended }) => now - ended < YOUNGEST_PRUNED_MS)
  if (young) {
    const message = `segment ${young.segment} ended less than 24 hours ago and stays`
    return refuse('log', asked, { code: 'E_SEGMENT_YOUNG', kind: 'refused', message })
  }
  const heads = going.map(({ segment, first, last: end, head }) => ({ segment, first, last: end, head }))
  return decideLog(asked, { type: 'SegmentsPruned', segments: [...pruned, ...heads] })
}
