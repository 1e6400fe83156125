/**
 * What the words of ZFS and LXC mean for the engine. The message of a HostError is their own, on one line;
 * code and class are ours. The first rule that matches wins.
 */
import type { FailureClass } from '../../events/types/intents.ts'
import { HostError, type HostErrorCode } from '../host.ts'

const RULES: readonly (readonly [RegExp, HostErrorCode, FailureClass])[] = [
  [/incomplete stream|invalid stream|checksum mismatch or incomplete|bad magic/i, 'E_BAD_IMAGE', 'permanent'],
  [/no such pool|does not exist|could not find any snapshots/i, 'E_NOT_FOUND', 'permanent'],
  [/dependent clones|has children|has dependent/i, 'E_REFUSED', 'permanent'],
  [/already exists|dataset with that name exists/i, 'E_EXISTS', 'permanent'],
  [/ is busy|device or resource busy|target is busy|too many open/i, 'E_BUSY', 'transient'],
  [/out of space|no space left|quota exceeded|exceeds quota|not enough space/i, 'E_NO_SPACE', 'permanent'],
  [/read-only/i, 'E_READ_ONLY', 'permanent'],
  [/currently suspended|i\/o error|input\/output error/i, 'E_IO', 'transient'],
  [/temporarily unavailable|try again|interrupted system call/i, 'E_BUSY', 'transient'],
  [/cannot allocate memory|out of memory/i, 'E_FAILED', 'transient'],
]

/**
 * Classifies what a program said when it failed.
 *
 * @pure
 */
export function classify(message: string): { code: HostErrorCode; failure: FailureClass } {
  for (const [pattern, code, failure] of RULES) if (pattern.test(message)) return { code, failure }
  return { code: 'E_FAILED', failure: 'permanent' }
}

const MESSAGE_MAX = 400

/**
 * Joins a program's lines into one of at most 400 characters, control characters replaced.
 *
 * @pure
 */
export function oneLine(text: string): string {
  const line = text
    .split('\n')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .join('; ')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: what a program prints may hold any
    .replace(/[\u0000-\u001f\u007f]/g, '?')
  return line.length > MESSAGE_MAX ? `${line.slice(0, MESSAGE_MAX - 1)}…` : line
}

/** The HostError for a program that ended badly, in its own words. */
export function programError(program: string, said: string, ended: string): HostError {
  const message = oneLine(said)
  const { code, failure } = classify(message)
  return new HostError(
    code,
    failure,
    message === '' ? `${program} failed without a word (${ended})` : message,
  )
}

const ERRNO: Readonly<Record<string, readonly [HostErrorCode, FailureClass]>> = {
  ENOENT: ['E_NOT_FOUND', 'permanent'],
  EEXIST: ['E_EXISTS', 'permanent'],
  EBUSY: ['E_BUSY', 'transient'],
  EAGAIN: ['E_BUSY', 'transient'],
  ENOSPC: ['E_NO_SPACE', 'permanent'],
  EDQUOT: ['E_NO_SPACE', 'permanent'],
  EROFS: ['E_READ_ONLY', 'permanent'],
  EIO: ['E_IO', 'transient'],
}

export const errnoOf = (error: unknown): string | null =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null

/** Turns what a system call threw into a HostError; a HostError passes unchanged. */
export function systemError(error: unknown, what: string): HostError {
  if (error instanceof HostError) return error
  const [code, failure] = ERRNO[errnoOf(error) ?? ''] ?? ['E_FAILED', 'permanent']
  const reason = error instanceof Error ? error.message : String(error)
  return new HostError(code, failure, oneLine(`${what}: ${reason}`), { cause: error })
}

/** Throws HostError unless `error` is the named errno. */
export function unless(errno: string, error: unknown, what: string): void {
  if (errnoOf(error) !== errno) throw systemError(error, what)
}
