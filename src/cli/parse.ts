/**
 * Options of the one command that was named: nothing else of the table is touched.
 *
 * commander takes the words apart; what is a usage error, and its text, is a contract (vpsadminos §3.1), so
 * its own messages are not shown. Only this one command is built, and commander is loaded only when an option
 * was typed: loading it takes 5 ms, and `osctl ct ls` has nothing to take apart.
 */
import { Options } from './options.ts'
import {
  type ArgumentSpec,
  type CommandSpec,
  GLOBAL_OPTIONS,
  globalsBeside,
  HELP_OPTION,
  type OptionSpec,
  optionsOf,
  VERSION_OPTION,
} from './spec.ts'
import type { Words } from './take-options.ts'
import { UsageError } from './usage-error.ts'

export type Parsed = {
  readonly args: readonly string[]
  readonly options: Options
  /** Global options that stood behind the command. */
  readonly globals: Options
}

/** Options before the command; `rest` begins with the command's first word. */
export async function parseGlobals(
  argv: readonly string[],
): Promise<{ globals: Options; rest: readonly string[] }> {
  const specs = [...GLOBAL_OPTIONS, HELP_OPTION, VERSION_OPTION]
  const { operands, values } = await run(specs, argv, true)
  return { globals: new Options(values), rest: operands }
}

/** The words behind a command's name. Arguments are checked unless help or the list of parameters is wanted. */
export async function parseCommand(command: CommandSpec, words: readonly string[]): Promise<Parsed> {
  const own = optionsOf(command)
  const beside = globalsBeside(command)
  const specs = [...own, ...beside, HELP_OPTION]
  const { operands, values } = await run(specs, words, command.passThrough === true)
  const pick = (list: readonly OptionSpec[]) =>
    new Options(new Map([...values].filter(([long]) => list.some((spec) => spec.long === long))))
  const parsed = { args: operands, options: pick([...own, HELP_OPTION]), globals: pick(beside) }
  const wantsNoArguments =
    parsed.options.flag('help') || (command.table !== undefined && parsed.options.flag('list'))
  if (!wantsNoArguments) checkArguments(command.args ?? [], operands)
  return parsed
}

/** @param passThrough  options end at the first word that is none */
async function run(
  specs: readonly OptionSpec[],
  words: readonly string[],
  passThrough: boolean,
): Promise<Words> {
  const candidates = passThrough ? words.slice(0, 1) : words
  if (!candidates.some((word) => word.startsWith('-'))) return { operands: [...words], values: new Map() }
  const { takeOptions } = await import('./take-options.ts')
  return takeOptions(specs, words, passThrough)
}

function checkArguments(specs: readonly ArgumentSpec[], given: readonly string[]): void {
  const missing = specs.find((spec, i) => !spec.optional && given[i] === undefined)
  if (missing !== undefined) throw new UsageError(`missing argument <${missing.name}>`)
  const extra = specs.some(({ many }) => many) ? undefined : given[specs.length]
  if (extra === undefined) return
  const hint = extra.startsWith('-') ? ' (note that options must come before arguments)' : ''
  throw new UsageError(`unknown argument: ${extra}${hint}`)
}
