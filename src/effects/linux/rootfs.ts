/**
 * Writing into a container's root file system from the host (DESIGN D17).
 *
 * Whatever is in there was put there by the container: `etc` may be a symlink to the host's /etc, `hostname`
 * a fifo, a device, or a hard link to something else of the container's. So no path of it is ever resolved by
 * the kernel as a whole. Each part is opened from its parent's descriptor (`/proc/self/fd/N/part`) with
 * O_NOFOLLOW and must lie on the same file system: what openat2(2) calls BENEATH, NO_SYMLINKS, NO_XDEV. The
 * new file is written beside the old one and renamed over it, which replaces a name and follows nothing; a
 * `hostname` that is not a plain file is the container's own business and is left alone.
 *
 * Only for a container that is stopped. All calls are asynchronous: a suspended pool blocks one of libuv's
 * threads and not the daemon.
 */
import { constants } from 'node:fs'
import { type FileHandle, lstat, open, readFile, rename, unlink } from 'node:fs/promises'
import { errnoOf, systemError } from './errors.ts'

export type Written = 'written' | 'same' | { skipped: string }

const DIRECTORY = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW
const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW
const OLD_FILE = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
const NOT_A_DIRECTORY = new Set(['ENOENT', 'ENOTDIR', 'ELOOP'])
const MAX_BYTES = 4096

async function writeNew(
  directory: FileHandle,
  name: string,
  text: string,
  like: { mode: number; uid: number; gid: number },
) {
  const at = `/proc/self/fd/${directory.fd}`
  const temporary = `${at}/.${name}.osctl`
  await unlink(temporary).catch(() => undefined)
  const file = await open(temporary, NEW_FILE, 0o600)
  try {
    await file.writeFile(text)
    await file.chown(like.uid, like.gid)
    await file.chmod(like.mode & 0o777)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(temporary, `${at}/${name}`)
}

async function replace(directory: FileHandle, name: string, text: string): Promise<Written> {
  const path = `/proc/self/fd/${directory.fd}/${name}`
  const seen = await lstat(path).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return null
    throw error
  })
  const owner = await directory.stat()
  if (seen === null) {
    await writeNew(directory, name, text, { mode: 0o644, uid: owner.uid, gid: owner.gid })
    return 'written'
  }
  if (!seen.isFile()) return { skipped: 'it is not a regular file' }
  if (seen.nlink !== 1) return { skipped: `it has ${seen.nlink} names` }
  if ((seen.mode & 0o200) === 0) return { skipped: 'its owner may not write it' }
  if (seen.size <= MAX_BYTES) {
    const old = await open(path, OLD_FILE)
    try {
      if ((await old.stat()).isFile() && (await readFile(old, 'utf8')) === text) return 'same'
    } finally {
      await old.close()
    }
  }
  await writeNew(directory, name, text, seen)
  return 'written'
}

/**
 * Writes one small text file two levels below a hostile directory, `<top>/<directory>/<name>`.
 *
 * @param top a directory that the container cannot replace (`<dataset>/private`)
 * @returns what was done; `skipped` says why the container's file was left alone
 * @throws E_NO_SPACE, E_READ_ONLY, E_IO
 * @idempotent equal text is left alone
 */
export async function writeInRootfs(
  top: string,
  directory: string,
  name: string,
  text: string,
): Promise<Written> {
  const opened: FileHandle[] = []
  try {
    const root = await open(top, DIRECTORY)
    opened.push(root)
    const inner = await open(`/proc/self/fd/${root.fd}/${directory}`, DIRECTORY).catch((error: unknown) => {
      if (NOT_A_DIRECTORY.has(errnoOf(error) ?? '')) return null
      throw error
    })
    if (!inner) return { skipped: `/${directory} is not a directory` }
    opened.push(inner)
    if ((await inner.stat()).dev !== (await root.stat()).dev)
      return { skipped: `/${directory} is another file system` }
    return await replace(inner, name, text)
  } catch (error) {
    throw systemError(error, `cannot write /${directory}/${name} below ${top}`)
  } finally {
    for (const handle of opened) await handle.close()
  }
}
