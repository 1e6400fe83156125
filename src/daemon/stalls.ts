/**
 * Waiting for a commit, but not for a disk that does not answer: whoever waits is told so, and the commit goes on.
 */

/** Whether what was on its way is in the log is not known. */
export class Stalled extends Error {
  constructor(why: string) {
    super(why)
    this.name = 'Stalled'
  }
}

export class Stalls {
  readonly #waiting = new Set<(why: Stalled) => void>()

  /** Tells all that wait now. */
  tell(why: string): void {
    for (const reject of this.#waiting) reject(new Stalled(why))
  }

  /** What `work` gives. @throws Stalled when the disk stops answering meanwhile; what `work` throws */
  async guard<T>(work: Promise<T>): Promise<T> {
    const { promise, reject } = Promise.withResolvers<never>()
    this.#waiting.add(reject)
    try {
      return await Promise.race([work, promise])
    } finally {
      this.#waiting.delete(reject)
    }
  }
}
