/**
 * The files of a log and their names: `log.db` is the open segment, `log.<n>.db` are sealed, `log.next.db`
 * is a segment under construction and means nothing until it is renamed.
 *
 * `log.db` never vanishes: sealing gives it its second name by a hard link and then renames the next
 * segment over the first name. Whatever stands in `log.next.db` when a log is opened was never published
 * and is removed.
 */
import {
  accessSync,
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { evidenceName, LogError } from '../store.ts'
import { codeOf } from './connection.ts'

/** Holds the label of a recovery that was decided. */
const RECOVERY = 'log.recovery'
const SEALED = /^log\.([1-9]\d{0,8})\.db$/

export class LogDirectory {
  readonly path: string
  constructor(path: string) {
    this.path = path
  }

  get open(): string {
    return join(this.path, 'log.db')
  }
  get wal(): string {
    return join(this.path, 'log.db-wal')
  }
  get next(): string {
    return join(this.path, 'log.next.db')
  }
  sealed(number: number): string {
    return join(this.path, `log.${number}.db`)
  }

  /** @throws E_LOG_MISSING when there is no directory, or when it is not the mount point that it must be */
  assertPresent(mustBeMountPoint: boolean): void {
    const stats = statOf(this.path)
    if (!stats?.isDirectory()) throw new LogError('E_LOG_MISSING', `${this.path}: no such directory`)
    if (mustBeMountPoint && statOf(dirname(this.path))?.dev === stats.dev) {
      throw new LogError('E_LOG_MISSING', `${this.path}: the dataset of the event log is not mounted`)
    }
  }

  isWritable(): boolean {
    try {
      accessSync(this.path, constants.W_OK)
      return true
    } catch {
      return false
    }
  }

  hasOpen(): boolean {
    return existsSync(this.open)
  }

  /** Numbers of the sealed segments, ascending. */
  sealedNumbers(): number[] {
    return readdirSync(this.path)
      .map((name) => SEALED.exec(name)?.[1])
      .filter((number) => number !== undefined)
      .map(Number)
      .sort((a, b) => a - b)
  }

  /** The number that the open segment has, or would have. */
  openNumber(): number {
    return (this.sealedNumbers().at(-1) ?? 0) + 1
  }

  removeNext(): void {
    for (const suffix of ['', '-wal', '-journal', '-shm']) rmSync(this.next + suffix, { force: true })
  }

  /** Gives the open file its sealed name too. */
  linkSealed(number: number): void {
    linkSync(this.open, this.sealed(number))
    this.sync()
  }

  publishNext(): void {
    renameSync(this.next, this.open)
    this.sync()
  }

  /** A crash between link and rename leaves the open file with both names: takes the sealed one back. */
  removeLinkOfOpen(number: number): void {
    const sealed = statOf(this.sealed(number))
    if (sealed === undefined || sealed.ino !== statOf(this.open)?.ino) return
    rmSync(this.sealed(number))
    this.sync()
  }

  /** Keeps a copy of the WAL. Called again for the same state, it changes nothing. */
  keepWal(label: string): string {
    const name = `log.torn-${label}.wal`
    if (!existsSync(join(this.path, name))) copyFileSync(this.wal, join(this.path, name))
    return name
  }

  /** Label of the recovery that was decided and is not over; null when there is none. */
  recovery(): string | null {
    try {
      return readFileSync(join(this.path, RECOVERY), 'utf8')
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return null
      throw error
    }
  }

  /** From here on the recovery is finished whenever the log is opened. */
  decideRecovery(label: string): void {
    const marker = join(this.path, RECOVERY)
    writeFileSync(`${marker}.new`, label, { flush: true })
    renameSync(`${marker}.new`, marker)
    this.sync()
  }

  /** Gives the damaged file a second name, and its write-ahead log that name alone. Again, it changes nothing. */
  keepDamaged(label: string): void {
    const kept = join(this.path, evidenceName(label))
    if (this.hasOpen() && !existsSync(kept)) linkSync(this.open, kept)
    if (existsSync(this.wal)) renameSync(this.wal, `${kept}-wal`)
    this.sync()
  }

  endRecovery(): void {
    rmSync(join(this.path, RECOVERY), { force: true })
    this.sync()
  }

  hasNext(): boolean {
    return existsSync(this.next)
  }

  removeSealed(number: number): void {
    rmSync(this.sealed(number), { force: true })
  }

  /** Makes the names themselves durable. */
  sync(): void {
    const fd = openSync(this.path, constants.O_RDONLY | constants.O_DIRECTORY)
    try {
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
  }
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path)
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined
    throw error
  }
}
