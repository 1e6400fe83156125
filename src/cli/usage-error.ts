/** The command line is wrong: exit status 64, and the help of where it went wrong. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'UsageError'
  }
}

/** The command failed for a reason found on this side: exit status 1, `error: …`. */
export class CommandError extends Error {
  readonly status: number
  constructor(message: string, status = 1) {
    super(message)
    this.name = 'CommandError'
    this.status = status
  }
}
