/**
 * Claims the path of the daemon's socket and listens there, mode 0600 from its first moment.
 *
 * A file that a dead daemon left behind is removed; a live daemon's never is. Two daemons that start at
 * once are told apart by a lock on `<path>.lock`, which the kernel drops when its holder dies, so there is
 * no moment at which one can remove the other's fresh socket. The lock file itself stays.
 */
import {
  closeSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { connect, type Server } from 'node:net'
import { dirname } from 'node:path'
import { tryLock } from './libc.ts'

/** Reaches the socket only for its owner, while others may look for it in the directory. */
const DIRECTORY_MODE = 0o711
/** With it, bind(2) makes the socket 0600. */
const SOCKET_UMASK = 0o177

/**
 * @param path  of the socket; its directory is made (0711) when missing
 * @returns     releases the lock; call it after the server is closed
 * @throws      when a live daemon listens there, or something else than a socket lies there
 */
export async function listenAt(server: Server, path: string): Promise<() => void> {
  mkdirSync(dirname(path), { recursive: true, mode: DIRECTORY_MODE })
  const lock = takeLock(path)
  try {
    await removeStale(path)
    await bind(server, path)
  } catch (error) {
    closeSync(lock)
    throw error
  }
  return () => closeSync(lock)
}

function takeLock(path: string): number {
  const file = `${path}.lock`
  const lock = openSync(file, 'a+', 0o600)
  try {
    if (!tryLock(lock)) {
      const holder = readFileSync(file, 'utf8').trim()
      throw new Error(`another osctld (pid ${holder}) already serves ${path}`)
    }
    ftruncateSync(lock)
    writeSync(lock, `${process.pid}\n`)
  } catch (error) {
    closeSync(lock)
    throw error
  }
  return lock
}

async function removeStale(path: string): Promise<void> {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return
  if (!stat.isSocket()) throw new Error(`${path} exists and is not a socket`)
  if (await answers(path)) throw new Error(`another daemon already serves ${path}`)
  unlinkSync(path)
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect({ path })
    probe.once('connect', () => {
      probe.destroy()
      resolve(true)
    })
    probe.once('error', () => resolve(false))
  })
}

/** listen() on a path binds before it returns, so the umask is narrowed for that call alone. */
function bind(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    const before = process.umask(SOCKET_UMASK)
    try {
      server.listen({ path }, () => {
        server.off('error', reject)
        resolve()
      })
    } finally {
      process.umask(before)
    }
  })
}
