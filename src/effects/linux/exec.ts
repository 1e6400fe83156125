/**
 * Every process that the daemon starts on a real host is started here.
 *
 * A *query* reads: its output comes over a pipe and it dies with its time-out. The process of an *effect* may
 * outlive the daemon, so nothing of the daemon's may hurt it: it is detached, in a process group of its own,
 * and its output goes to files, for a pipe without reader would kill it with SIGPIPE in the middle of its
 * work, and a full one would stop it. It is in the cgroup of its intent before its first own instruction: a
 * shell puts itself there and then becomes the program (the shell's text is constant, the arguments are
 * arguments). So whatever a crash leaves behind, `fence` finds it.
 *
 * Arguments are visible to every user of the host: a secret goes to `stdin` and nowhere else.
 */
import { closeSync, openSync } from 'node:fs'
import { mkdir, open, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa, type Options } from 'execa'
import { type Fence, HostError } from '../host.ts'
import { programError } from './errors.ts'
import type { Fences } from './fence.ts'

export type Ended = { stdout: string; stderr: string; exitCode: number | null; signal: string | null }

export type Command = {
  readonly argv: readonly [string, ...string[]]
  readonly timeoutMs?: number
  readonly stdin?: string
  readonly env?: Readonly<Record<string, string>>
  /** Exit codes that are not failures. */
  readonly accept?: readonly number[]
  /** Names in the effect's directory that the program may leave behind: removed when it ended. */
  readonly scratch?: readonly string[]
}

const QUERY_TIMEOUT_MS = 60_000
const QUERY_MAX_BYTES = 64 * 1024 * 1024
const EFFECT_TIMEOUT_MS = 24 * 3600_000
/** What is kept of an effect's output: its end, where programs say why they failed. */
const OUTPUT_TAIL_BYTES = 64 * 1024
/** How long a process may take to die of SIGKILL before it is given up (it hangs in the kernel). */
const DYING_MS = 5_000

const environment = (extra: Readonly<Record<string, string>> = {}): Record<string, string> => ({
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C',
  HOME: '/root',
  ...extra,
})

type Deadline = { readonly ended: Promise<never>; stop(): void }

/** Rejects after the time-out or the abort, when `kill` was called and the process had time to die. */
function deadline(
  program: string,
  timeoutMs: number,
  signal: AbortSignal | undefined,
  kill: () => void,
): Deadline {
  const { promise, reject } = Promise.withResolvers<never>()
  let dying: NodeJS.Timeout | undefined
  const end = (error: HostError): void => {
    kill()
    dying = setTimeout(() => reject(error), DYING_MS)
  }
  const late = new HostError('E_TIMEOUT', 'transient', `${program} did not end within ${timeoutMs / 1000} s`)
  const timer = setTimeout(() => end(late), Math.min(timeoutMs, 2 ** 31 - 1))
  const aborted = (): void => end(new HostError('E_ABORTED', 'cancelled', `${program} was cancelled`))
  if (signal?.aborted) aborted()
  else signal?.addEventListener('abort', aborted, { once: true })
  return {
    ended: promise,
    stop: () => {
      clearTimeout(timer)
      clearTimeout(dying)
      signal?.removeEventListener('abort', aborted)
    },
  }
}

const killGroup = (pid: number | undefined): void => {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  } catch {
    // The group ended by itself.
  }
}

type Spawned = { exitCode: number | null; signal: string | null; stdout: string; stderr: string }

async function spawn(
  argv: readonly string[],
  options: Options,
  command: Command,
  signal?: AbortSignal,
): Promise<Spawned> {
  const [file = '', ...args] = argv
  const program = command.argv[0]
  const child = execa(file, args, {
    ...options,
    detached: true,
    cleanup: false,
    reject: false,
    extendEnv: false,
    env: environment(command.env),
    stripFinalNewline: true,
  })
  let cut: HostError | undefined
  const timeoutMs = command.timeoutMs ?? QUERY_TIMEOUT_MS
  const limit = deadline(program, timeoutMs, signal, () => {
    cut = signal?.aborted
      ? new HostError('E_ABORTED', 'cancelled', `${program} was cancelled`)
      : new HostError('E_TIMEOUT', 'transient', `${program} did not end within ${timeoutMs / 1000} s`)
    killGroup(child.pid)
  })
  try {
    const result = await Promise.race([child, limit.ended])
    if (cut) throw cut
    if (result.code !== undefined)
      throw new HostError('E_FAILED', 'permanent', `cannot run ${program}: ${result.code}`)
    const text = (value: unknown): string => (typeof value === 'string' ? value : '')
    return {
      exitCode: result.exitCode ?? null,
      signal: result.signal ?? null,
      stdout: text(result.stdout),
      stderr: text(result.stderr),
    }
  } finally {
    limit.stop()
  }
}

