/** `osctl pool upgrade`: which format the log of a pool has, and the step to the newest. */
import type { FormatRow } from '../../rpc/proof.ts'
import { confirm, type Invocation, poolsOf, printRows } from '../invocation.ts'
import type { Column } from '../output/table.ts'
import type { CommandSpec } from '../spec.ts'
import { CommandError, UsageError } from '../usage-error.ts'

const columns: readonly Column[] = [
  { name: 'pool' },
  { name: 'format', right: true, help: "the log's" },
  { name: 'newest', right: true, help: 'that this osctld knows' },
  { name: 'needs', help: 'the first osctld that can write the pool as it is' },
  { name: 'upgrade', right: true, help: 'what it would be upgraded to' },
  { name: 'would_need', help: 'the first osctld that could write it then' },
  { name: 'brings', help: 'what the upgrade would bring' },
  { name: 'problem', help: 'why it cannot be written now' },
]

export const poolUpgrade: CommandSpec = {
  name: 'upgrade',
  summary: 'Show the formats of logs, or upgrade to the newest',
  description: [
    'Without a pool it only shows. A new osctld goes on with the format that a pool has, so that the image before it can be booted again at any time; what needs a newer format says so when it is asked for.',
    'An upgrade cannot be undone: an osctld that does not know the new format shows the pool and its containers, and changes nothing. It asks first. A pool that is degraded or takes no changes is not upgraded.',
  ],
  args: [{ name: 'pool', optional: true, many: true, words: 'pool' }],
  options: [
    { long: 'all', short: 'a', help: 'Upgrade all imported pools' },
    { long: 'yes', short: 'y', help: 'Do not ask' },
  ],
  table: { columns, defaults: columns.map(({ name }) => name), layout: 'columns', sort: true },
  examples: [
    { command: 'osctl pool upgrade', what: 'What has which format, and what an upgrade would bring' },
    { command: 'osctl pool upgrade tank --dry-run', what: 'See what would be recorded' },
    { command: 'osctl pool upgrade --all --yes', what: 'Every pool, without a question' },
  ],
  run: async (invocation) => {
    const { link, options, args } = invocation
    const all = options.flag('all')
    if (all && args.length > 0) throw new UsageError('either a pool or --all')
    const rows = await link.query('pool.formats', poolsOf(invocation, args))
    if (!all && args.length === 0) return printRows(invocation, rows)
    ask(invocation, rows)
    for (const { pool } of rows) await link.apply('pool.upgrade', { name: pool })
  },
}

/** About those that will be upgraded: for the others the daemon has its answer. */
function ask(invocation: Invocation, rows: readonly FormatRow[]): void {
  const { link, io, options } = invocation
  const going = rows.filter(({ upgrade, problem }) => upgrade !== null && problem === null)
  const [first] = going
  if (!first) return
  const names = going.map(({ pool, format }) => `${pool} (format ${format})`).join(', ')
  if (!link.isDryRun && !options.flag('yes') && !io.isTerminal(0))
    throw new CommandError('not confirmed, nothing was done (--yes does not ask)')
  confirm(
    invocation,
    `Do you really wish to upgrade ${names} to format ${first.newest}? It cannot be undone: osctld before ${first.would_need} can then only read.`,
  )
}
