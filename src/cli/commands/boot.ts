/** `osctl boot …`: what a boot made of the containers. */
import type { BootContainer, BootReport } from '../../rpc/results.ts'
import { formatTime } from '../../rpc/time.ts'
import { poolsOf, printJson, printRows } from '../invocation.ts'
import { elapsed } from '../output/humanize.ts'
import { harmless } from '../output/table.ts'
import type { ArgumentSpec, CommandSpec, GroupSpec } from '../spec.ts'
import { limitOption } from './conditions.ts'

const POOLS: readonly ArgumentSpec[] = [{ name: 'pool', optional: true, many: true, words: 'pool' }]

const ls: CommandSpec = {
  name: 'ls',
  aliases: ['list'],
  summary: 'List the boots that the logs tell of, the newest last',
  args: POOLS,
  options: [limitOption(10_000, 20)],
  table: {
    columns: [
      { name: 'pool' },
      { name: 'boot', right: true, help: '0 is the newest, -1 the one before: what --boot takes' },
      { name: 'boot_id' },
      { name: 'host' },
      { name: 'time', show: 'date', help: 'when the pool was opened in it' },
      { name: 'previous', help: 'how the boot before ended: none, closed, host-died' },
      { name: 'sessions', right: true, help: 'how often the pool was opened in it: daemons, imports' },
      { name: 'position' },
    ],
    defaults: ['pool', 'boot', 'time', 'host', 'previous', 'sessions', 'boot_id'],
    layout: 'columns',
    sort: true,
  },
  run: async (invocation) => {
    const limit = invocation.options.integer('limit') ?? 20
    printRows(
      invocation,
      await invocation.link.query('boot.list', { ...poolsOf(invocation, invocation.args), limit }),
    )
  },
}

const report: CommandSpec = {
  name: 'report',
  summary: 'Tell what a boot made of each container: expected, started, failed and why',
  description: [
    'One line for each container that was to start (expected: autostart, or rebooting when the host died in its reboot), and for each that ran when the host died and has no autostart (ran). Of the others, which were stopped and stay so, only the number is told.',
    'Result: started; starting and waiting, while it goes on; failed, after five attempts; left alone, because somebody had it in hand; stopped.',
    '`osctl why ct ID` tells more of one of them. `osctl replay FILE boot report` asks the file of an incident.',
  ],
  args: POOLS,
  options: [
    {
      long: 'boot',
      value: 'n|id',
      default: '0',
      help: 'Of this boot: 0 the newest, -1 the one before, or the beginning of a boot id (osctl boot ls)',
    },
  ],
  table: {
    columns: [
      { name: 'pool' },
      { name: 'id' },
      { name: 'expected', help: 'autostart, rebooting or ran: why the boot had to do with it' },
      { name: 'ran', help: 'it ran when its host died' },
      { name: 'result' },
      { name: 'attempts', right: true },
      { name: 'took', right: true, show: 'ms', help: 'the last attempt' },
      { name: 'after', right: true, show: 'ms', help: 'its end, from the opening of the pool on' },
      { name: 'problem' },
      { name: 'stream' },
    ],
    defaults: ['pool', 'id', 'expected', 'result', 'attempts', 'took', 'after', 'problem'],
    layout: 'columns',
    sort: true,
  },
  examples: [
    { command: 'osctl boot report', what: 'Is everything up that should be, and if not, why' },
    { command: 'osctl boot report --boot -1 tank', what: 'The same of the boot before' },
  ],
  run: async (invocation) => {
    const { link, io, options, globals, args } = invocation
    const boot = options.text('boot') ?? '0'
    const reports = await link.query('boot.report', { ...poolsOf(invocation, args), boot })
    if (globals.flag('json')) return printJson(io, reports)
    if (!options.flag('hide-header')) for (const each of reports) io.out(`${harmless(heading(each))}\n`)
    const rows: readonly BootContainer[] = reports.flatMap(({ containers }) => containers)
    if (rows.length > 0) printRows(invocation, rows)
  },
}

const HOW: Readonly<Record<string, string>> = {
  none: 'for the first time',
  closed: 'after an export',
  'daemon-died': 'after its daemon died',
  'host-died': 'after its host died',
}

function heading({ pool, boot_id, host, time, previous, autostart, ...rest }: BootReport): string {
  const { result, took, total, containers } = rest
  const opened = `${pool}: opened ${formatTime(time)} on ${host} ${HOW[previous] ?? previous}, boot ${boot_id}`
  const others = total === null ? 0 : Math.max(0, total - containers.length)
  const counts = ['started', 'starting', 'waiting', 'failed', 'left alone', 'stopped'].flatMap((name) => {
    const n = containers.filter((each) => each.result === name).length
    return n > 0 ? [`${n} ${name}`] : []
  })
  const end = `autostart ${result}${took === null ? '' : ` after ${elapsed(took)}`}`
  const planned = result === null ? 'nothing to start by itself' : end
  const plan = { planned, off: 'autostart off', none: 'not ready yet' }[autostart] ?? autostart
  const rests = others > 0 ? [`${others} as they were`] : []
  return `${opened}; ${[plan, ...counts, ...rests].join(', ')}`
}

export const boot: GroupSpec = { name: 'boot', summary: 'Boots of the host', commands: [ls, report] }
