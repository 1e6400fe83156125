/**
 * One COMMIT for every batch that waits.
 *
 * A conflict or a duplicate is found before anything is written and refuses its own batch only; it is told
 * after the commit, for it may rest on an event that this very commit brings. A failure before COMMIT is
 * rolled back and appended nothing. A failure of COMMIT itself leaves the outcome unknown: the file may or
 * may not hold the events after it is opened again.
 */
import { headOf } from '../chain.ts'
import { Draft, type Known, type Row, type Tip } from '../draft.ts'
import { type AppendBatch, type Appended, LogError } from '../store.ts'
import { Inserter } from './build.ts'
import { assertFull, codeOf, type Db, messageOf, refusal } from './connection.ts'
import type { Segment } from './segment.ts'

export type Outcome = Appended | LogError
/** Places where tests put faults and look at the connection, and where the columns of questions are kept. */
export type CommitHooks = {
  /** Runs the real COMMIT. */
  readonly runCommit?: ((commit: () => void, db: Db) => void) | undefined
  /** Called when the first COMMIT of an open was made and `synchronous` was read back. */
  readonly onFirstCommit?: ((db: Db) => void) | undefined
  /** Told what a commit brought, once it is durable. */
  readonly onRows?: ((rows: readonly Row[]) => void) | undefined
}

export class Committer {
  /** Set when nothing may be written any more until the log is opened again. */
  poison: LogError | null = null
  readonly #segment: Segment
  readonly #inserter: Inserter
  readonly #begin: () => void
  readonly #commit: () => void
  readonly #hooks: CommitHooks
  #isProven = false

  constructor(segment: Segment, hooks: CommitHooks) {
    this.#segment = segment
    this.#inserter = new Inserter(segment.db)
    const begin = segment.db.prepare('BEGIN IMMEDIATE')
    const commit = segment.db.prepare('COMMIT')
    this.#begin = () => begin.run()
    this.#commit = () => commit.run()
    this.#hooks = hooks
  }

  /** Commits what can be committed of the batches and moves the tip. One outcome for each batch. */
  commit(batches: readonly AppendBatch[], tip: Tip, known: Known): Outcome[] {
    const draft = new Draft(tip, known)
    const planned = batches.map((batch) => plan(draft, batch))
    if (draft.rows.length === 0) return planned
    const failure = this.#write(draft)
    if (failure) return batches.map(() => failure)
    draft.applyTo(tip)
    this.#hooks.onRows?.(draft.rows)
    return planned
  }

  #write(draft: Draft): LogError | null {
    try {
      this.#begin()
      for (const row of draft.rows) this.#inserter.insert(row)
    } catch (error) {
      return this.#rolledBack(error)
    }
    try {
      const { runCommit = (commit) => commit() } = this.#hooks
      runCommit(this.#commit, this.#segment.db)
      if (!this.#isProven) this.#prove()
      return null
    } catch (error) {
      return this.#failedCommit(error, draft)
    }
  }

  /** The first write of a connection is where better-sqlite3's build falls back to NORMAL. */
  #prove(): void {
    assertFull(this.#segment.db)
    this.#isProven = true
    this.#hooks.onFirstCommit?.(this.#segment.db)
  }

  #rolledBack(error: unknown): LogError {
    try {
      if (this.#segment.db.inTransaction) this.#segment.db.exec('ROLLBACK')
    } catch (failure) {
      this.poison = new LogError('E_LOG_IO', `the event log must be reopened: ${messageOf(failure)}`)
    }
    return refusal(error)
  }

  /** A full disk is met before the last frame is whole, so the commit cannot have happened. */
  #failedCommit(error: unknown, draft: Draft): LogError {
    if (codeOf(error) === 'SQLITE_FULL') {
      const refused = this.#rolledBack(error)
      const before = (draft.rows[0]?.event.seq ?? 1) - 1
      if (!this.poison && this.#segment.lastSeq() === before) return refused
    }
    this.poison = new LogError(
      'E_LOG_UNKNOWN',
      `COMMIT failed, its outcome is unknown: ${messageOf(error)}`,
      {
        cause: error,
      },
    )
    return this.poison
  }
}

function plan(draft: Draft, batch: AppendBatch): Outcome {
  try {
    const first = draft.add(batch)
    return { first, head: headOf(draft.seq, draft.hash) }
  } catch (error) {
    if (error instanceof LogError) return error
    throw error
  }
}
