/**
 * Who gets the thread: all waiting appends in one commit, then one slice of one long job, and round again.
 * Each is a turn of its own: between two turns the event loop runs, so that acknowledgements leave before a
 * slice begins, and new appends arrive. Jobs are served in order of arrival, a slice each, so none starves
 * the others. Work that can wait gets short slices while nobody else wants the thread.
 */
import { deadlineIn, SLICE_MS } from './segment.ts'

/** Does a slice of work; returns whether it is over. */
export type Job = (deadline: number) => boolean

/** What an append or a question may have to wait for work that could have waited. */
const IDLE_SLICE_MS = 1

export class Turns {
  readonly #jobs: Job[] = []
  readonly #idle: Job[] = []
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

  /** Adds work for when there is no other. */
  whenIdle(job: Job): void {
    this.#idle.push(job)
    this.wake()
  }

  #turn(): void {
    this.#isScheduled = false
    const turn = this.#isJobsTurn ? this.#serveJob() : this.#flush()
    this.#isJobsTurn = !this.#isJobsTurn && this.#jobs.length > 0
    if (turn || this.#jobs.length > 0) this.wake()
    else if (this.#idle[0]) {
      if (this.#idle[0](deadlineIn(IDLE_SLICE_MS))) this.#idle.shift()
      if (this.#idle.length > 0) this.wake()
    }
  }

  /** @returns true: appends may have come meanwhile */
  #serveJob(): boolean {
    const job = this.#jobs.shift()
    if (job && !job(deadlineIn(SLICE_MS))) this.#jobs.push(job)
    return true
  }
}
