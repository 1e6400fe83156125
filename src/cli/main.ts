/**
 * osctl: from a command line to an exit status.
 *
 * It is thin on purpose (DESIGN D12): it finds the command in the table (`commands/`, `resolve.ts`), builds
 * the parser of that one command (`parse.ts`), makes one round trip to the daemon (`link.ts`), and prints
 * (`output/`). It starts in the time that Node takes, so nothing is imported that this does not need, and
 * what few commands need (help, completion) is loaded by them.
 *
 * Exit status (vpsadminos §3.1): 0 done; 1 `error: …`; 64 the command line is wrong, with help; ping has
 * its own; exec and attach pass on that of the program; 130 the user stopped waiting.
 */
import { type Client, ConnectionError, socketPath } from '../rpc/client.ts'
import { RpcError } from '../rpc/errors.ts'
import { cliText } from './cli-text.ts'
import { root } from './commands/index.ts'
import { checkSelection, type Invocation } from './invocation.ts'
import { type Io, OutputClosed } from './io.ts'
import { Link } from './link.ts'
import type { Options } from './options.ts'
import { harmless } from './output/table.ts'
import { type Parsed, parseCommand, parseGlobals } from './parse.ts'
import { type Resolved, resolve, UnknownCommand } from './resolve.ts'
import { type CommandSpec, isGroup, type NodeSpec, optionsOf } from './spec.ts'
import { CommandError, UsageError } from './usage-error.ts'
import { version } from './version.ts'

const RUNTIME_ERROR = 1
const USAGE_ERROR = 64
const KEY_MIN = 8
const KEY_MAX = 100

/** Names under which osctl also goes: `ct ls` is `osctl ct ls`. */
const SHORTCUTS = ['ct', 'healthcheck', 'id-range', 'pool', 'repo', 'user']

/** @param program  the name that osctl was called by */
export async function main(
  program: string,
  argv: readonly string[],
  io: Io,
  env: NodeJS.ProcessEnv,
): Promise<number> {
  const words = SHORTCUTS.includes(program) ? [program, ...argv] : argv
  let path: readonly NodeSpec[] = []
  try {
    const { globals, rest } = await parseGlobals(words)
    if (globals.flag('version')) return say(io, `osctl ${version()}\n`)
    const resolved = resolve(root, rest)
    path = resolved.path
    return await dispatch(resolved, { globals, words, io, env })
  } catch (error) {
    if (error instanceof UsageError) {
      return await failUsage(io, error, error instanceof UnknownCommand ? error.path : path)
    }
    return fail(io, error, env)
  }
}

type Run = {
  readonly globals: Options
  readonly words: readonly string[]
  readonly io: Io
  readonly env: NodeJS.ProcessEnv
  readonly connect?: () => Promise<Client>
}

async function dispatch({ node, path, rest }: Resolved, run: Run): Promise<number> {
  const { globals, io } = run
  const wantsHelp = globals.flag('help') || (isGroup(node) && ['-h', '--help'].includes(rest[0] ?? ''))
  if (wantsHelp || (path.length === 0 && rest.length === 0)) return say(io, await help(path))
  if (isGroup(node)) {
    const [option] = rest
    throw new UsageError(
      option === undefined ? `command '${node.name}' requires a subcommand` : `unknown option '${option}'`,
    )
  }
  const parsed = await parseCommand(node, rest)
  if (parsed.options.flag('help')) return say(io, await help(path))
  return await runCommand(node, path, parsed, run)
}

async function runCommand(
  command: CommandSpec,
  path: readonly NodeSpec[],
  parsed: Parsed,
  { globals, words, io, env, connect }: Run,
): Promise<number> {
  const { args, options } = parsed
  const merged = parsed.globals.withDefaults(globals)
  checkKey(merged)
  checkLater(command, options, io)
  if (command.table !== undefined && options.flag('list')) {
    return say(io, command.table.columns.map(({ name }) => `${name}\n`).join(''))
  }
  const foreign = command.passThrough ? Math.max(0, args.length - (args[1] === '--' ? 3 : 2)) : 0
  const cli = cliText(words, foreign)
  const link = new Link({ socket: socketPath(env), io, globals: merged, env, cli, connect })
  const again: Invocation['again'] = async (inner, way) => {
    const { globals: own, rest } = await parseGlobals(inner)
    return await dispatch(resolve(root, rest), {
      globals: own.withDefaults(merged),
      words,
      io,
      env,
      connect: way,
    })
  }
  const invocation: Invocation = { root, command, path, args, options, globals: merged, io, link, env, again }
  try {
    checkSelection(invocation)
    return (await command.run(invocation)) ?? 0
  } finally {
    link.close()
  }
}

function checkKey(globals: Options): void {
  const key = globals.text('key')
  if (key === undefined || (key.length >= KEY_MIN && key.length <= KEY_MAX)) return
  throw new UsageError(`invalid value for --key: it has ${KEY_MIN} to ${KEY_MAX} characters`)
}

/** Options of the original that this one has not: an error, or a note where nothing hangs on it. */
function checkLater(command: CommandSpec, options: Options, io: Io): void {
  for (const { long, later } of optionsOf(command)) {
    if (later === undefined || !options.has(long)) continue
    if (later === 'refused') throw new CommandError(`--${long} is not available yet`)
    io.err(`note: --${long} has no effect yet\n`)
  }
}

async function help(path: readonly NodeSpec[], brief = false): Promise<string> {
  const { helpOf } = await import('./help.ts')
  return helpOf(root, path, brief)
}

function say(io: Io, text: string): number {
  io.out(text)
  return 0
}

async function failUsage(io: Io, error: UsageError, path: readonly NodeSpec[]): Promise<number> {
  io.err(`error: ${harmless(error.message)}\n\n${await help(path, true)}`)
  return USAGE_ERROR
}

function fail(io: Io, error: unknown, env: NodeJS.ProcessEnv): number {
  if (error instanceof OutputClosed) return 0
  if (error instanceof RpcError) io.err(`error: ${describe(error)}\n`)
  else if (error instanceof CommandError || error instanceof ConnectionError)
    io.err(`error: ${harmless(error.message)}\n`)
  else io.err(`error: osctl failed: ${error instanceof Error ? harmless(error.message) : error}\n`)
  if (env['GLI_DEBUG'] === 'true' && error instanceof Error) io.err(`${error.stack}\n`)
  return error instanceof CommandError ? error.status : RUNTIME_ERROR
}

/** The daemon's text, then what would have been possible, on the same line; then the way out of doubt. */
function describe({ message, data }: RpcError): string {
  const facts = [
    ...(data.state === undefined ? [] : [`state: ${data.state}`]),
    ...(data.possible === undefined || data.possible.length === 0
      ? []
      : [`possible: ${data.possible.join(', ')}`]),
  ]
  const more = facts.length === 0 || message.includes('(state: ') ? '' : ` (${facts.join('; ')})`
  const way = data.kind === 'in-doubt' && data.op !== undefined ? ` (osctl op show ${data.op})` : ''
  return harmless(message + more + way)
}
