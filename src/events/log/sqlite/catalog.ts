/**
 * The row of segments: which sealed files there are, and the open one at its end.
 *
 * Sealed segments are opened when first needed and stay open. One that is missing or cannot be read is
 * damage to history, not to the log's end: appending goes on. What was pruned is not missed.
 */
import type { StreamId } from '../../types/ids.ts'
import type { SegmentHead } from '../../types/log-events.ts'
import type { Damage } from '../store.ts'
import { type Binding, messageOf, openSealed } from './connection.ts'
import type { LogDirectory } from './directory.ts'
import { Segment } from './segment.ts'

export type Placed = { readonly segment: Segment; readonly last: number }

export class Catalog {
  readonly #directory: LogDirectory
  readonly #binding: Binding
  readonly #opened = new Map<number, Placed | Damage>()
  #numbers: readonly number[] | null = null
  /** The newest segment that the log says is pruned. */
  pruned: SegmentHead | null = null

  constructor(directory: LogDirectory, binding: Binding) {
    this.#directory = directory
    this.#binding = binding
  }

  /** Only sealing makes new ones, so the directory is listed once: every new key asks for this. */
  numbers(): readonly number[] {
    this.#numbers ??= this.#directory.sealedNumbers()
    const { segment = 0 } = this.pruned ?? {}
    return segment === 0 ? this.#numbers : this.#numbers.filter((number) => number > segment)
  }

  sealed(number: number): Placed | Damage {
    const known = this.#opened.get(number)
    if (known) return known
    const found = this.#open(number)
    this.#opened.set(number, found)
    return found
  }

  #open(number: number): Placed | Damage {
    const damaged = (what: string): Damage => ({ seq: null, segment: number, what })
    if (!this.numbers().includes(number)) return damaged(`log.${number}.db is missing`)
    try {
      const segment = new Segment(openSealed(this.#directory.sealed(number), this.#binding), true)
      if (segment.number === number) return { segment, last: segment.lastSeq() }
      segment.close()
      return damaged(`log.${number}.db holds segment ${segment.number}`)
    } catch (error) {
      return damaged(`log.${number}.db cannot be read: ${messageOf(error)}`)
    }
  }

  /** Readable sealed segments, newest first. */
  *newestFirst(): Generator<Placed> {
    for (const number of this.numbers().toReversed()) {
      const found = this.sealed(number)
      if (isPlaced(found)) yield found
    }
  }

  /** Version at which a stream ended before the open segment; 0 if no segment knows it. */
  endedAt(stream: StreamId): number {
    for (const { segment, last } of this.newestFirst()) {
      const version = segment.version(stream, last)
      if (version > 0) return version
    }
    return 0
  }

  forget(): void {
    for (const found of this.#opened.values()) {
      if (isPlaced(found)) found.segment.close()
    }
    this.#opened.clear()
    this.#numbers = null
  }
}

export const isPlaced = (found: Placed | Damage): found is Placed => typeof found.segment === 'object'
