/**
 * Who is at the other end of a connection (DESIGN D15, the *verified* half of an actor).
 *
 * The kernel notes uid, gid and pid when the peer connects. The rest is read from /proc/<pid>, which is
 * only true while that pid still means that process: a pidfd of the peer proves it where the kernel gives
 * one (Linux ≥ 6.5); else the process must have started before we accepted it, and must have the same start
 * time after we read as before. A process that is gone, or cannot be proved, leaves those fields null; its
 * uid and gid stand, since they come from the kernel. Without credentials there is no connection at all.
 */
import { closeSync, readFileSync, readlinkSync } from 'node:fs'
import type { Socket } from 'node:net'
import type { VerifiedActor } from '../events/types/actor.ts'
import { type Credentials, isAlive, peerCredentials, peerPidfd } from './libc.ts'

/** `(uid_t) -1`: the audit subsystem's word for "nobody logged in". */
const LOGINUID_UNSET = 4_294_967_295
/** USER_HZ, fixed at 100 for user space on every architecture we run on. proc(5). */
const TICKS_PER_SECOND = 100

type ProcessFacts = Pick<VerifiedActor, 'start' | 'loginuid' | 'exe' | 'tty'>
const UNKNOWN: ProcessFacts = { start: null, loginuid: null, exe: null, tty: null }

/**
 * Identifies the peer of a socket that was just accepted.
 *
 * @throws when the descriptor or the kernel's answer is not what it must be: refuse the connection
 */
export function identifyPeer(socket: Socket): VerifiedActor {
  const fd = descriptorOf(socket)
  const credentials = peerCredentials(fd)
  return { ...credentials, ...processFacts(fd, credentials) }
}

/** `_handle.fd` is not documented: anything but a descriptor fails closed. */
function descriptorOf(socket: Socket): number {
  const handle: unknown = Reflect.get(socket, '_handle')
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined
  if (typeof fd !== 'number' || !Number.isInteger(fd) || fd < 0) {
    throw new Error('the socket has no file descriptor: this Node version is not supported')
  }
  return fd
}

function processFacts(fd: number, { pid }: Credentials): ProcessFacts {
  if (pid <= 0) return UNKNOWN
  const pidfd = peerPidfd(fd)
  try {
    const start = startTime(pid)
    if (start === null) return UNKNOWN
    const facts = { start, loginuid: loginUid(pid), exe: link(`/proc/${pid}/exe`), tty: terminal(pid) }
    const proved = pidfd === null ? start <= uptimeTicks() && startTime(pid) === start : isAlive(pidfd)
    return proved ? facts : UNKNOWN
  } finally {
    if (pidfd !== null) closeSync(pidfd)
  }
}

/** Field 22 of /proc/<pid>/stat; the command in field 2 may hold blanks and parentheses. */
function startTime(pid: number): number | null {
  const text = read(`/proc/${pid}/stat`)
  const field = text?.slice(text.lastIndexOf(')') + 2).split(' ')[19]
  return field === undefined ? null : toInteger(field)
}

function loginUid(pid: number): number | null {
  const uid = toInteger(read(`/proc/${pid}/loginuid`) ?? '')
  return uid === LOGINUID_UNSET ? null : uid
}

function terminal(pid: number): string | null {
  const target = link(`/proc/${pid}/fd/0`)
  return target !== null && /^\/dev\/(pts\/\d+|tty\w*|hvc\d+|console)$/.test(target) ? target : null
}

function uptimeTicks(): number {
  const seconds = Number((read('/proc/uptime') ?? '').split(' ')[0])
  return Number.isFinite(seconds) ? Math.ceil(seconds * TICKS_PER_SECOND) : -1
}

function toInteger(text: string): number | null {
  return /^\d+\n?$/.test(text) ? Number.parseInt(text, 10) : null
}

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}

function link(path: string): string | null {
  try {
    return readlinkSync(path)
  } catch {
    return null
  }
}
