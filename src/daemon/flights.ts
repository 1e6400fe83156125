/** Commits on their way to the disk: since when, how many, and when all of them have landed or failed. */
type Flight = {
  readonly since: number
  readonly done: Promise<unknown>
  /** Resolves when it is off the list: what follows from its end, a reopened log perhaps, has been done too. */
  readonly off: Promise<void>
  isOver: boolean
}

export class Flights {
  readonly #now: () => number
  readonly #open = new Set<Flight>()

  /** @param now  µs, monotonic */
  constructor(now: () => number) {
    this.#now = now
  }

  get size(): number {
    return this.#open.size
  }

  /** Whether one of them has not ended yet. */
  get isAnyInTheAir(): boolean {
    return [...this.#open].some(({ isOver }) => !isOver)
  }

  /** Age of the oldest, µs; less than nothing when there is none. */
  oldest(): number {
    let oldest = Number.POSITIVE_INFINITY
    for (const { since } of this.#open) oldest = Math.min(oldest, since)
    return this.#now() - oldest
  }

  /** @returns what takes it off the list */
  add(done: Promise<unknown>): () => void {
    const over = (): void => {
      flight.isOver = true
    }
    const { promise: off, resolve } = Promise.withResolvers<void>()
    const flight: Flight = { since: this.#now(), done: done.then(over, over), off, isOver: false }
    this.#open.add(flight)
    return () => {
      this.#open.delete(flight)
      resolve()
    }
  }

  /** Resolves when all that are on their way now have ended, well or not. */
  async landed(): Promise<void> {
    await Promise.all([...this.#open].map(({ done }) => done))
  }

  /**
   * Resolves when nothing is on its way, nor came meanwhile. One that failed is on its way until its failure has been
   * dealt with: to wait for its end alone would be to spin without letting anybody else run.
   */
  async allLanded(): Promise<void> {
    while (this.size > 0) await Promise.all([...this.#open].map(({ off }) => off))
  }
}
