/** `osctl drift …`: what the host shows that the log does not say. */
import { AT, AT_NOTE, atOf } from '../at.ts'
import { confirm, given, type Invocation, poolsOf, printRows } from '../invocation.ts'
import type { Column } from '../output/table.ts'
import type { CommandSpec, GroupSpec } from '../spec.ts'
import { conditionsOf, SINCE } from './conditions.ts'

const columns: readonly Column[] = [
  { name: 'pool' },
  { name: 'id', help: 'what adopt and repair are told' },
  { name: 'subject', help: 'the container or the dataset' },
  {
    name: 'kind',
    help: 'missing, renamed, replaced, rolledback, running, foreign, or a property of the dataset',
  },
  { name: 'expected', help: 'what the log says' },
  { name: 'seen', help: 'what is there' },
  { name: 'since', show: 'date', help: 'when it was noticed' },
  { name: 'by', help: 'the command that made it so, by whom, where and when, as the zpool recorded it' },
  { name: 'settle', help: 'adopt, repair, or by hand' },
  { name: 'adopt', help: 'why it cannot be adopted' },
  { name: 'repair', help: 'why it cannot be repaired' },
  { name: 'level', help: 'error: it keeps osctl from its work; warning' },
]
const table = {
  columns,
  defaults: ['pool', 'id', 'expected', 'seen', 'since', 'by', 'settle'],
  layout: 'columns',
  sort: true,
} as const
const POOLS = { name: 'pool', optional: true, many: true, words: 'pool' } as const

const NOTE =
  'A dataset that was renamed, destroyed or exchanged, a property that osctl had set, a container that was started by other means, a dataset of somebody else among ours: each is noticed once, at import, every five minutes, and by `osctl drift scan`. So is the dataset of a container that was rolled back. A container that was stopped by other means is stopped, and its history says so.'

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

const changes: CommandSpec = {
  name: 'changes',
  summary: 'Show what others did to the datasets of osctl',
  description: [
    'ZFS records every change of a pool by itself (`zpool history -il`). Here each of them on our datasets is held against the event log: what belongs to none of its effects, nor to the upkeep of the log, was done by somebody else, with the command that did it, where the pool recorded that. An effect of the log of which ZFS knows nothing is shown as unrecorded.',
    'It goes back as far as the last 16 MiB of that record. What differs now is what `osctl drift ls` shows; this also shows what was put back since, snapshots of containers that were taken by hand, and the like. What lies below the dataset of a container is its own, and is left out.',
  ],
  args: [POOLS],
  options: [
    { long: 'all', short: 'a', help: 'Also what osctl did itself, with the effect or the act of upkeep' },
    SINCE,
  ],
  table: {
    columns: [
      { name: 'time', show: 'date' },
      { name: 'pool' },
      {
        name: 'change',
        help: 'foreign; unrecorded: an effect that ZFS knows nothing of; with --all effect, upkeep',
      },
      { name: 'of', help: 'the effect, by its intent, or the act of upkeep' },
      { name: 'subject', help: 'the datasets; the arguments of an unrecorded effect' },
      { name: 'what', help: 'in the words of `zpool history`' },
      { name: 'command' },
      { name: 'user', help: 'who gave the command' },
      { name: 'host', help: 'where' },
      { name: 'txg', right: true, help: 'of the first change' },
    ],
    defaults: ['time', 'pool', 'change', 'subject', 'command', 'user', 'host'],
    layout: 'columns',
    sort: true,
  },
  examples: [
    {
      command: "osctl drift changes --since '1 day ago' -o +what",
      what: 'Also what each command did, in ZFS words',
    },
    { command: 'osctl drift changes -a -o time,change,of,subject,what', what: 'Whose each change was' },
  ],
  run: async (invocation) => {
    const { since } = conditionsOf(invocation)
    printRows(
      invocation,
      await invocation.link.query('drift.changes', {
        ...poolsOf(invocation, invocation.args),
        ...given({ since }),
        all: invocation.options.flag('all'),
      }),
    )
  },
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
  commands: [ls, scan, changes, adopt, repair],
}
