/**
 * Virtual time, and who runs next.
 *
 * Everything that waits in the simulated daemon waits here: a timer, or a turn (an await at which others may
 * run). When nothing is runnable any more (`drained`), `wake` wakes one waiter: a turn if there is one,
 * chosen by the seed, else the timer that is due first, and only then does time pass. A waiter belongs to a life; when its
 * daemon is dead it is never woken.
 */
import type { Random } from './random.ts'

/** One life of a daemon. */
export type Life = { isDead: boolean }

type Waiter = { readonly life: Life; readonly wake: () => void }
type Timer = Waiter & { readonly due: number; readonly order: number }

/** A start of a pool with a hundred operations takes some thousand turns at one moment. */
const MOST_AT_ONCE = 200_000

/** Lets every runnable promise reaction run. */
export const drained = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

export class VirtualTime {
  now: number
  /** Null: first come, first served. */
  chance: Random | null
  #turns: Waiter[] = []
  /** Woken since time last went on. */
  #woken = 0
  #timers: Timer[] = []
  #order = 0

  constructor(now: number, chance: Random | null = null) {
    this.now = now
    this.chance = chance
  }

  /** Resolves after `ms`; rejects with the signal's reason when aborted. */
  sleep(life: Life, ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const abort = (): void => {
        this.#timers = this.#timers.filter((other) => other !== timer)
        if (!life.isDead) reject(signal?.reason)
      }
      const wake = (): void => {
        signal?.removeEventListener('abort', abort)
        resolve()
      }
      this.#order += 1
      const timer: Timer = { life, wake, due: this.now + Math.ceil(Math.max(0, ms)), order: this.#order }
      this.#timers.push(timer)
      signal?.addEventListener('abort', abort, { once: true })
    })
  }

  /** Lets others run. */
  turn(life: Life): Promise<void> {
    return new Promise((resolve) => {
      this.#turns.push({ life, wake: resolve })
    })
  }

  /** When the next timer is due; null without one. */
  get nextDue(): number | null {
    return this.#first()?.due ?? null
  }

  #first(): Timer | undefined {
    this.#timers = this.#timers.filter(({ life }) => !life.isDead)
    let first: Timer | undefined
    for (const timer of this.#timers) {
      if (!first || timer.due < first.due || (timer.due === first.due && timer.order < first.order))
        first = timer
    }
    return first
  }

  /**
   * Wakes one waiter. False when nothing waits, or not before `until`.
   * @throws when so many were woken at one moment that the world spins
   */
  wake(until = Number.POSITIVE_INFINITY): boolean {
    this.#woken += 1
    if (this.#woken > MOST_AT_ONCE) throw new Error(`it spins: ${MOST_AT_ONCE} turns at one moment`)
    this.#turns = this.#turns.filter(({ life }) => !life.isDead)
    if (this.#turns.length > 0) {
      const [turn] = this.#turns.splice(this.chance?.below(this.#turns.length) ?? 0, 1)
      turn?.wake()
      return true
    }
    const timer = this.#first()
    if (!timer || timer.due > until) return false
    this.#timers = this.#timers.filter((other) => other !== timer)
    if (timer.due > this.now) this.#woken = 0
    this.now = Math.max(this.now, timer.due)
    timer.wake()
    return true
  }
}
