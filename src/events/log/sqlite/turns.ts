/**
 * Who gets the thread: all waiting appends in one commit, then one slice of one long job, and round again.
 * Each is a turn of its own: between two turns the event loop runs, so that acknowledgements leave before a
 * slice begins, and new appends arrive. Jobs are served in order of arrival, a slice each, so none starves
 * the others.
 */
import { deadlineIn, SLICE_MS } from './segment.ts'

/** Does a slice of work; returns whether it is over. */
export type Job = (deadline: number) => boolean

export class Turns {
  readonly #jobs: Job[] = []
  readonly #flush: () => boolean
  #isScheduled = false
  #isJobsTurn = false

  /** @param flush  commits what waits; returns whether more waits */
  constructor(flush: () => boolean) {
    this.#flush = flush
  }

  wake(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => this.#turn())
  }

  add(job: Job): void {
    this.#jobs.push(job)
    this.wake()
  }

  #turn(): void {
    this.#isScheduled = false
    const turn = this.#isJobsTurn ? this.#serveJob() : this.#flush()
    this.#isJobsTurn = !this.#isJobsTurn && this.#jobs.length > 0
    if (turn || this.#jobs.length > 0) this.wake()
  }

  /** @returns true: appends may have come meanwhile */
  #serveJob(): boolean {
    const job = this.#jobs.shift()
    if (job && !job(deadlineIn(SLICE_MS))) this.#jobs.push(job)
    return true
  }
}
