/** `osctl pool …` */
import { AT, AT_NOTE, atOf } from '../at.ts'
import { arg, confirm, given, type Invocation, poolsOf, printRows } from '../invocation.ts'
import type { TableSpec } from '../output/table.ts'
import type { ArgumentSpec, CommandSpec, GroupSpec } from '../spec.ts'
import { UsageError } from '../usage-error.ts'
import { abortExports } from './abort.ts'
import { attributeCommands, integerArgument } from './attributes.ts'
import { poolAutostart } from './pool-autostart.ts'
import { poolUpgrade } from './pool-upgrade.ts'

const POOL: ArgumentSpec = { name: 'pool', words: 'pool' }
const MAX_PARALLEL = 1000

const columns: TableSpec['columns'] = [
  { name: 'name' },
  { name: 'dataset', help: 'where osctl keeps everything on it' },
  { name: 'state' },
  { name: 'users', right: true },
  { name: 'groups', right: true },
  { name: 'containers', right: true },
  { name: 'parallel_start', right: true, help: 'containers started at once, at most' },
  { name: 'parallel_stop', right: true, help: 'containers stopped at once, at most' },
  { name: 'running', right: true, help: 'containers that run' },
  { name: 'health', help: "the zpool's" },
  { name: 'log', help: "the event log's: ok, suspended, read-only, degraded" },
  { name: 'log_head', help: 'its last event, and the beginning of its hash' },
  { name: 'format', right: true, help: "the log's, see `pool upgrade`" },
  { name: 'guid' },
  { name: 'came_from', help: 'the host that had it before, since when it is here, and whether by force' },
  { name: 'problem' },
]

const ls: CommandSpec = {
  name: 'ls',
  aliases: ['list'],
  summary: 'List imported pools',
  description: [AT_NOTE],
  args: [{ ...POOL, optional: true, many: true }],
  options: [AT],
  table: {
    columns,
    defaults: ['name', 'dataset', 'state', 'users', 'groups', 'containers'],
    layout: 'columns',
    sort: true,
  },
  examples: [{ command: 'osctl pool ls -o +health,log', what: 'Also show whether pool and log are well' }],
  run: async (invocation) => {
    const { pools } = poolsOf(invocation, invocation.args)
    printRows(
      invocation,
      await invocation.link.query('pool.list', { ...given({ names: pools }), ...atOf(invocation) }),
    )
  },
}

const show: CommandSpec = {
  name: 'show',
  aliases: ['info'],
  summary: 'Show a pool',
  description: [AT_NOTE],
  args: [POOL],
  options: [AT],
  table: { columns, defaults: columns.map(({ name }) => name), layout: 'rows' },
  examples: [{ command: 'osctl pool show -H -o state tank', what: 'Only its state, for a script' }],
  run: async (invocation) =>
    printRows(invocation, [
      await invocation.link.query('pool.show', { name: arg(invocation, 0), ...atOf(invocation) }),
    ]),
}

const install: CommandSpec = {
  name: 'install',
  summary: 'Mark a zpool for osctl and import it',
  description: [
    'Makes the datasets that osctl needs, the event log first. Installing an installed pool again is harmless.',
  ],
  args: [POOL],
  options: [
    {
      long: 'dataset',
      value: 'dataset',
      help: 'Keep everything in this dataset of the pool, not at its root',
    },
  ],
  examples: [{ command: 'osctl pool install tank', what: 'Let osctl use the zpool tank' }],
  run: async ({ link, options, args: [name = ''] }) => {
    await link.apply('pool.install', { name, ...given({ dataset: options.text('dataset') }) })
  },
}

const uninstall: CommandSpec = {
  name: 'uninstall',
  summary: 'Remove the mark of osctl from an exported pool',
  description: ['Data and datasets stay where they are; `pool install` finds them again.'],
  args: [POOL],
  options: [{ long: 'yes', short: 'y', help: 'Do not ask' }],
  run: async (invocation) => {
    const name = arg(invocation, 0)
    confirm(invocation, `Do you really wish to remove pool ${name} from osctl?`)
    await invocation.link.apply('pool.uninstall', { name })
  },
}

