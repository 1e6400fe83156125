/**
 * A command in a container, on our own terminal: the daemon says how, we run it as our child (DESIGN D12),
 * pass on its exit status, and report the end. No byte of it goes through the daemon.
 *
 * The child has our descriptors. On a terminal it gets the keyboard's signals itself; a signal sent to us
 * alone is passed on. A child that was killed may leave the terminal raw: its settings are put back.
 */
import { spawn, spawnSync } from 'node:child_process'
import type { Session } from '../rpc/results.ts'
import type { Invocation } from './invocation.ts'

const SIGNAL_BASE = 128
/** signal(7); those that end a process and are seen in practice. */
const SIGNALS: Partial<Record<NodeJS.Signals, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGPIPE: 13,
  SIGTERM: 15,
}
/** As a shell reports a program that it cannot start. */
const CANNOT_RUN = 127
const FROM_KEYBOARD: readonly NodeJS.Signals[] = ['SIGINT', 'SIGQUIT', 'SIGTSTP']
const PASSED_ON: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGCONT']

/**
 * Runs a session.
 *
 * @param more  arguments behind those of the session
 * @returns     the exit status: the child's, or 128 + the signal that killed it
 */
export async function runSession(
  invocation: Invocation,
  session: Session,
  more: readonly string[],
): Promise<number> {
  const { io, link } = invocation
  if (session.simulated) {
    io.err('error: the host is simulated: nothing can run in its containers\n')
    return await ended(invocation, session, CANNOT_RUN)
  }
  // It may last for days: the daemon need not hold a connection for it meanwhile.
  link.close()
  const terminal = io.isTerminal(0) ? saveTerminal() : null
  const status = await runChild(invocation, [...session.argv, ...more], session.env)
  if (terminal !== null) restoreTerminal(terminal)
  return await ended(invocation, session, status)
}

/** Reports the end; that it cannot be reported does not alter the status. */
async function ended({ io, link }: Invocation, session: Session, status: number): Promise<number> {
  try {
    await link.query('ct.session-ended', { session: session.session, status, meta: link.meta() })
  } catch (error) {
    io.err(
      `warning: the end of the session was not recorded: ${error instanceof Error ? error.message : error}\n`,
    )
  }
  return status
}

function runChild(
  invocation: Invocation,
  argv: readonly string[],
  env: Record<string, string>,
): Promise<number> {
  const { io } = invocation
  const [program = '', ...args] = argv
  const onTerminal = io.isTerminal(0)
  return new Promise((resolve) => {
    const forward = (signal: NodeJS.Signals) => child.kill(signal)
    const leave = () => undefined
    // Before the child is there: a signal right after its start would end osctl and leave the child behind.
    for (const signal of FROM_KEYBOARD) process.on(signal, onTerminal ? leave : forward)
    for (const signal of PASSED_ON) process.on(signal, forward)
    const child = spawn(program, args, { stdio: 'inherit', env: { ...invocation.env, ...env } })
    const done = (status: number) => {
      for (const signal of FROM_KEYBOARD) process.off(signal, onTerminal ? leave : forward)
      for (const signal of PASSED_ON) process.off(signal, forward)
      resolve(status)
    }
    child.once('error', (error) => {
      io.err(`error: cannot run ${program}: ${error.message}\n`)
      done(CANNOT_RUN)
    })
    child.once('exit', (code, signal) =>
      done(code ?? SIGNAL_BASE + (signal === null ? 0 : (SIGNALS[signal] ?? 0))),
    )
  })
}

/** The terminal's settings as stty(1) writes them; null when it cannot say. */
function saveTerminal(): string | null {
  const { status, stdout } = spawnSync('stty', ['-g'], {
    stdio: ['inherit', 'pipe', 'ignore'],
    encoding: 'utf8',
  })
  return status === 0 ? stdout.trim() : null
}

function restoreTerminal(settings: string): void {
  spawnSync('stty', [settings], { stdio: ['inherit', 'ignore', 'ignore'] })
}
