/** `osctl op …`: what is under way, and how to settle what is in doubt. */
import type { OpRow } from '../../rpc/results.ts'
import { formatTime } from '../../rpc/time.ts'
import { AT, atOf } from '../at.ts'
import { arg, poolsOf, printJson, printRows } from '../invocation.ts'
import { type Column, harmless, renderColumns } from '../output/table.ts'
import type { ArgumentSpec, CommandSpec, GroupSpec } from '../spec.ts'
import { UsageError } from '../usage-error.ts'

const POOLS: readonly ArgumentSpec[] = [{ name: 'pool', optional: true, many: true, words: 'pool' }]
const OP: ArgumentSpec = { name: 'op' }

const opColumns: readonly Column[] = [
  { name: 'pool' },
  { name: 'op' },
  { name: 'target' },
  { name: 'command' },
  { name: 'state' },
  { name: 'step', help: 'what it is at' },
  { name: 'started', show: 'date' },
  { name: 'actor' },
  { name: 'problem' },
]

const opLs: CommandSpec = {
  name: 'ls',
  aliases: ['list'],
  summary: 'List operations that are under way or in doubt',
  args: POOLS,
  table: {
    columns: opColumns,
    defaults: ['pool', 'op', 'target', 'command', 'state', 'step', 'started'],
    layout: 'columns',
    sort: true,
  },
  options: [{ long: 'all', short: 'a', help: 'Also those that are over' }, AT],
  run: async (invocation) => {
    const { options, args, link } = invocation
    const filter = { all: options.flag('all'), ...poolsOf(invocation, args), ...atOf(invocation) }
    printRows(invocation, await link.query('op.list', filter))
  },
}

const opShow: CommandSpec = {
  name: 'show',
  aliases: ['info'],
  summary: 'Show an operation and its steps',
  args: [OP],
  options: [AT],
  run: async (invocation) => {
    const row = await invocation.link.query('op.show', { op: arg(invocation, 0), ...atOf(invocation) })
    if (invocation.globals.flag('json')) printJson(invocation.io, row)
    else invocation.io.out(describeOp(row, invocation.globals.flag('parsable')))
  },
}

function describeOp(row: OpRow, exact: boolean): string {
  const facts: [string, string | null][] = [
    ['operation', row.op],
    ['command', row.command],
    ['target', row.target === null ? row.pool : `${row.pool}:${row.target}`],
    ['by', row.actor],
    ['started', exact ? String(row.started) : formatTime(row.started)],
    ['state', row.state],
    ['problem', row.problem],
  ]
  const lines = facts
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name.padStart(10)}:  ${harmless(value ?? '')}\n`)
  const columns = [
    { name: 'state' },
    { name: 'step' },
    { name: 'intent' },
    { name: 'args' },
    { name: 'detail' },
  ]
  const steps = row.steps.map(({ kind, ...step }) => ({ ...step, step: kind }))
  const table = steps.length === 0 ? '' : `\n${renderColumns(columns, steps, { header: true, exact })}`
  return lines.join('') + table + wayOn(row)
}

/** What can be done about an operation that is not over. */
function wayOn({ op, state }: OpRow): string {
  if (state === 'in doubt')
    return `\nIt is in doubt: osctl op retry ${op}, or osctl op resolve --as done|failed|undone ${op}\n`
  if (state !== 'running' && state !== 'retrying') return ''
  return `\nIt goes on: osctl op attach ${op} waits for it, osctl op cancel ${op} stops it\n`
}

const opAttach: CommandSpec = {
  name: 'attach',
  summary: 'Wait for an operation and show its progress',
  description: [
    'As if you had given the command yourself: its end is the end of this one, and its failure too. Ctrl-C leaves it running.',
  ],
  args: [OP],
  run: async (invocation) => {
    await invocation.link.apply('op.attach', { op: arg(invocation, 0) })
  },
}

const opCancel: CommandSpec = {
  name: 'cancel',
  summary: 'Stop an operation and undo what it made',
  description: [
    'Downloads, unpacking and starts are stopped while they run; other steps are let finish, and the next does not begin. What cannot be stopped says so, and which step it is.',
  ],
  args: [OP],
  run: async (invocation) => {
    const { link, io, globals } = invocation
    const { result, warnings } = await link.apply('op.cancel', { op: arg(invocation, 0) })
    if (result === 'done' && warnings.length === 0 && !globals.flag('json') && !globals.flag('quiet'))
      io.out('cancelled, and what it had made is undone\n')
  },
}

const opRetry: CommandSpec = {
  name: 'retry',
  summary: 'Try the step that is in doubt again',
  args: [OP],
  run: async (invocation) => {
    await invocation.link.apply('op.retry', { op: arg(invocation, 0) })
  },
}

const OUTCOMES = ['done', 'failed', 'undone'] as const

const opResolve: CommandSpec = {
  name: 'resolve',
  summary: 'Say how the step that is in doubt ended',
  description: [
    'For when you have looked yourself and know better than osctl can. It is recorded as your word.',
  ],
  args: [OP],
  options: [
    { long: 'as', value: 'outcome', choices: OUTCOMES, words: OUTCOMES, help: 'How it ended; required' },
  ],
  run: async (invocation) => {
    const word = invocation.options.text('as')
    const outcome = OUTCOMES.find((candidate) => candidate === word)
    if (outcome === undefined) throw new UsageError('missing option --as done|failed|undone')
    await invocation.link.apply('op.resolve', { op: arg(invocation, 0), as: outcome })
  },
}

export const op: GroupSpec = {
  name: 'op',
  aliases: ['operation'],
  summary: 'Operations',
  commands: [opLs, opShow, opAttach, opCancel, opRetry, opResolve],
}
