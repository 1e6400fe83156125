/**
 * A bound on what somebody can write who repeats himself: a client that asks for what changes nothing, a container that
 * reboots in a loop (DESIGN D15). Twenty a minute of each are recorded one by one; of those beyond, their number, once
 * the minute is over. What was left out and not yet summed up is forgotten when the daemon dies.
 */
import type { Fact } from '../events/types/events.ts'

const A_MINUTE = 20
const MINUTE_MS = 60_000
const MOST_CODES = 5

type Window = { readonly since: number; written: number; readonly dropped: Map<string, number> }

const isOver = ({ since }: Window, now: number): boolean => now - since >= MINUTE_MS || now < since

export class MinuteLimit {
  readonly #windows = new Map<string, Window>()

  /**
   * @param of    whose repetitions are counted
   * @param code  what they are, in the sum
   * @returns 'write', or 'drop'; 'drop-first' asks for `sum` after the rest of the minute
   */
  admit(of: string, code: string, now: number): 'write' | 'drop' | 'drop-first' {
    const window = this.#windows.get(of)
    // A minute from which something was left out is over when its sum was taken.
    if (!window || (isOver(window, now) && window.dropped.size === 0)) {
      this.#windows.set(of, { since: now, written: 1, dropped: new Map() })
      return 'write'
    }
    if (window.dropped.size === 0 && window.written < A_MINUTE) {
      window.written++
      return 'write'
    }
    const isFirst = window.dropped.size === 0
    window.dropped.set(code, (window.dropped.get(code) ?? 0) + 1)
    return isFirst ? 'drop-first' : 'drop'
  }

  /** How long the present minute still takes, ms. */
  rest(of: string, now: number): number {
    const window = this.#windows.get(of)
    return window ? Math.max(0, Math.min(MINUTE_MS, window.since + MINUTE_MS - now)) : 0
  }

  /** What was left out since, by code, the rarest of more than five under the most frequent; and a new minute. */
  sum(of: string): Fact[] {
    const window = this.#windows.get(of)
    this.#windows.delete(of)
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
