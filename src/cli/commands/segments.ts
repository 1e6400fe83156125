/** `osctl event segments`, `event prune`: the files of a log, and getting rid of old ones. */
import { parseTime } from '../../rpc/time.ts'
import { arg, confirm, given, type Invocation, poolsOf, printRows } from '../invocation.ts'
import { bytes as humanSize } from '../output/humanize.ts'
import type { Column } from '../output/table.ts'
import type { ArgumentSpec, CommandSpec } from '../spec.ts'
import { CommandError, UsageError } from '../usage-error.ts'
import { orUsageError } from './conditions.ts'

const POOLS: readonly ArgumentSpec[] = [{ name: 'pool', optional: true, many: true, words: 'pool' }]

const columns: readonly Column[] = [
  { name: 'pool' },
  { name: 'segment', right: true },
  { name: 'state', help: 'open, sealed, pruned' },
  { name: 'first', right: true },
  { name: 'last', right: true },
  { name: 'events', right: true },
  { name: 'begun', show: 'date' },
  { name: 'ended', show: 'date' },
  { name: 'bytes', right: true, show: 'bytes' },
  { name: 'head', help: 'hash of its last event' },
]

export const eventSegments: CommandSpec = {
  name: 'segments',
  summary: 'List the files of a log, and those that were pruned',
  description: ['The open one takes events; each sealed one is the file log.<n>.db beside it.'],
  args: POOLS,
  table: {
    columns,
    defaults: ['pool', 'segment', 'state', 'first', 'last', 'begun', 'ended', 'bytes'],
    layout: 'columns',
    sort: true,
  },
  run: async (invocation) => {
    printRows(invocation, await invocation.link.query('event.segments', poolsOf(invocation, invocation.args)))
  },
}

export const eventPrune: CommandSpec = {
  name: 'prune',
  summary: 'Remove old sealed segments of a log',
  description: [
    'What happened in them is forgotten for good: history, event and why do not find it any more. Nothing else depends on it. Their heads stay known, so that verify can follow the chain over them.',
    'Only whole segments go, the oldest first, and none that ended less than 24 hours ago. It asks, and is itself an event.',
  ],
  args: [{ name: 'pool', words: 'pool' }],
  options: [
    {
      long: 'before',
      value: 'time',
      help: "Segments that ended before: SEQ, or a time such as '1 year ago' or '2025-01-01'",
    },
    {
      long: 'keep',
      value: 'n',
      kind: 'integer',
      min: 0,
      max: 1_000_000,
      help: 'Keep the newest n sealed segments',
    },
    { long: 'yes', short: 'y', help: 'Do not ask' },
  ],
  examples: [
    {
      command: "osctl event prune tank --before '2 years ago' --dry-run",
      what: 'See what would be recorded',
    },
    { command: 'osctl event prune tank --keep 10', what: 'Ten sealed segments are 2.5 million events' },
  ],
  run: async (invocation) => {
    const { link, io, options } = invocation
    const pool = arg(invocation, 0)
    const going = await link.query('event.prunable', { pool, ...conditionsOf(invocation) })
    const last = going.at(-1)
    if (!last) {
      io.err('note: nothing to do, no sealed segment is as old as that (osctl event segments)\n')
      return
    }
    const events = going.reduce((sum, row) => sum + row.events, 0)
    const bytes = going.reduce((sum, row) => sum + (row.bytes ?? 0), 0)
    const what = `${going.length} segment${going.length === 1 ? '' : 's'} of ${pool} with ${events} events up to ${pool}:${last.last} (${humanSize(bytes)})`
    if (!link.isDryRun && !options.flag('yes') && !io.isTerminal(0))
      throw new CommandError('not confirmed, nothing was done (--yes does not ask)')
    confirm(invocation, `Do you really wish to forget ${what}?`)
    await link.apply('event.prune', { pool, upTo: last.segment })
  },
}

function conditionsOf({ options }: Invocation) {
  const before = options.text('before')
  const keep = options.integer('keep')
  if (before === undefined && keep === undefined)
    throw new UsageError('missing option --before TIME|SEQ or --keep N: say what is to go')
  const isSeq = before !== undefined && /^\d{1,15}$/.test(before)
  const time =
    before === undefined || isSeq ? undefined : orUsageError('before', () => parseTime(before, Date.now()))
  return given({ keep, beforeSeq: isSeq ? Number(before) : undefined, beforeTime: time?.from })
}
