/**
 * Who gets the thread: all waiting appends in one commit, then one slice of one long job, and round again.
 * Between two turns the event loop runs, so that new appends can arrive. Jobs are served in order of
 * arrival, a slice each, so none starves the others.
 */
import { deadlineIn, SLICE_MS } from './segment.ts'

/** Does a slice of work; returns whether it is over. */
export type Job = (deadline: number) => boolean

export class Turns {
  readonly #jobs: Job[] = []
  readonly #flush: () => boolean
  #isScheduled = false

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
    const waits = this.#flush()
    const job = this.#jobs.shift()
    if (job && !job(deadlineIn(SLICE_MS))) this.#jobs.push(job)
    if (waits || this.#jobs.length > 0) this.wake()
  }
}
