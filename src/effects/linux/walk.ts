/** Going down directories that somebody else may change meanwhile. */
import { constants } from 'node:fs'
import { type FileHandle, mkdir, open } from 'node:fs/promises'
import { HostError } from '../host.ts'
import { errnoOf, systemError, unless } from './errors.ts'

/** @throws E_REFUSED (refused) when something else than a directory has the name, a symlink above all */
async function openDirectory(at: string, path: string): Promise<FileHandle> {
  try {
    return await open(at, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW)
  } catch (error) {
    if (errnoOf(error) === 'ENOTDIR' || errnoOf(error) === 'ELOOP')
      throw new HostError('E_REFUSED', 'refused', `${path} is not a directory of its own`)
    throw systemError(error, `cannot open ${path}`)
  }
}

/** What is so already is not written: on a full pool it could not be. */
async function settle(directory: FileHandle, mode: number, path: string): Promise<void> {
  try {
    const seen = await directory.stat()
    if (seen.uid !== 0 || seen.gid !== 0) await directory.chown(0, 0)
    if ((seen.mode & 0o7777) !== mode) await directory.chmod(mode)
  } catch (error) {
    throw systemError(error, `cannot set owner and mode of ${path}`)
  }
}

/**
 * Makes directories below a mount point without following a symlink: each step opens the next part by its
 * parent's descriptor. `/proc/self/fd/N/name` is openat(2) as far as Node can say it.
 *
 * @throws E_REFUSED (refused) when the path leads out; E_NO_SPACE, E_READ_ONLY (permanent)
 */
export async function makeDirectory(top: string, path: string, mode: number): Promise<void> {
  let at = await openDirectory(top, top)
  try {
    for (const name of path.split('/')) {
      if (name === '.') continue
      if (name === '' || name === '..')
        throw new HostError('E_REFUSED', 'refused', `${top}: ${path} is not a directory of its own`)
      const next = `/proc/self/fd/${at.fd}/${name}`
      await mkdir(next, 0o700).catch((error: unknown) =>
        unless('EEXIST', error, `cannot make ${top}/${path}`),
      )
      const opened = await openDirectory(next, `${top}/${path}`)
      await at.close()
      at = opened
    }
    await settle(at, mode, `${top}/${path}`)
  } finally {
    await at.close()
  }
}
