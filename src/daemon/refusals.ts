/**
 * A bound on what a client can write that repeats what changes nothing (DESIGN D15): twenty refusals and no-ops a minute
 * a stream are recorded one by one; of those beyond, their number, once the minute is over. What was dropped and not
 * yet summed up is forgotten when the daemon dies.
 */
import type { Fact } from '../events/types/events.ts'
import type { StreamId } from '../events/types/ids.ts'

const REFUSALS_A_MINUTE = 20
const MINUTE_MS = 60_000

type Window = { readonly since: number; written: number; readonly dropped: Map<string, number> }

const isOver = ({ since }: Window, now: number): boolean => now - since >= MINUTE_MS || now < since

export class RefusalLimit {
  readonly #windows = new Map<string, Window>()

  /** @returns 'write', or 'drop'; 'drop-first' asks for `sum` after the rest of the minute */
  admit(pool: string, stream: StreamId, code: string, now: number): 'write' | 'drop' | 'drop-first' {
    const key = `${pool} ${stream}`
    const window = this.#windows.get(key)
    // A minute from which something was left out is over when its sum was taken.
    if (!window || (isOver(window, now) && window.dropped.size === 0)) {
      this.#windows.set(key, { since: now, written: 1, dropped: new Map() })
      return 'write'
    }
    if (window.dropped.size === 0 && window.written < REFUSALS_A_MINUTE) {
      window.written++
      return 'write'
    }
    const isFirst = window.dropped.size === 0
    window.dropped.set(code, (window.dropped.get(code) ?? 0) + 1)
    return isFirst ? 'drop-first' : 'drop'
  }

  /** How long the present minute still takes, ms. */
  rest(pool: string, stream: StreamId, now: number): number {
    const window = this.#windows.get(`${pool} ${stream}`)
    return window ? Math.max(0, Math.min(MINUTE_MS, window.since + MINUTE_MS - now)) : 0
  }

  /** What was left out since, by code, the rarest of more than five under the most frequent; and a new minute. */
  sum(pool: string, stream: StreamId): Fact[] {
    const key = `${pool} ${stream}`
    const window = this.#windows.get(key)
    this.#windows.delete(key)
    if (!window) return []
    const sorted = [...window.dropped].sort(([, a], [, b]) => b - a)
    const [first, ...others] = sorted.slice(0, MOST_CODES)
    if (!first) return []
    const rest = sorted.slice(MOST_CODES).reduce((sum, [, count]) => sum + count, 0)
    return [[first[0], first[1] + rest] as const, ...others].map(
      ([code, count]): Fact => ({ type: 'RefusalsSummed', count, code, since: window.since }),
    )
  }
}

const MOST_CODES = 5
