/**
 * A bound on what a container that reboots in a loop can write (DESIGN D15): twenty reboots a minute are
 * recorded one by one; of those beyond, their number, once the minute is over, and where the container is
 * then. Nothing else is held back: an end, and the completion of a reboot that was recorded, always count.
 */
import { type Fact, REBOOTS_CODE } from '../events/types/events.ts'

export const REBOOTS_A_MINUTE = 20
const MINUTE_MS = 60_000

type Window = { readonly since: number; written: number; dropped: number }

/** Do these facts begin a reboot? @pure */
export const beginsReboot = (facts: readonly Fact[]): boolean =>
  facts.some((fact) => fact.type === 'CtExited' && fact.target === 'reboot')

export class RebootLimit {
  readonly #windows = new Map<string, Window>()

  /** @returns 'write', or 'drop'; 'drop-first' asks for `sum` after the rest of the minute */
  admit(id: string, now: number): 'write' | 'drop' | 'drop-first' {
    const window = this.#windows.get(id)
    const isOver = !window || now - window.since >= MINUTE_MS || now < window.since
    // A minute from which something was left out is over when its sum was taken.
    if (!window || (isOver && window.dropped === 0)) {
      this.#windows.set(id, { since: now, written: 1, dropped: 0 })
      return 'write'
    }
    if (!isOver && window.dropped === 0 && window.written < REBOOTS_A_MINUTE) {
      window.written++
      return 'write'
    }
    window.dropped++
    return window.dropped === 1 ? 'drop-first' : 'drop'
  }

  /** How long the present minute still takes, ms. */
  rest(id: string, now: number): number {
    const window = this.#windows.get(id)
    return window ? Math.max(0, Math.min(MINUTE_MS, window.since + MINUTE_MS - now)) : 0
  }

  /** What was left out since, and a new minute. */
  sum(id: string): Fact | null {
    const window = this.#windows.get(id)
    this.#windows.delete(id)
    if (!window || window.dropped === 0) return null
    return { type: 'RefusalsSummed', count: window.dropped, code: REBOOTS_CODE, since: window.since }
  }
}
