/** Help at every level, from the table: `osctl --help`, `osctl ct --help`, `osctl help ct ls`. */
import {
  type CommandSpec,
  GLOBAL_OPTIONS,
  type GroupSpec,
  globalsBeside,
  HELP_OPTION,
  isGroup,
  type NodeSpec,
  type OptionSpec,
  optionsOf,
  VERSION_OPTION,
} from './spec.ts'

const INDENT = '    '
const WIDTH = 100

/**
 * @param path   from the root's child down to the node; empty for the root itself
 * @param brief  what one needs to type it right, without parameters and examples
 */
export function helpOf(root: GroupSpec, path: readonly NodeSpec[], brief = false): string {
  const node = path.at(-1) ?? root
  const name = ['osctl', ...path.map((step) => step.name)].join(' ')
  const head = section('NAME', [`${name} - ${node.summary}`])
  return head + (isGroup(node) ? groupHelp(node, name) : commandHelp(node, name, brief)) + footer(name, node)
}

function groupHelp(group: GroupSpec, name: string): string {
  const shown = group.commands.filter((command) => !command.hidden)
  const list = columns(shown.map((command) => [names(command), command.summary]))
  const options =
    name === 'osctl'
      ? section('GLOBAL OPTIONS', optionLines([...GLOBAL_OPTIONS, HELP_OPTION, VERSION_OPTION]))
      : ''
  const synopsis =
    name === 'osctl'
      ? 'osctl [global options] command [command options] [arguments]'
      : `${name} command [command options] [arguments]`
  return section('SYNOPSIS', [synopsis]) + options + section('COMMANDS', list)
}

function commandHelp(command: CommandSpec, name: string, brief: boolean): string {
  const options = optionsOf(command)
  return [
    section('SYNOPSIS', [synopsisOf(command, name)]),
    ...(command.description
      ? [
          section(
            'DESCRIPTION',
            command.description.flatMap((text) => wrap(text, WIDTH)),
          ),
        ]
      : []),
    ...(command.aliases ? [section('ALIASES', [command.aliases.join(', ')])] : []),
    section('COMMAND OPTIONS', optionLines([...options, HELP_OPTION])),
    ...(command.table && !brief ? [section('PARAMETERS', parameterLines(command))] : []),
    ...(command.examples && !brief
      ? [
          section(
            'EXAMPLES',
            command.examples.flatMap((e) => [`# ${e.what}`, e.command]),
          ),
        ]
      : []),
  ].join('')
}

/** `osctl ct start [command options] <id>` */
export function synopsisOf(command: CommandSpec, name: string): string {
  const args = (command.args ?? []).map((arg) => {
    const text = arg.many ? `${arg.name}…` : arg.name
    return arg.optional ? `[${text}]` : `<${text}>`
  })
  return [name, ...(optionsOf(command).length > 0 ? ['[command options]'] : []), ...args].join(' ')
}

function parameterLines(command: CommandSpec): string[] {
  const parameters = command.table?.columns ?? []
  return columns(parameters.map(({ name, help }) => [name, help ?? '']))
}

function footer(name: string, node: NodeSpec): string {
  if (isGroup(node)) return `${name} COMMAND --help shows more.\n`
  const globals = globalsBeside(node).map(({ long, negatable }) =>
    negatable ? `--[no-]${long}` : `--${long}`,
  )
  return `Global options, before or behind the command: ${globals.join(' ')}\n`
}

function names(node: NodeSpec): string {
  return [node.name, ...(node.aliases ?? [])].join(', ')
}

export function optionNames({ short, long, value, negatable }: OptionSpec): string {
  const flags = [
    ...(short === undefined ? [] : [`-${short}`]),
    negatable ? `--[no-]${long}` : `--${long}`,
  ].join(', ')
  return value === undefined ? flags : `${flags} <${value}>`
}

export function optionText(option: OptionSpec): string {
  const choices =
    option.choices === undefined || option.kind === 'integer' ? '' : ` (${option.choices.join(', ')})`
  const otherwise = option.default === undefined ? '' : ` (default: ${option.default})`
  const later =
    option.later === undefined
      ? ''
      : option.later === 'ignored'
        ? ' [accepted, has no effect yet]'
        : ' [not available yet]'
  return `${option.help}${choices}${otherwise}${later}`
}

function optionLines(options: readonly OptionSpec[]): string[] {
  return columns(options.map((option) => [optionNames(option), optionText(option)]))
}

function columns(pairs: readonly (readonly [string, string])[]): string[] {
  const widest = pairs.reduce((most, [left]) => Math.max(most, left.length), 0)
  return pairs.flatMap(([left, right]) => {
    const [first = '', ...rest] = wrap(right, WIDTH - widest - 2)
    return [
      `${left.padEnd(widest)}  ${first}`.trimEnd(),
      ...rest.map((line) => ' '.repeat(widest + 2) + line),
    ]
  })
}

function section(title: string, lines: readonly string[]): string {
  return `${title}\n${lines.map((line) => `${INDENT}${line}\n`).join('')}\n`
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}
