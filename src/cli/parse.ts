/**
 * Options of the one command that was named: nothing else of the table is touched.
 *
 * commander takes the words apart; what is a usage error, and its text, is a contract (vpsadminos §3.1), so
 * its own messages are not shown. Only this one command is built, and commander is loaded only when an option
 * was typed: loading it takes 5 ms, and `osctl ct ls` has nothing to take apart.
 */
import type { Command } from 'commander'
import { Options } from './options.ts'
import { suggest } from './resolve.ts'
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

type Words = { operands: string[]; values: Map<string, unknown> }

/**
 * Takes `-x`, `-xyz`, `-x value`, `-xvalue`, `--long`, `--no-long`, `--long value`, `--long=value`; `--` ends options.
 *
 * @param passThrough  options end at the first word that is none
 */
async function run(
  specs: readonly OptionSpec[],
  words: readonly string[],
  passThrough: boolean,
): Promise<Words> {
  const values = new Map<string, unknown>()
  const candidates = passThrough ? words.slice(0, 1) : words
  if (!candidates.some((word) => word.startsWith('-'))) return { operands: [...words], values }
  const { Command, CommanderError, Option } = await import('commander')
  const command = new Command()
    .helpOption(false)
    .exitOverride()
    .configureOutput({ writeErr: () => undefined })
  if (passThrough) command.passThroughOptions()
  for (const spec of specs) declare(command, Option, spec, values)
  const { operands, unknown } = taken(command, CommanderError, specs, words)
  if (unknown[0] !== undefined) throw unknownOption(unknown[0], specs)
  return { operands, values }
}

type Commander = typeof import('commander')

function declare(
  command: Command,
  Option: Commander['Option'],
  spec: OptionSpec,
  values: Map<string, unknown>,
): void {
  const { long, short, value, negatable } = spec
  const names = [...(short === undefined ? [] : [`-${short}`]), `--${long}`].join(', ')
  command.addOption(new Option(value === undefined ? names : `${names} <${value}>`))
  command.on(`option:${long}`, (text: string | null) => {
    values.set(long, value === undefined ? true : valueOf(spec, text ?? '', values.get(long)))
  })
  if (!negatable) return
  command.addOption(new Option(`--no-${long}`))
  command.on(`option:no-${long}`, () => values.set(long, false))
}

function taken(
  command: Command,
  CommanderError: Commander['CommanderError'],
  specs: readonly OptionSpec[],
  words: readonly string[],
): { operands: string[]; unknown: string[] } {
  try {
    return command.parseOptions([...words])
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    const named = /--([a-z0-9-]+)/.exec(error.message)?.[1]
    const spec = specs.find(({ long }) => long === named)
    throw new UsageError(`missing value of option --${named} <${spec?.value}>`)
  }
}

function unknownOption(word: string, specs: readonly OptionSpec[]): UsageError {
  const [name = word] = word.split('=')
  if (name !== word && specs.some(({ long, value }) => value === undefined && name === `--${long}`)) {
    return new UsageError(`option ${name} takes no value`)
  }
  const known = specs.flatMap(({ long, negatable }) =>
    negatable ? [`--${long}`, `--no-${long}`] : [`--${long}`],
  )
  const near = name.startsWith('--') ? suggest(name, known) : null
  return new UsageError(`unknown option '${name}'${near === null ? '' : ` (did you mean ${near}?)`}`)
}

function valueOf(spec: OptionSpec, text: string, before: unknown): string | number | string[] {
  switch (spec.kind) {
    case 'integer':
      return spec.choices?.includes(text) ? text : integerOf(spec, text)
    case 'list':
      return [
        ...(Array.isArray(before) ? before.map(String) : []),
        ...text.split(',').filter((part) => part !== ''),
      ]
    default:
      if (spec.choices !== undefined && !spec.choices.includes(text))
        throw illegal(spec, text, spec.choices.join(', '))
      return text
  }
}

function integerOf(spec: OptionSpec, text: string): number {
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = spec
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
  if (value >= min && value <= max) return value
  const range =
    max === Number.MAX_SAFE_INTEGER ? `an integer from ${min}` : `an integer from ${min} to ${max}`
  throw illegal(spec, text, [range, ...(spec.choices ?? [])].join(', or '))
}

function illegal(spec: OptionSpec, text: string, legal: string): UsageError {
  return new UsageError(`invalid value for --${spec.long}: '${text}' (legal: ${legal})`)
}

function checkArguments(specs: readonly ArgumentSpec[], given: readonly string[]): void {
  const missing = specs.find((spec, i) => !spec.optional && given[i] === undefined)
  if (missing !== undefined) throw new UsageError(`missing argument <${missing.name}>`)
  const extra = specs.some(({ many }) => many) ? undefined : given[specs.length]
  if (extra === undefined) return
  const hint = extra.startsWith('-') ? ' (note that options must come before arguments)' : ''
  throw new UsageError(`unknown argument: ${extra}${hint}`)
}
