/** `osctl history`, `event …`, `op …`: what happened, who did it, and what is under way. */
import type { OpRow } from '../../rpc/results.ts'
import { formatTime } from '../../rpc/time.ts'
import { arg, given, type Invocation, poolOf, poolsOf, printJson, printRows } from '../invocation.ts'
import { type Column, harmless, renderColumns } from '../output/table.ts'
import type { ArgumentSpec, CommandSpec, GroupSpec, OptionSpec } from '../spec.ts'
import { UsageError } from '../usage-error.ts'
import { eventVerify } from './proof.ts'

const POOLS: readonly ArgumentSpec[] = [{ name: 'pool', optional: true, many: true, words: 'pool' }]
const OP: ArgumentSpec = { name: 'op' }
const CT_OPTION: OptionSpec = { long: 'ct', value: 'id', words: 'ct', help: 'Only of this container' }

const historyColumns: readonly Column[] = [
  { name: 'time', show: 'date' },
  { name: 'pool' },
  { name: 'command' },
  { name: 'result', help: 'done, failed, undone, refused, running, in doubt, no change' },
  { name: 'duration', right: true, show: 'ms' },
  { name: 'actor' },
  { name: 'target' },
  { name: 'position', help: 'of its event in the log' },
  { name: 'op', help: "the operation's id" },
  { name: 'error' },
]

export const history: CommandSpec = {
  name: 'history',
  summary: 'Show what was done, by whom, and with which result',
  args: POOLS,
  table: {
    columns: historyColumns,
    defaults: ['time', 'pool', 'command', 'result', 'duration', 'actor', 'target'],
    layout: 'columns',
    sort: true,
  },
  options: [
    CT_OPTION,
    {
      long: 'limit',
      short: 'n',
      value: 'n',
      kind: 'integer',
      min: 1,
      max: 100_000,
      default: '1000',
      help: 'The last n',
    },
  ],
  examples: [
    { command: 'osctl history --ct 101 -o +error', what: 'The life of one container, with what went wrong' },
  ],
  run: async (invocation) => {
    const { options, args, link } = invocation
    const filter = given({ ct: options.text('ct'), limit: options.integer('limit') })
    printRows(invocation, await link.query('history.list', { ...filter, ...poolsOf(invocation, args) }))
  },
}

const eventColumns: readonly Column[] = [
  { name: 'position' },
  { name: 'time', show: 'date' },
  { name: 'target' },
  { name: 'type' },
  { name: 'data' },
  { name: 'pool' },
  { name: 'seq', right: true },
  { name: 'stream' },
  { name: 'ver', right: true, help: 'number of the event in its stream' },
  { name: 'id' },
  { name: 'op', help: 'the operation that it belongs to' },
  { name: 'by', help: 'the event that caused it' },
  { name: 'hash' },
]
const EVENT_DEFAULTS = ['position', 'time', 'target', 'type', 'data']

const eventLs: CommandSpec = {
  name: 'ls',
  aliases: ['list'],
  summary: 'List events of a log',
  table: { columns: eventColumns, defaults: EVENT_DEFAULTS, layout: 'columns', sort: true },
  options: [
    { long: 'pool', value: 'pool', words: 'pool', help: "This pool's log" },
    CT_OPTION,
    { long: 'type', short: 't', value: 'types', kind: 'list', help: 'Of these types' },
    { long: 'from', value: 'seq', kind: 'integer', min: 1, help: 'From this event on' },
    { long: 'to', value: 'seq', kind: 'integer', min: 1, help: 'Up to this event' },
    { long: 'reverse', short: 'r', help: 'The newest first' },
    {
      long: 'limit',
      short: 'n',
      value: 'n',
      kind: 'integer',
      min: 1,
      max: 10_000,
      default: '1000',
      help: 'At most n',
    },
  ],
  examples: [{ command: 'osctl event ls -r -n 20', what: 'The last twenty' }],
  run: async (invocation) => {
    const { options, link } = invocation
    const filter = given({
      pool: poolOf(invocation),
      ct: options.text('ct'),
      types: options.list('type'),
      from: options.integer('from'),
      to: options.integer('to'),
      limit: options.integer('limit'),
    })
    printRows(invocation, await link.query('event.list', { ...filter, reverse: options.flag('reverse') }))
  },
}

const eventShow: CommandSpec = {
  name: 'show',
  aliases: ['info'],
  summary: 'Show one event',
  args: [{ name: 'position' }],
  table: {
    columns: eventColumns,
    defaults: ['position', 'time', 'type', 'target', 'stream', 'ver', 'id', 'op', 'by', 'hash', 'data'],
    layout: 'rows',
  },
  examples: [{ command: 'osctl event show tank:42', what: 'The 42nd event of the log of tank' }],
  run: async (invocation) => {
    const { link, globals } = invocation
    const position = withPool(invocation, arg(invocation, 0))
    const row = await link.query('event.show', { position })
    const data = globals.flag('json') ? row.data : JSON.stringify(row.data, null, 2)
    printRows(invocation, [{ ...row, data }])
  },
}

function withPool(invocation: Invocation, position: string): string {
  const pool = poolOf(invocation)
  return pool === undefined || position.includes(':') ? position : `${pool}:${position}`
}

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
  options: [{ long: 'all', short: 'a', help: 'Also those that are over' }],
  run: async (invocation) => {
    const { options, args, link } = invocation
    printRows(
      invocation,
      await link.query('op.list', { all: options.flag('all'), ...poolsOf(invocation, args) }),
    )
  },
}

const opShow: CommandSpec = {
  name: 'show',
  aliases: ['info'],
  summary: 'Show an operation and its steps',
  args: [OP],
  run: async (invocation) => {
    const row = await invocation.link.query('op.show', { op: arg(invocation, 0) })
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
  const hint = `\nIt is in doubt: osctl op retry ${row.op}, or osctl op resolve --as done|failed|undone ${row.op}\n`
  return lines.join('') + table + (row.state === 'in doubt' ? hint : '')
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

export const event: GroupSpec = {
  name: 'event',
  aliases: ['events'],
  summary: 'The event log',
  commands: [eventLs, eventShow, eventVerify],
}
export const op: GroupSpec = {
  name: 'op',
  aliases: ['operation'],
  summary: 'Operations',
  commands: [opLs, opShow, opRetry, opResolve],
}
