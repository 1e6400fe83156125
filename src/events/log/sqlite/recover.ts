/** Building what takes the place of a damaged segment; finish.ts tells the steps. */
import { tooNew } from '../../types/formats.ts'
import { NO_HASH } from '../chain.ts'
import { Draft, type Known, type Stamp, segmentOpened, writable } from '../draft.ts'
import { LogError, type LogRecovery } from '../store.ts'
import { buildSegment, type NewSegment } from './build.ts'
import { type Binding, formatsIn } from './connection.ts'
import { type AtRecoverStep, finishRecovery } from './finish.ts'
import type { Opening } from './opening.ts'

type Options = Binding & { readonly stamp: () => Stamp; readonly atRecoverStep?: AtRecoverStep | undefined }

/** Does all steps; what was open of the damaged log is closed. The caller opens the log anew. */
export function recoverLog(opening: Opening, known: Known, recovery: LogRecovery, options: Options): void {
  const { directory } = opening
  assertMendable(opening, options)
  directory.removeNext()
  buildSegment(directory.next, mended(opening, known, recovery, options), options)
  directory.sync()
  opening.segment?.close()
  options.atRecoverStep?.('built')
  directory.decideRecovery(recovery.label)
  options.atRecoverStep?.('decided')
  finishRecovery(directory, options)
}

function assertMendable({ directory, format, tip, readOnly }: Opening, options: Options): void {
  if (readOnly === null) throw new LogError('E_LOG_READ_ONLY', 'the event log is not damaged')
  if (tooNew(formatsIn(options), format) !== null) throw new LogError('E_LOG_READ_ONLY', readOnly)
  if (!directory.isWritable()) {
    throw new LogError('E_LOG_READ_ONLY', 'the event log is on a read-only file system')
  }
  if (tip.seq === 0) throw new LogError('E_LOG_DAMAGED', 'nothing of the event log can be read')
}

/** The segment that takes the place of the damaged one. */
function mended(opening: Opening, known: Known, recovery: LogRecovery, options: Options): NewSegment {
  const { segment, tip, directory, catalog } = opening
  const format = writable(formatsIn(options), opening.format.number)
  const draft = new Draft(tip, known)
  if (segment && segment.first <= tip.seq) {
    draft.add({ events: recovery.events, expected: {} })
    const { number, first, previous } = segment
    // Nothing else is asked of this connection while the rows are read from it.
    const copied = segment.rowsFrom(first, tip.seq)
    return { number, first, previous, format: format.number, rows: draft.rows, copied }
  }
  const [before] = catalog.newestFirst()
  const previous = before && {
    segment: before.segment.number,
    first: before.segment.first,
    last: tip.seq,
    head: tip.hash.toString('hex'),
  }
  const number = directory.openNumber()
  const begin = { segment: number, previous: previous ?? null, pruned: catalog.pruned, format }
  const opened = segmentOpened(options.stamp(), begin)
  draft.add({ events: [opened, ...recovery.baselines, ...recovery.events], expected: {} })
  return {
    number,
    first: tip.seq + 1,
    previous: tip.seq === 0 ? NO_HASH : tip.hash,
    format: format.number,
    rows: draft.rows,
  }
}
