/**
 * Opening a log: from whatever a crash, a careless hand or a bad disk left in the directory to a segment
 * and the place where it ends.
 *
 * A log that can be read is always opened. What must not be appended to comes back read-only with the
 * reason; damage is named, and the events before it can be read. Nothing is ever repaired or thrown away
 * here: that is what `osctl event recover` is for.
 *
 * After a crash: a recovery that was decided is finished; any other `log.next.db` was never published and goes; a sealed name that is the open file itself is
 * taken back; a torn WAL is kept aside before SQLite cuts it.
 */
import { newest, tooNew } from '../../types/formats.ts'
import type { StreamId } from '../../types/ids.ts'
import { NO_HASH, parseBody } from '../chain.ts'
import { Draft, type Stamp, segmentOpened, sinceOf, type Tip } from '../draft.ts'
import { type Damage, LogError, type OpenedLog } from '../store.ts'
import { buildSegment } from './build.ts'
import { Catalog, isPlaced } from './catalog.ts'
import { ChainWalk, formatOf, openingFault, schemaFaults, walkNow } from './check.ts'
import { type Binding, type Db, formatsIn, isHeld, messageOf, openForAppend, refusal } from './connection.ts'
import { LogDirectory } from './directory.ts'
import { type AtRecoverStep, finishRecovery } from './finish.ts'
import { QUERY_INDEXES } from './indexes.ts'
import { prunedIn, removePruned } from './prune.ts'
import { salvage } from './salvage.ts'
import { Segment } from './segment.ts'
import { judgeWal } from './wal.ts'

/** Events at the end of the log whose chain is checked on every open; verify checks them all. */
export const TAIL = 2000

export type OpeningOptions = Binding & {
  readonly dir: string
  /** Identity and time of the event that opens a segment. */
  readonly stamp: () => Stamp
  /** Whether a log may be created where there is none. */
  readonly create: boolean
  /** Refuse a directory that is not a mount point of its own: the dataset may just not be mounted. */
  readonly mountpoint: boolean
  /** Where copies of a log are put that cannot be opened in place. */
  readonly scratch: string
  readonly atRecoverStep?: AtRecoverStep | undefined
}

export type Opening = {
  readonly directory: LogDirectory
  readonly catalog: Catalog
  /** null when the open segment cannot be read at all. */
  readonly segment: Segment | null
  readonly tip: Tip
  /** First event of the newest segment that can be folded. */
  readonly replayFrom: number
  readonly readOnly: string | null
  readonly format: OpenedLog['format']
  readonly damage: Damage[]
  readonly notes: string[]
  readonly dispose: () => void
}

type Found = {
  db: Db | null
  readOnly: string | null
  damage: Damage[]
  notes: string[]
  dispose: () => void
}

export function openLog(options: OpeningOptions): Opening {
  const directory = new LogDirectory(options.dir)
  directory.assertPresent(options.mountpoint)
  const catalog = new Catalog(directory, options)
  try {
    if (directory.recovery() !== null) {
      refuseHeld(directory, options)
      finishRecovery(directory, options)
    }
    if (!directory.hasOpen() && catalog.numbers().length === 0) createLog(directory, options)
    const found = findOpen(directory, options)
    return assess(directory, catalog, found, options)
  } catch (error) {
    catalog.forget()
    throw refusal(error)
  }
}

function createLog(directory: LogDirectory, options: OpeningOptions): void {
  if (!options.create) throw new LogError('E_LOG_MISSING', `${options.dir}: there is no event log here`)
  directory.removeNext()
  const draft = emptyDraft()
  const format = newest(formatsIn(options))
  const begin = { segment: 1, previous: null, pruned: null, format }
  draft.add({ events: [segmentOpened(options.stamp(), begin)], expected: {} })
  const segment = { number: 1, first: 1, previous: NO_HASH, format: format.number, rows: draft.rows }
  buildSegment(directory.next, segment, options)
  directory.publishNext()
}

function emptyDraft(): Draft {
  const nothing = { hasId: () => false, hasKey: () => false, endedAt: () => 0 }
  return new Draft({ seq: 0, hash: NO_HASH, session: 0, versions: new Map() }, nothing)
}

/** Gets hold of the open segment's file, in place if it may be touched. */
function findOpen(directory: LogDirectory, options: OpeningOptions): Found {
  const found: Found = { db: null, readOnly: null, damage: [], notes: [], dispose: () => {} }
  if (!directory.hasOpen()) return broken(found, directory.openNumber(), 'log.db is missing')
  refuseHeld(directory, options)
  const wal = judgeWal(directory.wal)
  if (wal.kind === 'damaged') broken(found, directory.openNumber(), wal.what)
  else if (!directory.isWritable()) found.readOnly = 'the event log is on a read-only file system'
  try {
    if (found.readOnly !== null) {
      const copy = salvage(directory, options.scratch, options)
      return { ...found, db: copy.db, dispose: copy.remove }
    }
    if (wal.kind === 'torn') found.notes.push(`${wal.what}; kept as ${directory.keepWal(wal.label)}`)
    directory.removeNext()
    return { ...found, db: openForAppend(directory.open, options) }
  } catch (error) {
    if (refusal(error).code !== 'E_LOG_DAMAGED') throw error
    return broken(found, directory.openNumber(), `log.db cannot be read: ${messageOf(error)}`)
  }
}

function refuseHeld(directory: LogDirectory, options: OpeningOptions): void {
  if (directory.hasOpen() && isHeld(directory.open, options)) {
    throw new LogError('E_LOG_LOCKED', `${directory.open}: another process holds the event log`)
  }
}

function broken(found: Found, segment: number, what: string): Found {
  found.damage.push({ seq: null, segment, what })
  found.readOnly ??= what
  return found
}

