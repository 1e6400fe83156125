/**
 * Checking a whole log: every segment's chain and copies, the joints between segments, each index against
 * the table, and the head against one that was kept elsewhere. It works in steps, so that appends are
 * served in between.
 *
 * What it cannot find: a chain rewritten as a whole by somebody who may write the file, and a tail that
 * was cut off since the last head kept elsewhere.
 */
import type { Head } from '../../types/envelope.ts'
import type { SegmentHead } from '../../types/log-events.ts'
import { NO_HASH } from '../chain.ts'
import type { Damage } from '../store.ts'
import { isPlaced, type Placed } from './catalog.ts'
import { ChainWalk, openingFault } from './check.ts'
import { messageOf } from './connection.ts'
import { IndexWalk, indexesOf } from './index-walk.ts'
import { isPast } from './segment.ts'

/** What is to be verified, in order. A missing or unreadable segment stands as its damage. */
export type Subject = Placed | Damage

export type What = {
  /** Check every segment, not only the open one at the end of the row. */
  readonly full: boolean
  readonly end: Head
  readonly against: Head | undefined
  /** What the first of the row follows. */
  readonly pruned: SegmentHead | null
}

type Step = (deadline: number) => boolean

export class Verification {
  readonly damage: Damage[] = []
  checked = 0
  segments = 0
  readonly #steps: Step[] = []
  #end: { last: number; hash: Buffer } | null = null

  constructor(row: readonly Subject[], { full, end, against, pruned }: What) {
    if (full && pruned) this.#end = { last: pruned.last, hash: Buffer.from(pruned.head, 'hex') }
    const subjects = full ? row : row.slice(-1)
    for (const subject of subjects) {
      this.segments += 1
      if (isPlaced(subject)) this.#steps.push(...this.#segmentSteps(subject))
      else this.#steps.push(() => this.#skip(subject))
    }
    if (against && against.seq > (pruned?.last ?? 0)) this.#compare(against, end, row)
  }

  /** Goes on until the deadline. @returns whether everything was checked */
  step(deadline: number): boolean {
    for (;;) {
      const [next] = this.#steps
      if (!next) return true
      if (next(deadline)) this.#steps.shift()
      if (isPast(deadline)) return this.#steps.length === 0
    }
  }

  #segmentSteps(subject: Placed): Step[] {
    const { segment, last } = subject
    let walk: ChainWalk | undefined
    const walkChain: Step = (deadline) => {
      walk ??= this.#begin(subject)
      const before = walk.seq
      walk.step(deadline)
      this.checked += walk.seq - before
      if (walk.damage) this.damage.push(walk.damage)
      if (walk.isDone) this.#end = walk.damage ? null : { last, hash: walk.hash }
      return walk.isDone
    }
    return [walkChain, ...indexSteps(subject, (what) => this.#note(segment.number, what))]
  }

  #skip(damage: Damage): boolean {
    this.damage.push(damage)
    this.#end = null
    return true
  }

  #note(segment: number, what: string): void {
    this.damage.push({ seq: null, segment, what })
  }

  #begin({ segment, last }: Placed): ChainWalk {
    try {
      const fault = openingFault(segment)
      if (fault) this.damage.push({ seq: segment.first, segment: segment.number, what: fault })
      const joins = this.#end
        ? this.#end.last === segment.first - 1 && this.#end.hash.equals(segment.previous)
        : segment.number > 1 || segment.previous.equals(NO_HASH)
      if (!joins) this.#note(segment.number, 'its beginning does not join the end of the segment before')
    } catch (error) {
      this.#note(segment.number, messageOf(error))
    }
    return new ChainWalk(segment, segment.first, last)
  }

  #compare(against: Head, end: Head, row: readonly Subject[]): void {
    const what = faultAgainst(against, end, row.filter(isPlaced))
    if (what === null) return
    const newest = row.at(-1)
    const segment = newest === undefined ? 0 : isPlaced(newest) ? newest.segment.number : newest.segment
    this.damage.push({ seq: against.seq, segment, what })
  }
}

function faultAgainst(against: Head, end: Head, row: readonly Placed[]): string | null {
  if (against.seq === 0) return null
  if (against.seq > end.seq) {
    return `the log ends at ${end.seq}, but it once ended at ${against.seq}: the tail is missing`
  }
  const holder = row.find((it) => it.segment.first <= against.seq && against.seq <= it.last)
  const hash = holder?.segment.at(against.seq)?.hash.toString('hex')
  if (hash === undefined) return `event ${against.seq} is not in any segment that can be read`
  return hash === against.hash ? null : `event ${against.seq} is not the one that once stood there`
}

function indexSteps(placed: Placed, note: (what: string) => void): Step[] {
  return indexesOf(placed.segment).map((index): Step => {
    const walk = new IndexWalk(placed, index)
    return (deadline) => {
      try {
        const fault = walk.step(deadline)
        if (fault !== null) note(fault)
        return walk.isDone || fault !== null
      } catch (error) {
        note(`index ${index.name}: ${messageOf(error)}`)
        return true
      }
    }
  })
}
