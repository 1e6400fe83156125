/**
 * Options by commander, built for the one command that was named: nothing else of the table is touched.
 *
 * commander finds options and their values; what is a usage error, and its text, is ours, since those are
 * part of the contract (vpsadminos §3.1): `missing argument <id>`, `unknown argument: x`.
 */
import { Command, CommanderError, Option } from 'commander'
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
export function parseGlobals(argv: readonly string[]): { globals: Options; rest: readonly string[] } {
  const specs = [...GLOBAL_OPTIONS, HELP_OPTION, VERSION_OPTION]
  const { operands, values } = run(specs, argv, true)
  return { globals: new Options(values), rest: operands }
}

/** The words behind a command's name. Arguments are checked unless help or the list of parameters is wanted. */
export function parseCommand(command: CommandSpec, words: readonly string[]): Parsed {
  const own = optionsOf(command)
  const beside = globalsBeside(command)
  const specs = [...own, ...beside, HELP_OPTION]
  const { operands, values } = run(specs, words, command.passThrough === true)
  const pick = (list: readonly OptionSpec[]) =>
    new Options(new Map([...values].filter(([long]) => list.some((spec) => spec.long === long))))
  const parsed = { args: operands, options: pick([...own, HELP_OPTION]), globals: pick(beside) }
  const wantsNoArguments =
    parsed.options.flag('help') || (command.table !== undefined && parsed.options.flag('list'))
  if (!wantsNoArguments) checkArguments(command.args ?? [], operands)
  return parsed
}

function run(specs: readonly OptionSpec[], words: readonly string[], passThrough: boolean) {
  const parser = new Command('osctl').helpOption(false).allowExcessArguments().exitOverride()
  parser.configureOutput({ writeErr: () => undefined, outputError: () => undefined })
  parser.passThroughOptions(passThrough)
  for (const spec of specs) for (const option of toOptions(spec)) parser.addOption(option)
  const values = new Map<string, unknown>()
  try {
    // The names that commander makes of `--no-x` and of hyphens are undone by keeping our own map.
    for (const spec of specs) listen(parser, spec, values)
    const { operands, unknown } = parser.parseOptions([...words])
    const [first] = unknown
    if (first?.startsWith('-')) throw unknownOption(first, specs)
    return { operands: [...operands, ...unknown], values }
  } catch (error) {
    if (error instanceof CommanderError) throw new UsageError(oneLine(error.message))
    throw error
  }
}

function unknownOption(word: string, specs: readonly OptionSpec[]): UsageError {
  const [name = word] = word.split('=')
  const known = specs.flatMap(({ long, negatable }) =>
    negatable ? [`--${long}`, `--no-${long}`] : [`--${long}`],
  )
  const near = name.startsWith('--') ? suggest(name, known) : null
  return new UsageError(`unknown option '${name}'${near === null ? '' : ` (did you mean ${near}?)`}`)
}

function toOptions(spec: OptionSpec): Option[] {
  const names = spec.short === undefined ? `--${spec.long}` : `-${spec.short}, --${spec.long}`
  const option = new Option(spec.value === undefined ? names : `${names} <${spec.value}>`)
  return spec.negatable ? [option, new Option(`--no-${spec.long}`)] : [option]
}

function listen(parser: Command, spec: OptionSpec, values: Map<string, unknown>): void {
  parser.on(`option:${spec.long}`, (text: unknown) => {
    if (spec.value === undefined) values.set(spec.long, true)
    else values.set(spec.long, valueOf(spec, String(text), values.get(spec.long)))
  })
  if (spec.negatable) parser.on(`option:no-${spec.long}`, () => values.set(spec.long, false))
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

/** commander's text without its prefix and its line break before a suggestion. */
function oneLine(message: string): string {
  return message.replace(/^error: /, '').replace(/\s*\n\s*/g, ' ')
}
