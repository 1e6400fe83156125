/** Which format a pool's log has, and what may be written into it (events/types/formats.ts). */
import type { OpenedLog } from '../events/log/store.ts'
import type { NewEvent } from '../events/types/envelope.ts'
import { type Formats, formatOf, wanting } from '../events/types/formats.ts'
import { needsUpgrade } from './errors.ts'

export class LogFormat {
  readonly #formats: Formats
  #is: OpenedLog['format'] = { number: 1, since: null }

  constructor(formats: Formats) {
    this.#formats = formats
  }

  get number(): number {
    return this.#is.number
  }

  /** The first osctld that knows it, as the log says; null when it does not. */
  get since(): string | null {
    return this.#is.since
  }

  /** What opening the log found. */
  found(is: OpenedLog['format']): void {
    this.#is = is
  }

  upgraded(number: number): void {
    this.#is = { number, since: formatOf(this.#formats, number)?.since ?? null }
  }

  /**
   * What an osctld of before this format could not read is not written: it may have to go on with the pool.
   * @throws CallError E_POOL_FORMAT
   */
  refuseNewer(events: readonly NewEvent[]): void {
    for (const event of events) {
      const format = wanting(this.#formats, this.number, event)
      if (format) throw needsUpgrade(this.number, format.number)
    }
  }
}
