/** `osctl event …`: the log itself. */

import type { At } from '../../rpc/methods.ts'
import type { EventRow } from '../../rpc/results.ts'
import { AT, atOf } from '../at.ts'
import { arg, given, type Invocation, poolOf, poolsOf, printRows } from '../invocation.ts'
import { cloudEvent } from '../output/cloud-events.ts'
import type { Column } from '../output/table.ts'
import type { ArgumentSpec, CommandSpec, GroupSpec, OptionSpec } from '../spec.ts'
import { ACTOR, CT, conditionsOf, FAILED, limitOption, noteOrder, OP, SINCE, UNTIL } from './conditions.ts'
import { eventExport } from './export.ts'
import { eventRecover, eventVerify } from './proof.ts'
import { quarantine } from './quarantine.ts'
import { eventPrune, eventSegments } from './segments.ts'

const POOLS: readonly ArgumentSpec[] = [{ name: 'pool', optional: true, many: true, words: 'pool' }]
const FORMATS = ['table', 'cloudevents'] as const
export const FORMAT: OptionSpec = {
  long: 'format',
  value: 'format',
  choices: FORMATS,
  words: FORMATS,
  default: 'table',
  help: 'cloudevents: CloudEvents 1.0 in JSON, one a line',
}

const columns: readonly Column[] = [
  { name: 'position' },
  { name: 'time', show: 'date' },
  { name: 'target' },
  { name: 'type' },
  { name: 'data' },
  { name: 'pool' },
  { name: 'seq', right: true },
  { name: 'stream' },
  { name: 'ver', right: true, help: 'number of the event in its stream' },
  { name: 'v', right: true, help: "version of the data's shape" },
  { name: 'id' },
  { name: 'op', help: 'the operation that it belongs to' },
  { name: 'by', help: 'the event that caused it' },
  { name: 'boot', help: 'id of the boot that it belongs to' },
  { name: 'mono', right: true, help: 'microseconds since that boot' },
  { name: 'hash' },
]
const table = {
  columns,
  defaults: ['position', 'time', 'target', 'type', 'data'],
  layout: 'columns',
  sort: true,
} as const

export const STREAM: OptionSpec = {
  long: 'stream',
  value: 'stream',
  words: ['log', 'pool'],
  help: "Only of this stream: log, pool, or ct: with a container's own id",
}
export const TYPE: OptionSpec = {
  long: 'type',
  short: 't',
  value: 'types',
  kind: 'list',
  help: 'Only of these types; * stands for any part, as in Ct*',
}
const FILTERS: readonly OptionSpec[] = [CT, STREAM, TYPE, ACTOR, SINCE, UNTIL, FAILED, OP]

const ls: CommandSpec = {
  name: 'ls',
  aliases: ['list'],
  summary: 'List events',
  description: [
    'The newest, in the order in which they happened; from a beginning on with --from or --since.',
  ],
  args: POOLS,
  table,
  options: [
    { long: 'pool', value: 'pool', words: 'pool', help: "This pool's log" },
    ...FILTERS,
    { long: 'from', value: 'position', help: 'From this event on: POOL:SEQ, or SEQ with one pool' },
    { long: 'to', value: 'position', help: 'Up to this event' },
    { long: 'reverse', short: 'r', help: 'The newest first' },
    AT,
    limitOption(10_000, 1000),
    FORMAT,
  ],
  examples: [
    { command: 'osctl event ls -r -n 20', what: 'The last twenty' },
    {
      command: "osctl event ls --type 'CtExited,CtLost' --since yesterday",
      what: 'What died since yesterday',
    },
  ],
  run: async (invocation) => {
    const { options } = invocation
    const range = given({
      from: options.text('from'),
      to: options.text('to'),
      reverse: options.flag('reverse'),
    })
    await list(invocation, { ...range, ...atOf(invocation), limit: options.integer('limit') ?? 1000 })
  },
}

const tail: CommandSpec = {
  name: 'tail',
  summary: 'List the last events',
  description: ['`osctl monitor` goes on from there.'],
  args: POOLS,
  table,
  options: [...FILTERS, limitOption(10_000, 10), FORMAT],
  examples: [{ command: 'osctl event tail --ct 101', what: 'What happened last to one container' }],
  run: async (invocation) => await list(invocation, { limit: invocation.options.integer('limit') ?? 10 }),
}

type Range = { from?: string; to?: string; reverse?: boolean; at?: At; limit: number }

async function list(invocation: Invocation, range: Range): Promise<void> {
  const { options, args, link } = invocation
  const pool = options.text('pool')
  const pools = pool === undefined ? poolsOf(invocation, args) : { pools: [pool] }
  const names = given({
    ct: options.text('ct'),
    stream: options.text('stream'),
    types: options.list('type'),
  })
  const rows = await link.query('event.list', { ...names, ...conditionsOf(invocation), ...pools, ...range })
  printEvents(invocation, rows)
  noteOrder(invocation, rows)
}

function printEvents(invocation: Invocation, rows: readonly EventRow[]): void {
  if (invocation.options.text('format') !== 'cloudevents') return printRows(invocation, rows)
  for (const row of rows) invocation.io.out(`${JSON.stringify(cloudEvent(row))}\n`)
}

const show: CommandSpec = {
  name: 'show',
  aliases: ['info'],
  summary: 'Show one event',
  args: [{ name: 'position' }],
  table: {
    columns,
    defaults: ['position', 'time', 'type', 'target', 'stream', 'ver', 'id', 'op', 'by', 'hash', 'data'],
    layout: 'rows',
  },
  options: [FORMAT],
  examples: [{ command: 'osctl event show tank:42', what: 'The 42nd event of the log of tank' }],
  run: async (invocation) => {
    const { link, globals, options } = invocation
    const position = withPool(invocation, arg(invocation, 0))
    const row = await link.query('event.show', { position })
    if (options.text('format') === 'cloudevents') return printEvents(invocation, [row])
    const data = globals.flag('json') ? row.data : JSON.stringify(row.data, null, 2)
    printRows(invocation, [{ ...row, data }])
  },
}

function withPool(invocation: Invocation, position: string): string {
  const pool = poolOf(invocation)
  return pool === undefined || position.includes(':') ? position : `${pool}:${position}`
}

export const event: GroupSpec = {
  name: 'event',
  aliases: ['events'],
  summary: 'The event log',
  commands: [ls, show, tail, eventVerify, eventSegments, eventPrune, eventRecover, eventExport, quarantine],
}
