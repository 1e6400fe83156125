/** Going down directories that somebody else may change meanwhile. */
import { constants } from 'node:fs'
import { mkdir, open } from 'node:fs/promises'
import { HostError } from '../host.ts'
import { unless } from './errors.ts'

/**
 * Makes directories below a mount point without following a symlink: each step opens the next part by its
 * parent's descriptor. `/proc/self/fd/N/name` is openat(2) as far as Node can say it.
 */
export async function makeDirectory(top: string, path: string, mode: number): Promise<void> {
  const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW
  let at = await open(top, flags)
  try {
    for (const name of path.split('/')) {
      if (name === '.') continue
      if (name === '' || name === '..')
        throw new HostError('E_FAILED', 'permanent', `not a relative path: ${path}`)
      const next = `/proc/self/fd/${at.fd}/${name}`
      await mkdir(next, 0o700).catch((error: unknown) =>
        unless('EEXIST', error, `cannot make ${top}/${path}`),
      )
      const opened = await open(next, flags)
      await at.close()
      at = opened
    }
    await at.chown(0, 0)
    await at.chmod(mode)
  } finally {
    await at.close()
  }
}
