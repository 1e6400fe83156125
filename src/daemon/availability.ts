/**
 * Why a log takes no changes now. The gravest reason is the one that is told: some pass, and some do not.
 *
 * A log that could not be opened again is waited for by whoever needs to know what it has.
 */

/** A commit that is pending this long makes its pool suspended (DESIGN D4): a disk that hangs, a full one. */
const SUSPENDED_AFTER_US = 5_000_000
const SUSPENDED = 'suspended: its disk does not answer, a commit is pending for more than 5 s'

export class Availability {
  #isClosed = false
  readonly #givenUp = Promise.withResolvers<void>()
  #distrusted: string | null = null
  #unopened: { readonly why: string; readonly over: PromiseWithResolvers<void> } | null = null
  /** As it was opened, or as the disk said since. */
  readOnly: string | null = 'the log is not open'
  #isSuspended = false

  get isClosed(): boolean {
    return this.#isClosed
  }

  get isUnopened(): boolean {
    return this.#unopened !== null
  }

  /** null when it takes changes. */
  get why(): string | null {
    if (this.#isClosed) return 'the log is closed'
    if (this.#distrusted !== null) return this.#distrusted
    if (this.#unopened !== null)
      return `suspended: its log cannot be opened again, which is tried every few seconds: ${this.#unopened.why}`
    return this.readOnly ?? (this.#isSuspended ? SUSPENDED : null)
  }

  /** For good: nobody tries to open it any more, so nobody waits for that. */
  giveUp(): void {
    this.#givenUp.resolve()
  }

  /** For good. */
  close(): void {
    this.#isClosed = true
    this.giveUp()
  }

  /** For good: this is not the log that it should be. The first reason stays. */
  distrust(why: string): void {
    this.#distrusted ??= why
  }

  /** @param pending  age of the oldest commit that is pending, µs */
  isSuspendedBy(pending: number): boolean {
    this.#isSuspended = pending >= SUSPENDED_AFTER_US
    return this.#isSuspended
  }

  /** @returns whether it could be opened until now */
  notOpened(error: unknown): boolean {
    const isNew = this.#unopened === null
    const why = error instanceof Error ? error.message : String(error)
    this.#unopened = { why, over: this.#unopened?.over ?? Promise.withResolvers() }
    return isNew
  }

  openedAgain(): void {
    this.#unopened?.over.resolve()
    this.#unopened = null
    this.#isSuspended = false
  }

  /** Resolves when it is open again, or given up. */
  async settled(): Promise<void> {
    if (this.#unopened) await Promise.race([this.#unopened.over.promise, this.#givenUp.promise])
  }
}
