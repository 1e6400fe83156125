/**
 * Opening a log file so that a commit means what it says.
 *
 * EXCLUSIVE comes before the first access: SQLite then keeps its WAL index in memory, so there is no
 * `-shm` file and no mmap, which stalls on ZFS (openzfs#14290), and no second process gets in.
 * `synchronous=FULL` comes after `journal_mode`: better-sqlite3's build falls back to NORMAL at the first
 * write otherwise, which loses acknowledged commits at a power cut and looks the same until then.
 */
import Database from 'better-sqlite3'
import { FORMATS, type Formats } from '../../types/formats.ts'
import { LogError } from '../store.ts'
import { migrations } from './migrations.ts'

export type Db = Database.Database
export type Statement = Database.Statement<unknown[], unknown>

/** 'oscl': what file(1) and a curious admin see in bytes 68..71. */
export const APPLICATION_ID = 0x6f73636c
/** Small pages won for single commits, on ext4 and on ZFS (bench/log.ts, lab notes). */
export const PAGE_SIZE = 4096
/** What the kernel caches anyway need not be kept twice. */
const CACHE_KIB = 4000
const FULL = 2
/** Earlier releases can corrupt a file in WAL mode when a checkpoint meets a writer. */
const OLDEST_SQLITE = [3, 51, 3] as const

/** What this build opens files with: SQLite's library, and the formats that it knows. */
export type Binding = {
  readonly nativeBinding?: string | undefined
  readonly formats?: Formats | undefined
}
export const formatsIn = ({ formats = FORMATS }: Binding): Formats => formats

function options(binding: Binding): Database.Options {
  return { timeout: 0, ...(binding.nativeBinding ? { nativeBinding: binding.nativeBinding } : {}) }
}

/** Opens a file for appending; creates it when asked to. @throws E_LOG_LOCKED when another process has it */
export function openForAppend(path: string, binding: Binding, create = false): Db {
  const db = new Database(path, { ...options(binding), fileMustExist: !create })
  try {
    // Even preparing a statement reads the file, so nothing may come before this.
    db.pragma('locking_mode = EXCLUSIVE')
    assertSqliteVersion(db)
    if (create) db.pragma(`page_size = ${PAGE_SIZE}`)
    const mode = db.pragma('journal_mode = WAL', { simple: true })
    if (mode !== 'wal') throw new LogError('E_LOG_IO', `${path}: journal mode is ${mode}, not wal`)
    db.pragma('synchronous = FULL')
    assertFull(db)
    db.pragma('recursive_triggers = ON')
    db.pragma('trusted_schema = OFF')
    db.pragma(`cache_size = -${CACHE_KIB}`)
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

/** Opens a sealed segment, which is no longer in WAL mode, for reading beside other readers. */
export function openSealed(path: string, binding: Binding): Db {
  const db = new Database(path, { ...options(binding), readonly: true, fileMustExist: true, timeout: 1000 })
  db.pragma(`cache_size = -${CACHE_KIB}`)
  return db
}

/** Opens a private copy of a file and its WAL (see salvage.ts). */
export function openCopy(path: string, binding: Binding): Db {
  const db = new Database(path, { ...options(binding), fileMustExist: true })
  db.pragma('locking_mode = EXCLUSIVE')
  return db
}

/**
 * Whether another connection, in this process or another, holds the file. Changes nothing: a read-only
 * connection in exclusive mode is refused either way, and the way tells who refused it.
 */
export function isHeld(path: string, binding: Binding): boolean {
  const db = new Database(path, { ...options(binding), readonly: true, fileMustExist: true })
  try {
    db.pragma('locking_mode = EXCLUSIVE')
    db.prepare('SELECT count(*) FROM sqlite_master').get()
    return false
  } catch (error) {
    return codeOf(error) === 'SQLITE_BUSY'
  } finally {
    db.close()
  }
}

export function assertFull(db: Db): void {
  const level = db.pragma('synchronous', { simple: true })
  if (level !== FULL) {
    throw new LogError(
      'E_LOG_UNKNOWN',
      `synchronous is ${level}, not FULL: commits may not survive a power cut`,
    )
  }
}

function assertSqliteVersion(db: Db): void {
  const { v } = db.prepare('SELECT sqlite_version() AS v').get() as { v: string }
  const parts = v.split('.').map(Number)
  const older = OLDEST_SQLITE.findIndex((wanted, i) => (parts[i] ?? 0) !== wanted)
  if (older >= 0 && (parts[older] ?? 0) < (OLDEST_SQLITE[older] ?? 0)) {
    throw new LogError('E_LOG_IO', `SQLite ${v} is too old: ${OLDEST_SQLITE.join('.')} or newer is needed`)
  }
}

/** Makes an empty file one of this format, step by step. A format may have brought nothing to the tables. */
export function migrate(db: Db, format: number): void {
  const present = db.pragma('user_version', { simple: true }) as number
  for (let number = present + 1; number <= format; number++) {
    const sql = migrations.find((migration) => migration.number === number)?.sql
    db.transaction(() => {
      if (sql !== undefined) db.exec(sql)
      db.pragma(`user_version = ${number}`)
      db.pragma(`application_id = ${APPLICATION_ID}`)
    })()
  }
}

export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** What a failure before COMMIT means to the caller. Nothing was appended. */
export function refusal(error: unknown): LogError {
  if (error instanceof LogError) return error
  const code = codeOf(error)
  const cause = { cause: error }
  if (code === 'SQLITE_FULL' || code === 'ENOSPC' || code === 'EDQUOT') {
    return new LogError('E_LOG_FULL', 'no space left for the event log', cause)
  }
  if (code === 'SQLITE_BUSY' || code === 'SQLITE_LOCKED') {
    return new LogError('E_LOG_LOCKED', 'another process holds the event log', cause)
  }
  if (code.startsWith('SQLITE_READONLY') || code === 'EROFS' || code === 'EACCES') {
    return new LogError('E_LOG_READ_ONLY', 'the event log is on a read-only file system', cause)
  }
  if (code.startsWith('SQLITE_CORRUPT') || code === 'SQLITE_NOTADB' || code.startsWith('SQLITE_CONSTRAINT')) {
    return new LogError('E_LOG_DAMAGED', `the event log is damaged: ${messageOf(error)}`, cause)
  }
  return new LogError('E_LOG_IO', `the event log cannot be used: ${messageOf(error)}`, cause)
}
