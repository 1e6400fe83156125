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
 * An upgrade of the format is a seal whose next segment is of the newer one and holds the event that says so.
 * At every moment `log.db` is one whole segment, and no event is in two published ones.
 */
import type { Format } from '../../types/formats.ts'
import { Draft, type Known, type Stamp, segmentOpened, writable } from '../draft.ts'
import type { AppendBatch, LogUpgrade } from '../store.ts'
import { buildSegment, type NewSegment } from './build.ts'
import { type Binding, formatsIn } from './connection.ts'
import type { LogDirectory } from './directory.ts'
import { QUERY_INDEXES } from './indexes.ts'
import type { Opening } from './opening.ts'
import type { Segment } from './segment.ts'

export const SEAL_STEPS = ['built', 'indexed', 'closed', 'linked', 'published'] as const
export type SealStep = (typeof SEAL_STEPS)[number]
/** Called after each step; the tests take a copy of the directory here. */
export type AtStep = (step: SealStep) => void

type Open = Pick<Opening, 'catalog' | 'format' | 'tip'> & { readonly segment: Segment; readonly known: Known }
type Options = Binding & { readonly stamp: () => Stamp }
export type Planned = { readonly draft: Draft; readonly next: NewSegment; readonly format: Format }

/** What the next segment will be. @throws E_LOG_CONFLICT, E_LOG_DUPLICATE, E_LOG_READ_ONLY: its format is unknown */
export function planNext(
  { catalog, format: own, tip, segment, known }: Open,
  { events, expected }: AppendBatch,
  upgrade: LogUpgrade | undefined,
  options: Options,
): Planned {
  const format = writable(formatsIn(options), upgrade?.to ?? own.number)
  const number = segment.number + 1
  const head = tip.hash.toString('hex')
  const previous = { segment: segment.number, first: segment.first, last: tip.seq, head }
  const begin = { segment: number, previous, pruned: catalog.pruned, format }
  const draft = new Draft(tip, known)
  const all = [segmentOpened(options.stamp(), begin), ...events, ...(upgrade?.events ?? [])]
  const first = draft.add({ events: all, expected })
  const next = { number, first, previous: tip.hash, format: format.number, rows: draft.rows }
  return { draft, next, format }
}

/** Makes the next segment's file. Nothing has happened to the log if this fails. */
export function buildNext(directory: LogDirectory, next: NewSegment, binding: Binding): void {
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