function assess(directory: LogDirectory, catalog: Catalog, found: Found, options: OpeningOptions): Opening {
  const base = { directory, catalog, dispose: found.dispose, notes: found.notes, damage: found.damage }
  const number = directory.openNumber()
  if (found.db) {
    try {
      const segment = new Segment(found.db)
      const format = formatIn(segment)
      found.readOnly ??= tooNew(formatsIn(options), format)
      if (found.readOnly === null) tidy(directory, segment)
      const { tip, readOnly } = assessSegment(segment, directory, catalog, found, options)
      return { ...base, segment, tip, format, replayFrom: replayFrom(segment, tip.seq, catalog), readOnly }
    } catch (error) {
      found.db.close()
      if (error instanceof LogError && error.code !== 'E_LOG_DAMAGED') {
        found.dispose()
        throw error
      }
      broken(found, number, `log.db cannot be read: ${messageOf(error)}`)
    }
  }
  const [last] = catalog.newestFirst()
  if (last) catalog.pruned = prunedIn(last.segment, last.last)
  const tip = tipOfSealed(catalog)
  const first = replayFrom(null, tip.seq, catalog)
  const format = last ? formatIn(last.segment) : { number: formatsIn(options)[0].number, since: null }
  return { ...base, segment: null, tip, format, replayFrom: first, readOnly: found.readOnly }
}

/** What the file says of its format. Its first event may be unreadable: that is damage, and told as such. */
function formatIn(segment: Segment): OpenedLog['format'] {
  const number = formatOf(segment.db)
  try {
    const opened = segment.at(segment.first)
    return { number, since: opened ? sinceOf(parseBody(opened.body)) : null }
  } catch {
    return { number, since: null }
  }
}

function replayFrom(open: Segment | null, last: number, catalog: Catalog): number {
  if (open && open.first <= last) return open.first
  for (const { segment } of catalog.newestFirst()) if (segment.first <= last) return segment.first
  return 1
}

/** Finishes what a crash in the middle of sealing left undone, and starts with an empty WAL. */
function tidy(directory: LogDirectory, segment: Segment): void {
  directory.removeLinkOfOpen(segment.number)
  try {
    for (const index of Object.keys(QUERY_INDEXES)) segment.db.exec(`DROP INDEX IF EXISTS ${index}`)
    segment.db.pragma('wal_checkpoint(TRUNCATE)')
  } catch (error) {
    // A full disk must not keep the log from opening: what it holds can still be read.
    if (refusal(error).code !== 'E_LOG_FULL') throw error
  }
}

function assessSegment(
  segment: Segment,
  directory: LogDirectory,
  catalog: Catalog,
  found: Found,
  options: OpeningOptions,
): { tip: Tip; readOnly: string | null } {
  const { damage } = found
  const fatal = (what: string, seq: number | null = null): void => {
    damage.push({ seq, segment: segment.number, what })
    found.readOnly ??= what
  }
  for (const fault of schemaFaults(segment.db, options)) fatal(fault)
  const opening = openingFault(segment)
  if (opening) fatal(opening, segment.first)
  catalog.pruned = prunedIn(segment, segment.lastSeq())
  if (found.readOnly === null) removePruned(directory, catalog)
  damage.push(...historyFaults(segment, catalog))
  let last = segment.lastSeq()
  const tail = walkNow(segment, last - TAIL + 1, last)
  if (tail.damage) {
    const whole = walkNow(segment, segment.first, last)
    const worst = whole.damage ?? tail.damage
    damage.push(worst)
    last = (worst.seq ?? segment.first) - 1
    found.readOnly ??= `damaged at ${worst.seq}: ${worst.what}`
  }
  return { tip: tipAt(segment, last, catalog), readOnly: found.readOnly }
}

/** Segments that must be there and are not, and a joint that does not fit. */
function historyFaults(segment: Segment, catalog: Catalog): Damage[] {
  const present = catalog.numbers()
  const faults: Damage[] = []
  for (let number = (catalog.pruned?.segment ?? 0) + 1; number < segment.number; number++) {
    if (!present.includes(number)) {
      faults.push({ seq: null, segment: number, what: `log.${number}.db is missing` })
    }
  }
  for (const number of present) {
    if (number >= segment.number) {
      faults.push({
        seq: null,
        segment: number,
        what: `log.${number}.db cannot be: log.db is segment ${segment.number}`,
      })
    }
  }
  if (!present.includes(segment.number - 1)) return faults
  const before = catalog.sealed(segment.number - 1)
  if (!isPlaced(before)) return [...faults, before]
  const head = before.segment.at(before.last)?.hash
  if (before.last !== segment.first - 1 || !head?.equals(segment.previous)) {
    faults.push({
      seq: before.last,
      segment: before.segment.number,
      what: 'its end is not where the next segment begins',
    })
  }
  return faults
}

function tipAt(segment: Segment, last: number, catalog: Catalog): Tip {
  if (last < segment.first) return tipOfSealed(catalog)
  const row = segment.at(last)
  if (!row) return tipOfSealed(catalog)
  const versions: Map<StreamId, number> = segment.versions(last)
  return { seq: last, hash: row.hash, session: parseBody(row.body).s, versions }
}

/** Where the log ends if nothing of the open segment can be read. */
function tipOfSealed(catalog: Catalog): Tip {
  for (const { segment, last } of catalog.newestFirst()) {
    const walk = new ChainWalk(segment, last, last)
    walk.step(Number.POSITIVE_INFINITY)
    const row = segment.at(last)
    if (row && !walk.damage) {
      return { seq: last, hash: row.hash, session: parseBody(row.body).s, versions: segment.versions(last) }
    }
  }
  return { seq: 0, hash: NO_HASH, session: 0, versions: new Map() }
}
