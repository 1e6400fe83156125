/** `osctl drift …`: what the host shows that the log does not say. */
import { AT, AT_NOTE, atOf } from '../at.ts'
import { confirm, type Invocation, poolsOf, printRows } from '../invocation.ts'
import type { Column } from '../output/table.ts'
import type { CommandSpec, GroupSpec } from '../spec.ts'

const columns: readonly Column[] = [
  { name: 'pool' },
  { name: 'id', help: 'what adopt and repair are told' },
  { name: 'subject', help: 'the container or the dataset' },
  { name: 'kind', help: 'missing, renamed, replaced, running, foreign, or a property of the dataset' },
  { name: 'expected', help: 'what the log says' },
  { name: 'seen', help: 'what is there' },
  { name: 'since', show: 'date', help: 'when it was noticed' },
  { name: 'settle', help: 'adopt, repair, or by hand' },
  { name: 'adopt', help: 'why it cannot be adopted' },
  { name: 'repair', help: 'why it cannot be repaired' },
  { name: 'level', help: 'error: it keeps osctl from its work; warning' },
]
const table = {
  columns,
  defaults: ['pool', 'id', 'expected', 'seen', 'since', 'settle'],
  layout: 'columns',
  sort: true,
} as const
const POOLS = { name: 'pool', optional: true, many: true, words: 'pool' } as const

const NOTE =
  'A dataset that was renamed, destroyed or exchanged, a property that osctl had set, a container that was started by other means, a dataset of somebody else among ours: each is noticed once, at import, every five minutes, and by `osctl drift scan`. A container that was stopped by other means is stopped, and its history says so.'

const ls: CommandSpec = {
  name: 'ls',
  aliases: ['list'],
  summary: 'List what differs',
  description: [NOTE, AT_NOTE],
  args: [POOLS],
  options: [AT],
  table,
  examples: [
    { command: 'osctl drift ls -o +adopt,repair', what: 'Also why something cannot be adopted or repaired' },
  ],
  run: async (invocation) =>
    printRows(
      invocation,
      await invocation.link.query('drift.list', {
        ...poolsOf(invocation, invocation.args),
        ...atOf(invocation),
      }),
    ),
}

const scan: CommandSpec = {
  name: 'scan',
  summary: 'Look now, and list what differs',
  description: ['What is new is recorded; the host stays as it is.'],
  args: [POOLS],
  table,
  run: async (invocation) =>
    printRows(invocation, await invocation.link.query('drift.scan', poolsOf(invocation, invocation.args))),
}

const YES = { long: 'yes', short: 'y', help: 'Do not ask' } as const
const IDS = { name: 'id', many: true } as const

async function settle(
  invocation: Invocation,
  method: 'drift.adopt' | 'drift.repair',
  what: string,
): Promise<void> {
  const { link, options, args } = invocation
  if (link.asks(options)) for (const id of args) await link.preview(method, { id })
  confirm(invocation, `Do you really wish to ${what} ${args.join(', ')}?`)
  for (const id of args) await link.apply(method, { id })
}

const adopt: CommandSpec = {
  name: 'adopt',
  summary: 'Let the log take over what is there',
  description: [
    'A dataset that was renamed within the place of containers becomes a container of that name; one that was exchanged belongs to the container; a container whose dataset is gone is gone; a property, a run or a foreign dataset is as it should be from now on. The host stays as it is.',
    'Where this is impossible the refusal says what else can be done. On a terminal the plan is shown first, and you are asked.',
  ],
  args: [IDS],
  options: [YES],
  examples: [{ command: 'osctl drift adopt web/quota', what: 'The quota that somebody set on web is right' }],
  run: (invocation) => settle(invocation, 'drift.adopt', 'adopt'),
}

const repair: CommandSpec = {
  name: 'repair',
  summary: 'Put back what the log says',
  description: [
    'A dataset gets its name back, a property its value, a container that should not run is stopped, and datasets of osctl that are missing are made again, empty. What osctl did not make is never taken away.',
    'A dataset that was destroyed cannot be brought back: put a copy in its place and adopt that, or adopt the loss. On a terminal the plan is shown first, and you are asked.',
  ],
  args: [IDS],
  options: [YES],
  examples: [
    { command: 'osctl drift repair web/renamed', what: 'Give the dataset of web its name back' },
    { command: 'osctl drift repair --dry-run web/renamed', what: 'Only show what that would do' },
  ],
  run: (invocation) => settle(invocation, 'drift.repair', 'repair'),
}

export const drift: GroupSpec = {
  name: 'drift',
  summary: 'What somebody changed by hand',
  commands: [ls, scan, adopt, repair],
}
