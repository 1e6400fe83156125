/**
 * Recovering: what can be trusted of a damaged log stands in a new file, and the damaged one is kept beside it.
 *
 * Steps, and what a crash right after each leaves:
 *   built      log.next.db is complete and durable; nothing else is touched. Opens damaged, as before; it goes.
 *   decided    log.recovery names the recovery. From here on, opening the log does what is left of it.
 *   kept       log.db has its name as evidence too, and log.db-wal that name alone. Nothing was thrown away.
 *   published  log.next.db was renamed over log.db.
 *   finished   log.recovery is gone.
 * The write-ahead log is moved before the new file comes: SQLite would apply it to whatever is called log.db.
 */
import type { LogDirectory } from './directory.ts'

export const RECOVER_STEPS = ['built', 'decided', 'kept', 'published', 'finished'] as const
export type RecoverStep = (typeof RECOVER_STEPS)[number]
/** Called after each step; the tests take a copy of the directory here. */
export type AtRecoverStep = (step: RecoverStep) => void

type Options = { readonly atRecoverStep?: AtRecoverStep | undefined }

/** What is left to do of a recovery that was decided. Nobody has the log open. */
export function finishRecovery(directory: LogDirectory, { atRecoverStep: at = () => {} }: Options): void {
  const label = directory.recovery()
  // On a read-only file system the log is read as it is.
  if (label === null || !directory.isWritable()) return
  if (directory.hasNext()) {
    directory.keepDamaged(label)
    at('kept')
    directory.publishNext()
    at('published')
  }
  directory.endRecovery()
  at('finished')
}
