/**
 * The three calls to the C library that Node does not offer, bound with koffi: who is at the other end of a
 * Unix socket (SO_PEERCRED, SO_PEERPIDFD), whether a pidfd's process still lives, and an advisory lock.
 *
 * Constants are those of Linux's generic ABI (x86-64, arm64), asserted on load. Nothing else in the
 * project may import koffi.
 */
import koffi from 'koffi'

const SOL_SOCKET = 1
const SO_PEERCRED = 17
const SO_PEERPIDFD = 77
const LOCK_EX = 2
const LOCK_NB = 4
const EWOULDBLOCK = 11

if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) {
  throw new Error(`peer credentials need Linux on x64 or arm64, not ${process.platform} on ${process.arch}`)
}

const libc = koffi.load('libc.so.6')
const getsockopt = libc.func('int getsockopt(int fd, int level, int name, void *value, void *length)')
const pidfdSendSignal = bindPidfdSendSignal()
const flock = libc.func('int flock(int fd, int operation)')

export type Credentials = { pid: number; uid: number; gid: number }

/**
 * The credentials that the kernel noted when the peer connected.
 *
 * @throws when the kernel does not answer: the caller must refuse the connection
 * @source unix(7) SO_PEERCRED
 */
export function peerCredentials(fd: number): Credentials {
  const value = option(fd, SO_PEERCRED, 12)
  if (value === null) throw new Error(`getsockopt(SO_PEERCRED) failed: errno ${koffi.errno()}`)
  return { pid: value.readInt32LE(0), uid: value.readUInt32LE(4), gid: value.readUInt32LE(8) }
}

/** A pidfd of the peer (Linux ≥ 6.5), which its pid's reuse cannot fool; null when there is none. The caller closes it. */
export function peerPidfd(fd: number): number | null {
  return option(fd, SO_PEERPIDFD, 4)?.readInt32LE(0) ?? null
}

/** Whether the process behind a pidfd is still there, so that its pid still means that process. */
export function isAlive(pidfd: number): boolean {
  return pidfdSendSignal !== null && pidfdSendSignal(pidfd, 0, null, 0) === 0
}

/** Takes an exclusive lock that the kernel drops when the process dies. False when another process holds it. */
export function tryLock(fd: number): boolean {
  if (flock(fd, LOCK_EX | LOCK_NB) === 0) return true
  const errno = koffi.errno()
  if (errno === EWOULDBLOCK) return false
  throw new Error(`flock failed: errno ${errno}`)
}

function option(fd: number, name: number, bytes: number): Buffer | null {
  const value = Buffer.alloc(bytes)
  const length = Buffer.alloc(4)
  length.writeUInt32LE(bytes)
  if (getsockopt(fd, SOL_SOCKET, name, value, length) !== 0) return null
  return length.readUInt32LE(0) === bytes ? value : null
}

/** glibc has it since 2.36; without it, the start time alone guards against a reused pid. */
function bindPidfdSendSignal(): ((fd: number, signal: number, info: null, flags: number) => number) | null {
  try {
    return libc.func('int pidfd_send_signal(int fd, int signal, void *info, unsigned int flags)')
  } catch {
    return null
  }
}