function settle(command: Command, ended: Ended): Ended {
  const accepted = command.accept ?? [0]
  if (ended.exitCode !== null && accepted.includes(ended.exitCode)) return ended
  const how = ended.signal === null ? `exit status ${ended.exitCode}` : `killed by ${ended.signal}`
  throw programError(command.argv[0], ended.stderr === '' ? ended.stdout.slice(-2000) : ended.stderr, how)
}

/**
 * Runs a program that only reads, and returns what it printed.
 *
 * @throws E_TIMEOUT (transient), E_ABORTED, or what `classify` makes of the program's words
 */
export async function query(command: Command, signal?: AbortSignal): Promise<Ended> {
  const stdin = command.stdin === undefined ? { stdin: 'ignore' as const } : { input: command.stdin }
  return settle(command, await spawn(command.argv, { ...stdin, maxBuffer: QUERY_MAX_BYTES }, command, signal))
}

/** `$1` is the cgroup; what follows is the program. 125 tells a failed fence from a failed program. */
const ENTER = 'echo 0 >"$1/cgroup.procs" || exit 125; shift; exec "$@"'

async function tail(path: string): Promise<string> {
  const file = await open(path, 'r')
  try {
    const { size } = await file.stat()
    const buffer = Buffer.alloc(Math.min(size, OUTPUT_TAIL_BYTES))
    await file.read(buffer, 0, buffer.length, size - buffer.length)
    return buffer.toString('utf8')
  } finally {
    await file.close()
  }
}

export type EffectRunner = (command: Command, fence: Fence) => Promise<Ended>

let serial = 0

/**
 * Makes the runner of effects' processes.
 *
 * @returns a function that runs one program inside the cgroup of the fence's intent and waits for it.
 *          On time-out or abort the whole cgroup is killed, not only the program's group.
 */
export function effectRunner(fences: Fences): EffectRunner {
  return async (command, fence) => {
    if (fence.signal.aborted)
      throw new HostError('E_ABORTED', 'cancelled', `${command.argv[0]} was cancelled`)
    const { cgroup, directory } = await fences.enter(fence.intent)
    const base = join(directory, `${++serial}`)
    const files = { in: `${base}.in`, out: `${base}.out`, err: `${base}.err` }
    const fds: number[] = []
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 })
      if (command.stdin !== undefined) await writeFile(files.in, command.stdin, { mode: 0o600 })
      fds.push(openSync(command.stdin === undefined ? '/dev/null' : files.in, 'r'))
      fds.push(openSync(files.out, 'wx', 0o600), openSync(files.err, 'wx', 0o600))
      const argv = ['/bin/sh', '-c', ENTER, 'osctl-effect', cgroup, ...command.argv]
      const timed = { ...command, timeoutMs: command.timeoutMs ?? EFFECT_TIMEOUT_MS }
      const cancel = (): void => void fences.kill(fence.intent).catch(() => undefined)
      fence.signal.addEventListener('abort', cancel, { once: true })
      try {
        const ended = await spawn(
          argv,
          { stdio: [fds[0], fds[1], fds[2]], buffer: false } as Options,
          timed,
          fence.signal,
        )
        const [stdout, stderr] = await Promise.all([tail(files.out), tail(files.err)])
        return settle(command, { ...ended, stdout, stderr })
      } catch (error) {
        if (error instanceof HostError && error.code === 'E_TIMEOUT') cancel()
        throw error
      } finally {
        fence.signal.removeEventListener('abort', cancel)
      }
    } finally {
      for (const fd of fds) closeSync(fd)
      const left = (command.scratch ?? []).map((name) => join(directory, name))
      await Promise.all(
        [...Object.values(files), ...left].map((file) => rm(file, { recursive: true, force: true })),
      )
      await fences.leave(fence.intent)
    }
  }
}
