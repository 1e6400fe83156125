/** `osctl history`: who did what, when, and what came of it. */
import type { SubjectRow } from '../../rpc/results.ts'
import { formatTime } from '../../rpc/time.ts'
import { AT, atOf } from '../at.ts'
import { given, type Invocation, poolsOf, printRows } from '../invocation.ts'
import { type Column, harmless } from '../output/table.ts'
import type { CommandSpec } from '../spec.ts'
import { UsageError } from '../usage-error.ts'
import { ACTOR, CT, conditionsOf, FAILED, limitOption, noteOrder, OP, SINCE, UNTIL } from './conditions.ts'
import { followHistory } from './history-follow.ts'
import { withHosts } from './history-hosts.ts'

const columns: readonly Column[] = [
  { name: 'time', show: 'date' },
  { name: 'pool' },
  { name: 'command' },
  {
    name: 'result',
    help: 'done, failed, undone, refused, running, in doubt, no change; exit N of a session',
  },
  { name: 'duration', right: true, show: 'ms' },
  { name: 'actor' },
  { name: 'target' },
  { name: 'position', help: 'of its event in the log' },
  { name: 'op', help: "the operation's id" },
  { name: 'error' },
  { name: 'reason', help: 'what --reason said' },
  { name: 'stream', help: "ct: with the container's own id, or pool" },
  { name: 'type', help: 'of its event' },
  { name: 'host', help: 'on which it happened; shown by itself where there is more than one' },
  { name: 'boot', help: 'id of the boot that it belongs to' },
  { name: 'mono', right: true, help: 'microseconds since that boot' },
]

export const history: CommandSpec = {
  name: 'history',
  summary: 'Show what was done, by whom, and with which result',
  description: [
    'One line for each command, also for those that were refused or failed, for each session inside a container, and for what happened without anybody: crashes, reboots, imports.',
    'With --at it tells what it told then: of what ran, that it runs.',
    'A container that is gone is found by its old id. When several containers had it, all are shown, and which they are is said.',
  ],
  args: [{ name: 'pool', optional: true, many: true, words: 'pool' }],
  table: {
    columns,
    defaults: ['time', 'pool', 'command', 'result', 'duration', 'actor', 'target'],
    layout: 'columns',
    sort: true,
  },
  options: [
    CT,
    { long: 'user', value: 'user', words: 'user', help: 'Only of containers that have or had this user' },
    ACTOR,
    SINCE,
    UNTIL,
    FAILED,
    OP,
    AT,
    limitOption(100_000, 1000),
    { long: 'follow', short: 'f', help: 'Go on with what happens, each command when it has ended' },
  ],
  examples: [
    { command: "osctl history --since '10 minutes ago' --failed -o +error", what: 'What just went wrong' },
    { command: 'osctl history --ct 101 -o +error', what: 'The life of one container, with what went wrong' },
    { command: "osctl history --actor alice --since 'monday 9:00'", what: 'What alice did this week' },
  ],
  run: async (invocation) => {
    const { options, args, link } = invocation
    const pools = poolsOf(invocation, args)
    const ct = options.text('ct')
    const filter = { ...given({ ct, user: options.text('user') }), ...conditionsOf(invocation) }
    const limit = given({ limit: options.integer('limit') })
    const at = atOf(invocation)
    if (options.flag('follow') && at.at !== undefined)
      throw new UsageError('either --at or --follow: nothing follows what is over')
    if (options.flag('follow')) return await followHistory(invocation, { ...filter, ...pools }, limit)
    const rows = await link.query('history.list', { ...filter, ...limit, ...pools, ...at })
    printRows(withHosts(invocation, rows), rows)
    if (ct !== undefined)
      noteSubjects(invocation, ct, await link.query('history.subjects', { ct, ...pools, ...at }))
    noteOrder(invocation, rows)
  },
}

/** A name that several containers had: which they are, and how to see one alone. */
function noteSubjects({ io }: Invocation, ct: string, rows: readonly SubjectRow[]): void {
  if (rows.length < 2) return
  io.err(
    `note: ${harmless(ct)} is or was ${rows.length} containers; --ct with the id of one shows it alone:\n`,
  )
  for (const { pool, ctid, stream, created_at, deleted_at } of rows) {
    const end = deleted_at === null ? 'is there' : `gone since ${formatTime(deleted_at)}`
    io.err(`  ${pool}:${stream}  ${harmless(ctid)}, made ${formatTime(created_at)}, ${end}\n`)
  }
}
