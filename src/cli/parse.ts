/**
 * Options of the one command that was named: nothing else of the table is touched.
 *
 * The parser is our own. With commander, `osctl ping` took 1.8 times the CPU time of `node -e 0`, without it
 * 1.5 times: most of that is what it imports (node:process, node:child_process). It would be a third of the
 * bundle, for the part of the work that is least ours: what is a usage error, and its text, is a contract
 * (vpsadminos §3.1).
 */
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

type Words = { operands: string[]; values: Map<string, unknown> }

/**
 * Takes `-x`, `-xyz`, `-x value`, `-xvalue`, `--long`, `--no-long`, `--long value`, `--long=value`; `--` ends options.
 *
 * @param passThrough  options end at the first word that is none
 */
function run(specs: readonly OptionSpec[], words: readonly string[], passThrough: boolean): Words {
  const values = new Map<string, unknown>()
  const operands: string[] = []
  const queue = [...words]
  const set = (spec: OptionSpec, text: string | undefined) => {
    if (text === undefined) throw new UsageError(`missing value of option --${spec.long} <${spec.value}>`)
    values.set(spec.long, valueOf(spec, text, values.get(spec.long)))
  }
  for (let word = queue.shift(); word !== undefined; word = queue.shift()) {
    const isOption = /^-./.test(word) && !/^-\d/.test(word)
    if (word === '--' || (passThrough && !isOption)) {
      operands.push(...(word === '--' ? queue : [word, ...queue]))
      break
    }
    if (!isOption) operands.push(word)
    else if (word.startsWith('--')) {
      const [name = '', inline] = split(word)
      const found = longOption(specs, name, word)
      if (found.spec.value !== undefined) set(found.spec, inline ?? queue.shift())
      else if (inline === undefined) values.set(found.spec.long, found.on)
      else throw new UsageError(`option --${found.spec.long} takes no value`)
    } else {
      const spec = specs.find(({ short }) => short === word?.[1])
      if (spec === undefined) throw unknownOption(word, specs)
      const more = word.slice(2)
      if (spec.value !== undefined) set(spec, more === '' ? queue.shift() : more)
      else {
        values.set(spec.long, true)
        if (more !== '') queue.unshift(`-${more}`)
      }
    }
  }
  return { operands, values }
}

function split(word: string): [string, string?] {
  const at = word.indexOf('=')
  return at === -1 ? [word.slice(2)] : [word.slice(2, at), word.slice(at + 1)]
}

function longOption(
  specs: readonly OptionSpec[],
  name: string,
  word: string,
): { spec: OptionSpec; on: boolean } {
  const spec = specs.find(({ long }) => long === name)
  if (spec !== undefined) return { spec, on: true }
  const negated = specs.find(({ long, negatable }) => negatable && name === `no-${long}`)
  if (negated !== undefined) return { spec: negated, on: false }
  throw unknownOption(word, specs)
}

function unknownOption(word: string, specs: readonly OptionSpec[]): UsageError {
  const [name = word] = word.split('=')
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
