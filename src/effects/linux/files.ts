/** Whole files, written so that a crash leaves the old one or the new one. */
import { chmod, mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { errnoOf, systemError } from './errors.ts'

/** @returns text of a file, null when it is not there */
export async function readText(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null
    throw systemError(error, `cannot read ${path}`)
  }
}

async function sync(directory: string): Promise<void> {
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/**
 * Writes a file of the host by temporary file, fsync and rename, when its text differs.
 *
 * Only for directories that no container can write to.
 *
 * @returns whether it was written
 * @idempotent equal text is left alone
 */
export async function writeWhole(path: string, text: string, mode: number): Promise<boolean> {
  if ((await readText(path)) === text) return false
  const temporary = `${path}.osctl-new`
  const file = await open(temporary, 'w', mode)
  try {
    await file.writeFile(text)
    await file.chmod(mode)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(temporary, path)
  await sync(dirname(path))
  return true
}

/** Makes directories of the host with exactly these modes, whatever the umask is. */
export async function makeDirectories(modes: Readonly<Record<string, number>>): Promise<void> {
  for (const [path, mode] of Object.entries(modes)) {
    await mkdir(path, { recursive: true, mode })
    await chmod(path, mode)
  }
}
