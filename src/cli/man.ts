/**
 * The man page osctl(8) from the table, in roff's man macros. docs/man/osctl.8 is what this writes; a test
 * keeps them equal (`npm run docs` writes it anew).
 */
import { optionNames, optionText, synopsisOf } from './help.ts'
import { commandsOf } from './resolve.ts'
import {
  type CommandSpec,
  GLOBAL_OPTIONS,
  type GroupSpec,
  HELP_OPTION,
  type NodeSpec,
  type OptionSpec,
  optionsOf,
  VERSION_OPTION,
} from './spec.ts'

const DESCRIPTION = [
  'osctl manages containers and pools of vpsAdminOS. It asks osctld(8), which records every command in the event log of the pool that it concerns, and carries it out.',
  'Any unambiguous prefix of a command will do. A container is named by its id, or by pool:id where several pools have one of that id. Global options may stand before the command, or behind it where it has no option of that name; options of a command stand before its arguments.',
  'What changes something is an operation: it is recorded before it begins, it goes on when osctl is interrupted, and after a power cut it is finished or undone. See osctl op and osctl history.',
]

const STATUS: readonly [string, string][] = [
  ['0', 'Done, or nothing was to be done.'],
  ['1', 'An error, in one line on standard error: error: what is wrong.'],
  ['64', 'The command line is wrong.'],
  ['130', 'Interrupted while waiting; the operation goes on.'],
  ['other', 'ct exec and ct attach exit as the program did; ping has its own (see there).'],
]

const ENVIRONMENT: readonly [string, string][] = [
  ['OSCTL_SOCKET', 'The socket of osctld, instead of /run/osctl/osctld.sock.'],
  ['GLI_DEBUG', 'true prints where in osctl an error came from.'],
]

const FILES: readonly [string, string][] = [
  ['/run/osctl/osctld.sock', 'The socket of osctld; only root may use it.'],
  ['/run/osctl/completion/', 'Names for shell completion.'],
]

export function manPage(root: GroupSpec): string {
  return [
    '.\\" Generated from the command table: npm run docs',
    '.TH OSCTL 8 "" "vpsAdminOS" "System administration"',
    '.SH NAME',
    `osctl \\- ${roff(root.summary.charAt(0).toLowerCase() + root.summary.slice(1))}`,
    '.SH SYNOPSIS',
    '.B osctl',
    roff('[global options] command [command options] [arguments]'),
    '.SH DESCRIPTION',
    ...DESCRIPTION.flatMap(paragraph),
    '.SH GLOBAL OPTIONS',
    ...[...GLOBAL_OPTIONS, HELP_OPTION, VERSION_OPTION].flatMap(option),
    '.SH COMMANDS',
    ...commandsOf(root).flatMap(({ path, command }) => describe(path, command)),
    '.SH EXIT STATUS',
    ...STATUS.flatMap(([term, text]) => tagged(term, text)),
    '.SH ENVIRONMENT',
    ...ENVIRONMENT.flatMap(([term, text]) => tagged(term, text)),
    '.SH FILES',
    ...FILES.flatMap(([term, text]) => tagged(term, text)),
    '.SH SEE ALSO',
    '.BR osctld (8),',
    '.BR lxc (7),',
    '.BR zfs (8)',
    '',
  ].join('\n')
}

function describe(path: readonly NodeSpec[], command: CommandSpec): string[] {
  const name = ['osctl', ...path.map((node) => node.name)].join(' ')
  const parameters = command.table?.columns.map((column) => column.name) ?? []
  return [
    `.SS ${roff(synopsisOf(command, name))}`,
    `${roff(command.summary)}.`,
    ...(command.description ?? []).flatMap(paragraph),
    ...(command.aliases === undefined ? [] : paragraph(`Also: ${command.aliases.join(', ')}.`)),
    ...optionsOf(command).flatMap(option),
    ...(parameters.length > 0 ? paragraph(`Parameters: ${parameters.join(', ')}.`) : []),
    ...(command.examples ?? []).flatMap(({ command: line, what }) => [
      '.PP',
      `${roff(what)}:`,
      '.PP',
      '.RS 4',
      '.EX',
      roff(line),
      '.EE',
      '.RE',
    ]),
  ]
}

function option(spec: OptionSpec): string[] {
  return tagged(optionNames(spec), `${optionText(spec)}.`)
}

function tagged(term: string, text: string): string[] {
  return ['.TP', `.B ${roff(term)}`, roff(text)]
}

function paragraph(text: string): string[] {
  return ['.PP', roff(text)]
}

/** Plain text for roff: hyphens that stay hyphens, no line that is a request, ASCII alone. */
function roff(text: string): string {
  const escaped = text.replaceAll('\\', '\\e').replaceAll('-', '\\-').replaceAll('…', '...')
  return escaped.replace(/^[.']/, '\\&$&')
}
