/** `osctl ct ls` and `ct show`. */
import { AT, AT_NOTE, atOf } from '../at.ts'
import { type Complete, given, type Invocation, poolsOf, printRows, target } from '../invocation.ts'
import { type Column, columnOf, selectColumns, type TableSpec } from '../output/table.ts'
import type { CommandSpec } from '../spec.ts'
import { cgroupFileColumn, USAGE_COLUMNS, withUsage } from '../usage.ts'
import { CT } from './ct-arguments.ts'

const columns: readonly Column[] = [
  { name: 'pool' },
  { name: 'id' },
  { name: 'user' },
  { name: 'group' },
  { name: 'uid_map' },
  { name: 'gid_map' },
  { name: 'dataset' },
  { name: 'rootfs' },
  { name: 'lxc_path' },
  { name: 'lxc_dir' },
  { name: 'group_path', help: 'its cgroup' },
  { name: 'distribution' },
  { name: 'version' },
  { name: 'state' },
  { name: 'init_pid', right: true },
  { name: 'autostart' },
  { name: 'autostart_priority', right: true },
  { name: 'autostart_delay', right: true },
  { name: 'hostname' },
  { name: 'init_cmd' },
  { name: 'log_file' },
  ...USAGE_COLUMNS,
  { name: 'arch' },
  { name: 'created_at', show: 'date' },
  { name: 'started_at', show: 'date' },
  { name: 'restart_needed', help: 'a setting waits for the next start' },
  { name: 'operation', help: 'what is under way' },
  { name: 'drift', help: 'what somebody changed by hand (osctl drift ls)' },
  { name: 'problem' },
  { name: 'stream', help: 'its own id, which no later container has' },
]

const table = { columns, other: cgroupFileColumn } satisfies Partial<TableSpec>

const LIST_DEFAULTS = [
  'pool',
  'id',
  'user',
  'group',
  'distribution',
  'version',
  'state',
  'init_pid',
  'memory',
  'cpu_us',
]

export const ls: CommandSpec = {
  name: 'ls',
  aliases: ['list'],
  summary: 'List containers',
  description: [
    'Parameters are those of -L, any attribute vendor:key, and any file of the container cgroup, such as memory.max.',
    'What containers use (memory, cpu_us …) is read on the spot, for running containers only.',
    AT_NOTE,
  ],
  args: [{ ...CT, optional: true, many: true }],
  table: { ...table, defaults: LIST_DEFAULTS, layout: 'columns', sort: true },
  options: [
    { long: 'pool', value: 'pools', kind: 'list', words: 'pool', help: 'Of these pools' },
    { long: 'user', short: 'u', value: 'users', kind: 'list', words: 'user', help: 'Of these users' },
    { long: 'group', short: 'g', value: 'groups', kind: 'list', help: 'Of these groups' },
    {
      long: 'distribution',
      short: 'd',
      value: 'distributions',
      kind: 'list',
      help: 'Of these distributions',
    },
    { long: 'version', short: 'v', value: 'versions', kind: 'list', help: 'Of these versions' },
    {
      long: 'state',
      short: 'S',
      value: 'states',
      kind: 'list',
      words: ['stopped', 'starting', 'running', 'stopping', 'freezing', 'frozen', 'staged', 'error'],
      help: 'In these states',
    },
    { long: 'ephemeral', short: 'e', help: 'Only ephemeral containers: there are none' },
    { long: 'persistent', short: 'p', help: 'Only persistent containers: all are' },
    AT,
  ],
  examples: [
    { command: 'osctl ct ls -S running -s memory', what: 'Running containers by memory' },
    { command: 'osctl ct ls -H -o id,state', what: 'Two columns for a script' },
    { command: "osctl ct ls --at 'yesterday 14:00'", what: 'As it was then' },
    { command: 'osctl ct ls -o +memory.max,org.example:owner', what: 'With a cgroup file and an attribute' },
  ],
  run: async (invocation) => {
    const { options, args, link } = invocation
    const rows = await link.query('ct.list', {
      ...given({
        ids: args.length > 0 ? [...args] : undefined,
        users: options.list('user'),
        groups: options.list('group'),
        distributions: options.list('distribution'),
        versions: options.list('version'),
        states: options.list('state'),
        columns: fieldsOf(invocation),
      }),
      ...poolsOf(invocation),
      ...atOf(invocation),
    })
    const onlyEphemeral = options.flag('ephemeral') && !options.flag('persistent')
    printRows(invocation, onlyEphemeral ? [] : rows, usageOf(invocation))
  },
}

export const show: CommandSpec = {
  name: 'show',
  aliases: ['info'],
  summary: 'Show a container',
  args: [CT],
  table: { ...table, defaults: columns.map(({ name }) => name), layout: 'rows' },
  description: [AT_NOTE],
  options: [AT],
  examples: [
    { command: 'osctl ct show -H -o state 101', what: 'Only its state, for a script' },
    { command: 'osctl ct show --at tank:1234 101', what: 'As it was right after the event tank:1234' },
  ],
  run: async (invocation) => {
    const row = await invocation.link.query('ct.show', { id: target(invocation), ...atOf(invocation) })
    printRows(invocation, [row], usageOf(invocation))
  },
}

/** What a container used then, nobody knows. */
const usageOf = ({ options, link }: Invocation): Complete | undefined =>
  options.has('at') || link.isReplay ? undefined : withUsage

/** What a client reads the usage of a container by: where its cgroup is, and whether it runs. */
const FOR_USAGE = ['init_pid', 'group_path']

/** What the columns that are shown and sorted by are made of; undefined: all, for JSON. */
function fieldsOf({ command, options, globals }: Invocation): string[] | undefined {
  if (globals.flag('json') || command.table === undefined) return undefined
  const { table } = command
  const shown = selectColumns(table, options.text('output'))
  const sorted = (options.list('sort') ?? []).map((name) => columnOf(table, name))
  const wanted = [...shown, ...sorted]
  const attrs = wanted.some(({ name }) => name.includes(':')) ? ['attrs'] : []
  const cgroup = wanted.some(({ usage }) => usage) ? FOR_USAGE : []
  return [...new Set([...wanted.map(({ name }) => name), ...attrs, ...cgroup])]
}
