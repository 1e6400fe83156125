/**
 * Reading a log straight from its dataset: a ZFS snapshot's directory (`<ds>/events/.zfs/snapshot/NAME`), or a copy.
 *
 * The media may be read-only, and nothing is written beside it either way. Sealed segments are opened where they are,
 * as immutable. The open segment has its newest commits in its WAL, which SQLite honours only where it may write: both
 * are copied to a temporary directory and opened there. A snapshot is taken of both in one moment, so they fit.
 */
import { copyFileSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'
import { NO_HASH } from '../events/log/chain.ts'
import { NotALog, named, type Section } from './file.ts'
import { OfflineLog } from './log.ts'

const SEALED = /^log\.([1-9]\d{0,8})\.db$/
type SegmentRow = { number: number; first: number; previous: Uint8Array }

export function readSnapshot(directory: string): Section[] {
  const dir = logDirectory(directory)
  const numbers = readdirSync(dir)
    .flatMap((name) => SEALED.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b)
  let log: OfflineLog | null = null
  for (const number of numbers) log = take(openSealed(join(dir, `log.${number}.db`)), log, number)
  if (existsSync(join(dir, 'log.db'))) {
    const { db, remove } = openCopy(dir)
    try {
      log = take(db, log, null)
    } finally {
      remove()
    }
  }
  if (!log) throw new NotALog(`${directory}: there is no event log in it`)
  const header = named(headerOf(log), log)
  return [{ header, log, start: new Map(), end: new Map(), segments: numbers.length + 1 }]
}

/** The directory itself, or its `events`: a snapshot of `<ds>` is as good as one of `<ds>/events`, if it has it. */
function logDirectory(directory: string): string {
  const isThere = (path: string): boolean =>
    existsSync(join(path, 'log.db')) || existsSync(join(path, 'log.1.db'))
  const found = [directory, join(directory, 'events')].find(isThere)
  if (found) return found
  const what = statSync(directory, { throwIfNoEntry: false })?.isDirectory()
    ? 'there is no event log in it (a pool keeps it in the dataset <ds>/events: name a snapshot of that)'
    : 'no such directory'
  throw new NotALog(`${directory}: ${what}`)
}

function openSealed(path: string): DatabaseSync {
  const url = pathToFileURL(path)
  url.searchParams.set('immutable', '1')
  return new DatabaseSync(url, { readOnly: true })
}

function openCopy(dir: string): { db: DatabaseSync; remove: () => void } {
  const scratch = mkdtempSync(join(tmpdir(), 'osctl-replay-'))
  const remove = (): void => rmSync(scratch, { recursive: true, force: true })
  try {
    for (const suffix of ['', '-wal']) {
      const from = join(dir, `log.db${suffix}`)
      if (existsSync(from)) copyFileSync(from, join(scratch, `log.db${suffix}`))
    }
    return { db: new DatabaseSync(join(scratch, 'log.db')), remove }
  } catch (error) {
    remove()
    throw error
  }
}

/** Takes a segment's events; one that cannot be read ends the log there. */
function take(db: DatabaseSync, before: OfflineLog | null, number: number | null): OfflineLog {
  let log = before
  try {
    const row = db.prepare('SELECT number, first, previous FROM segment').get() as SegmentRow | undefined
    if (!row) throw new Error('the segment has no number')
    log ??= new OfflineLog(row.first, Buffer.from(row.previous).toString('hex'), false)
    if (number !== null && row.number !== number) log.wrong(`log.${number}.db holds segment ${row.number}`)
    for (const { body, hash } of db
      .prepare('SELECT body, hash FROM events ORDER BY seq')
      .iterate() as Iterable<{
      body: Uint8Array
      hash: Uint8Array
    }>)
      log.add(Buffer.from(body), Buffer.from(hash))
    return log
  } catch (error) {
    if (!log)
      throw new NotALog(`the log cannot be read: ${error instanceof Error ? error.message : String(error)}`)
    log.wrong(`the segment cannot be read: ${error instanceof Error ? error.message : String(error)}`)
    return log
  } finally {
    db.close()
  }
}

const headerOf = (log: OfflineLog): Section['header'] => ({
  osctl_log: 0,
  pool: 'pool',
  guid: null,
  dataset: '',
  directory: '',
  container: null,
  first: log.first,
  previous: NO_HASH.toString('hex'),
  head: log.head(),
  exported_at: 0,
  host: '',
  versions: { osctl: '', machines: 0, baseline_schema: 0 },
  simulated: false,
  proves:
    'Each event is chained to the one before by SHA-256. Whether the log goes on after the snapshot, a head that you know from elsewhere tells.',
  incident: null,
})
