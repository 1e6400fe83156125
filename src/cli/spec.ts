/**
 * The grammar of osctl as data. Each noun's file says what its commands take, and from that one table come
 * the parser, help, shell completion, the man page and the test that every documented form parses.
 */

import type { Client } from '../rpc/client.ts'
import type { Io } from './io.ts'
import type { Link } from './link.ts'
import type { Options } from './options.ts'
import type { TableSpec } from './output/table.ts'

/** Where words for completion come from: a list that the daemon keeps, files, or fixed words. */
export type Words = 'ct' | 'pool' | 'repo' | 'user' | 'file' | readonly string[]

export type OptionSpec = {
  /** Without the dashes; the key under which `Options` has it. */
  readonly long: string
  readonly short?: string
  /** Name of the value in help; without it the option is a switch. */
  readonly value?: string
  /** list: comma separated, may be repeated. integer: with `min` and `max`. */
  readonly kind?: 'text' | 'integer' | 'list'
  readonly min?: number
  readonly max?: number
  /** Words that are legal besides integers, or the only legal words of a text. */
  readonly choices?: readonly string[]
  /** A switch that is also written `--no-long`. */
  readonly negatable?: true
  /** Said in help; `run` applies it. */
  readonly default?: string
  readonly help: string
  readonly words?: Words
  /** The original has it, this one not yet: `ignored` goes on with a note, `refused` is an error. */
  readonly later?: 'ignored' | 'refused'
}

export type ArgumentSpec = {
  readonly name: string
  readonly optional?: true
  /** Takes all that follows. */
  readonly many?: true
  readonly words?: Words
}

export type Example = { readonly command: string; readonly what: string }

export type CommandSpec = {
  readonly name: string
  readonly aliases?: readonly string[]
  readonly summary: string
  /** Paragraphs for help and the man page. */
  readonly description?: readonly string[]
  readonly args?: readonly ArgumentSpec[]
  readonly options?: readonly OptionSpec[]
  /** Gives the command -o, -H and -L, and -s if it lists. */
  readonly table?: TableSpec
  /** Options end at the first argument: what follows is somebody else's command line, and is not recorded. */
  readonly passThrough?: true
  readonly hidden?: true
  readonly examples?: readonly Example[]
  /** @returns the exit status; nothing means 0 */
  readonly run: (invocation: Invocation) => Promise<number> | Promise<void>
}

export type GroupSpec = {
  readonly name: string
  readonly aliases?: readonly string[]
  readonly summary: string
  readonly hidden?: true
  readonly commands: readonly NodeSpec[]
}

export type NodeSpec = CommandSpec | GroupSpec

/** One run of osctl, as a command sees it: what was asked, the way to the daemon, and the way to the user. */
export type Invocation = {
  /** The whole grammar, for those that print it. */
  readonly root: GroupSpec
  readonly command: CommandSpec
  readonly path: readonly NodeSpec[]
  readonly args: readonly string[]
  readonly options: Options
  readonly globals: Options
  readonly io: Io
  readonly link: Link
  /** Runs another command line with a way of its own; global options of this one hold for it. */
  readonly again: (words: readonly string[], connect: () => Promise<Client>) => Promise<number>
  readonly env: NodeJS.ProcessEnv
}

export function isGroup(node: NodeSpec): node is GroupSpec {
  return 'commands' in node
}

/** Options that stand before the command, as in the original, or after it where it has none of that name. */
export const GLOBAL_OPTIONS: readonly OptionSpec[] = [
  { long: 'parsable', short: 'p', help: 'Show exact numbers, and times as milliseconds since 1970' },
  { long: 'json', short: 'j', help: 'Print JSON, with all fields' },
  { long: 'color', negatable: true, default: 'on', help: 'Colours, where the output is a terminal' },
  { long: 'pool', value: 'pool', words: 'pool', help: 'Act on this pool' },
  { long: 'quiet', short: 'q', help: 'No progress' },
  { long: 'reason', value: 'text', help: 'Why this is done; stands in the history' },
  {
    long: 'key',
    value: 'key',
    help: 'Idempotency key of 8 to 100 characters: a repetition with the same key changes nothing again',
  },
  { long: 'no-wait', help: 'Do not wait for the end, only until it is accepted' },
  {
    long: 'dry-run',
    help: 'Print what would be recorded and done, or why it would be refused; change nothing',
  },
]
export const HELP_OPTION: OptionSpec = { long: 'help', short: 'h', help: 'Show this' }
export const VERSION_OPTION: OptionSpec = { long: 'version', help: "Show osctl's version" }

const OUTPUT: OptionSpec = {
  long: 'output',
  short: 'o',
  value: 'parameters',
  help: 'Select parameters: a,b instead of the defaults, +a,b besides, -a,b without, all',
}
const HIDE_HEADER: OptionSpec = { long: 'hide-header', short: 'H', help: 'Do not show the header' }
const LIST: OptionSpec = { long: 'list', short: 'L', help: 'List the available parameters and exit' }
const SORT: OptionSpec = {
  long: 'sort',
  short: 's',
  value: 'parameters',
  kind: 'list',
  help: 'Sort by these parameters',
}

/** All options of a command but the global ones: its own, and those that come with its table. */
export function optionsOf(command: CommandSpec): readonly OptionSpec[] {
  const own = command.options ?? []
  if (command.table === undefined) return own
  const table = command.table.sort ? [OUTPUT, HIDE_HEADER, LIST, SORT] : [OUTPUT, HIDE_HEADER, LIST]
  return [...table, ...own]
}

/** Global options that the command does not use otherwise; a short letter that it uses is left out. */
export function globalsBeside(command: CommandSpec): readonly OptionSpec[] {
  const own = optionsOf(command)
  const shorts = new Set(own.map(({ short }) => short))
  return GLOBAL_OPTIONS.filter(({ long }) => !own.some((option) => option.long === long)).map((option) => {
    const { short, ...rest } = option
    return short === undefined || shorts.has(short) ? rest : option
  })
}