const importPool: CommandSpec = {
  name: 'import',
  summary: 'Import one installed pool, or all of them',
  description: [
    'Reads its event log, settles what a power cut interrupted, and starts what is to be started. A pool that is named is imported into ZFS, too, if it is not there.',
    'A pool that another host had last and did not export is refused, and the refusal says who had it, until when, and the ways out: two hosts that use one pool destroy it. Exported there (osctl pool export, then zpool export) it is imported here like any other. If that host is off, and stays off, --force takes the pool; `osctl history` then tells so.',
  ],
  args: [{ ...POOL, optional: true }],
  options: [
    { long: 'all', short: 'a', help: 'Import all installed pools that are in ZFS' },
    {
      long: 'force',
      short: 'f',
      help: 'Also a pool that another host had last and did not export: that host must be off',
    },
    {
      long: 'autostart',
      short: 's',
      negatable: true,
      default: 'on',
      help: 'Start containers that start by themselves',
    },
  ],
  examples: [
    { command: 'osctl pool import tank', what: 'Import tank, with its containers as they were' },
    { command: 'osctl pool import -f tank', what: 'Take tank from a host that broke' },
  ],
  run: async ({ link, options, args: [name] }) => {
    const [all, force] = [options.flag('all'), options.flag('force')]
    if (name === undefined && !all) throw new UsageError('missing argument <pool> (or use --all)')
    if (name !== undefined && all) throw new UsageError('either a pool or --all')
    if (force && all) throw new UsageError('--force takes one pool at a time: name the one whose host is off')
    const autostart = options.flag('autostart', true)
    await link.apply('pool.import', { ...given({ name }), all, autostart, ...(force ? { force } : {}) })
  },
}

const exportPool: CommandSpec = {
  name: 'export',
  summary: 'Stop the containers of a pool and let it go',
  description: [
    'They stop in the reverse of the order in which they start, at most `parallel-stop` at a time: each is asked to shut down, and killed after five minutes; after nine minutes all that still run are. If one cannot be stopped at all the pool stays open, and it is named with the reason. An export that was accepted goes on when osctld is restarted.',
    'Until the last container is stopped it can be given up with `--abort`, or by `osctl op cancel`: those that are stopping then are waited for, and what was stopped stays stopped.',
  ],
  args: [POOL],
  options: [
    {
      long: 'force',
      short: 'f',
      negatable: true,
      default: 'off',
      help: 'Also when containers run: they are stopped',
    },
    {
      long: 'stop-containers',
      short: 's',
      negatable: true,
      default: 'on',
      help: 'Stop them; else they run on, unmanaged',
    },
    {
      long: 'unregister-users',
      short: 'u',
      negatable: true,
      default: 'on',
      help: 'Remove the system users; --no-unregister-users keeps nothing else and is ignored',
      later: 'ignored',
    },
    {
      long: 'message',
      short: 'm',
      value: 'text',
      help: 'Say this to the users of the containers',
      later: 'ignored',
    },
    {
      long: 'if-imported',
      negatable: true,
      default: 'off',
      help: 'It is no error if the pool is not imported',
    },
    { long: 'abort', help: 'Give up an export that is under way: the pool stays imported' },
  ],
  run: async (invocation) => {
    const { link, options } = invocation
    const name = arg(invocation, 0)
    if (options.flag('abort')) return await abortExports(invocation, name)
    await link.apply('pool.export', {
      name,
      force: options.flag('force'),
      stopContainers: options.flag('stop-containers', true),
      ifImported: options.flag('if-imported'),
    })
  },
}

const PARALLEL = [
  { name: 'parallel-start', key: 'parallelStart', what: 'started' },
  { name: 'parallel-stop', key: 'parallelStop', what: 'stopped' },
] as const

const setParallel = PARALLEL.map(
  ({ name, key, what }): CommandSpec => ({
    name,
    summary: `Set how many containers are ${what} at once, at most`,
    args: [POOL, { name: 'n' }],
    run: async (invocation) => {
      const n = integerArgument(invocation, 1, 'n', 1, MAX_PARALLEL)
      await invocation.link.apply('pool.set', { name: arg(invocation, 0), set: { [key]: n } })
    },
  }),
)

const unsetParallel = PARALLEL.map(
  ({ name, key, what }): CommandSpec => ({
    name,
    summary: `Set how many containers are ${what} at once to the default`,
    args: [POOL],
    run: async (invocation) => {
      await invocation.link.apply('pool.set', { name: arg(invocation, 0), set: { [key]: null } })
    },
  }),
)

const attributes = attributeCommands(POOL, async (invocation: Invocation, attrs) => {
  await invocation.link.apply('pool.set', { name: arg(invocation, 0), set: { attrs } })
})

export const pool: GroupSpec = {
  name: 'pool',
  summary: 'Manage pools',
  commands: [
    ls,
    show,
    install,
    uninstall,
    importPool,
    exportPool,
    poolAutostart,
    poolUpgrade,
    { name: 'set', summary: 'Set a property of a pool', commands: [...setParallel, attributes.set] },
    {
      name: 'unset',
      summary: 'Set a property of a pool to its default',
      commands: [...unsetParallel, attributes.unset],
    },
  ],
}
