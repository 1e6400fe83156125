/**
 * Sealing: the open segment becomes `log.<n>.db`, and the next one takes its place.
 *
 * Steps, and what a crash right after each leaves:
 *   built      log.next.db is complete and durable; log.db is untouched. Opens in the old segment; the
 *              next one was never published and goes.
 *   indexed    log.db has its query indexes. Opens in the old segment, drops them again.
 *   closed     log.db is checkpointed and out of WAL mode. Opens in the old segment, in WAL mode again.
 *   linked     log.db has its sealed name too. Opens in the old segment, takes the second name back.
 *   published  log.next.db was renamed over log.db. Opens in the new segment.
 * At every moment `log.db` is one whole segment, and no event is in two published ones.
 */
import type { Row } from '../draft.ts'
import { buildSegment } from './build.ts'
import { formatOf } from './check.ts'
import type { Binding } from './connection.ts'
import type { LogDirectory } from './directory.ts'
import { QUERY_INDEXES } from './indexes.ts'
import type { Segment } from './segment.ts'

export const SEAL_STEPS = ['built', 'indexed', 'closed', 'linked', 'published'] as const
export type SealStep = (typeof SEAL_STEPS)[number]
/** Called after each step; the tests take a copy of the directory here. */
export type AtStep = (step: SealStep) => void

/** Makes the next segment's file. Nothing has happened to the log if this fails. */
export function buildNext(
  directory: LogDirectory,
  segment: Segment,
  rows: readonly Row[],
  previous: Buffer,
  binding: Binding,
): void {
  const [opening] = rows
  if (!opening) throw new Error('a segment opens with an event')
  const next = {
    number: segment.number + 1,
    first: opening.event.seq,
    previous,
    format: formatOf(segment.db),
    rows,
  }
  directory.removeNext()
  try {
    buildSegment(directory.next, next, binding)
    directory.sync()
  } catch (error) {
    directory.removeNext()
    throw error
  }
}

/** Closes the open segment for ever and puts the next one in its place. The caller reopens `log.db`. */
export function publish(directory: LogDirectory, segment: Segment, atStep: AtStep): void {
  for (const sql of Object.values(QUERY_INDEXES)) segment.db.exec(sql)
  atStep('indexed')
  segment.db.pragma('wal_checkpoint(TRUNCATE)')
  const mode = segment.db.pragma('journal_mode = DELETE', { simple: true })
  if (mode !== 'delete') throw new Error(`journal mode is ${String(mode)}, not delete`)
  segment.close()
  directory.sync()
  atStep('closed')
  directory.linkSealed(segment.number)
  atStep('linked')
  directory.publishNext()
  atStep('published')
}
