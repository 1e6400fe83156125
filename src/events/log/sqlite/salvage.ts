/**
 * Reading a log that must not be touched: on a read-only file system, where SQLite cannot open a file in
 * WAL mode, or with a broken WAL, which SQLite would cut and delete. Both files are copied to a scratch
 * directory (a tmpfs on the live system) and opened there.
 */
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type Binding, type Db, openCopy } from './connection.ts'
import type { LogDirectory } from './directory.ts'

export type Salvaged = { readonly db: Db; readonly remove: () => void }

export function salvage(directory: LogDirectory, scratch: string, binding: Binding): Salvaged {
  const dir = mkdtempSync(join(scratch, 'osctl-log-'))
  const remove = (): void => rmSync(dir, { recursive: true, force: true })
  try {
    const copy = join(dir, 'log.db')
    copyFileSync(directory.open, copy)
    if (existsSync(directory.wal)) copyFileSync(directory.wal, `${copy}-wal`)
    return { db: openCopy(copy, binding), remove }
  } catch (error) {
    remove()
    throw error
  }
}
