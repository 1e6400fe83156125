/** `osctl event quarantine …`: containers whose stream of events could not be followed. */
import { arg, poolOf, poolsOf, printRows } from '../invocation.ts'
import type { Column } from '../output/table.ts'
import type { CommandSpec, GroupSpec } from '../spec.ts'
import { CommandError } from '../usage-error.ts'

const columns: readonly Column[] = [
  { name: 'pool' },
  { name: 'target', help: 'the container; - is the pool itself' },
  { name: 'position', help: 'of the event that is not understood' },
  { name: 'why' },
  { name: 'stream' },
]

const ls: CommandSpec = {
  name: 'ls',
  aliases: ['list'],
  summary: 'List streams that could not be folded',
  description: [
    'Such a container runs on, is shown in its last good state, and takes no commands. Each start of osctld tries again, so a newer one that understands the event releases it by itself.',
  ],
  args: [{ name: 'pool', optional: true, many: true, words: 'pool' }],
  table: { columns, defaults: ['pool', 'target', 'position', 'why'], layout: 'columns', sort: true },
  run: async (invocation) => {
    const { link, args } = invocation
    printRows(invocation, await link.query('event.quarantine', poolsOf(invocation, args)))
  },
}

const retry: CommandSpec = {
  name: 'retry',
  summary: 'Fold a stream again, and take its container up if that succeeds',
  args: [{ name: 'id', words: 'ct' }],
  examples: [{ command: 'osctl event quarantine retry tank:web', what: 'The container web of tank' }],
  run: async (invocation) => {
    const { link } = invocation
    const id = arg(invocation, 0)
    const pool = poolOf(invocation)
    const rows = (await link.query('event.quarantine', pool === undefined ? {} : { pools: [pool] })).filter(
      ({ pool: of, target, stream }) => [target, stream, `${of}:${target}`, `${of}:${stream}`].includes(id),
    )
    const [row, ...others] = rows
    if (!row) throw new CommandError(`${id} is not quarantined (osctl event quarantine ls)`)
    if (others.length > 0)
      throw new CommandError(
        `several pools have it: write ${rows.map((it) => `${it.pool}:${it.target}`).join(' or ')}`,
      )
    await link.apply('event.quarantine-retry', { pool: row.pool, stream: row.stream })
  },
}

export const quarantine: GroupSpec = {
  name: 'quarantine',
  summary: 'Containers whose events could not be followed',
  commands: [ls, retry],
}
