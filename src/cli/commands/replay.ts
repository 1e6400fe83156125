/** `osctl replay`: a log read without a daemon, from a file or a snapshot, on any machine. */
import type { ReplaySummary } from '../../rpc/results.ts'
import { formatTime } from '../../rpc/time.ts'
import { printJson } from '../invocation.ts'
import { harmless } from '../output/table.ts'
import { connectToReplay } from '../replay-link.ts'
import type { CommandSpec, Invocation } from '../spec.ts'
import { UsageError } from '../usage-error.ts'

export const replay: CommandSpec = {
  name: 'replay',
  summary: 'Read a log without a daemon: verify it, and ask it as a host is asked',
  description: [
    'The file is one that osctl event export or osctl incident wrote. With --pool-snapshot it is a directory: a snapshot of the dataset of a log, <ds>/events/.zfs/snapshot/NAME, or a copy of one. Nothing is written there.',
    'Without a command it tells what it is, where it comes from, and whether its chain holds; the exit status is 1 when it does not. With a command it answers as the host would have: ls, show (also with --at), history, event, op, diff, why. What was measured and not recorded shows as -. Commands that change something are refused.',
  ],
  args: [
    { name: 'file', optional: true, words: 'file' },
    { name: 'command', optional: true, many: true },
  ],
  options: [
    { long: 'pool-snapshot', value: 'dir', words: 'file', help: 'Read a log straight from its dataset' },
  ],
  passThrough: true,
  examples: [
    { command: 'osctl replay node1.log', what: 'What is it, and is it whole' },
    { command: 'osctl replay node1.log ct ls -o +created_at', what: 'Containers at its end' },
    { command: "osctl replay node1.log ct show --at 'yesterday 03:00' web", what: 'One of them, then' },
    {
      command: 'osctl replay --pool-snapshot /tank/events/.zfs/snapshot/osctl-7 history',
      what: 'Straight from a snapshot',
    },
  ],
  run: async (invocation) => {
    const { options, args } = invocation
    const directory = options.text('pool-snapshot')
    const [file, ...rest] = directory === undefined ? args : [directory, ...args]
    if (file === undefined) throw new UsageError('missing argument <file> (or --pool-snapshot <dir>)')
    const source = directory === undefined ? [file] : ['--pool-snapshot', file]
    const connect = () => connectToReplay(source)
    if (rest.length > 0) return await invocation.again(rest, connect)
    return await invocation.again(['replay-summary'], connect)
  },
}

/** What `replay` without a command asks: a command of its own, since it has the same way to what is asked. */
export const replaySummary: CommandSpec = {
  name: 'replay-summary',
  summary: 'Tell what a replayed log is',
  hidden: true,
  run: async ({ link, io, globals }: Invocation) => {
    const rows = await link.query('replay.summary', {})
    if (globals.flag('json')) printJson(io, rows)
    else io.out(rows.map((row) => describe(row, globals.flag('parsable'))).join('\n'))
    return rows.some(({ chain, states }) => chain === 'broken' || states === 'differ') ? 1 : 0
  },
}

function describe(row: ReplaySummary, exact: boolean): string {
  const time = (ms: number): string => (exact ? String(ms) : formatTime(ms))
  const facts: [string, string | null][] = [
    ['log of', `pool ${row.pool}${row.container === null ? '' : `, container ${row.container} only`}`],
    [
      'from',
      `${row.host || 'a host that it does not name'}${row.simulated ? ' (simulated: nothing in it is real)' : ''}`,
    ],
    ['guid', row.guid],
    ['written', row.exported_at === null ? null : `${time(row.exported_at)}, by osctl ${row.osctl}`],
    ['since', row.incident && time(row.incident.since)],
    [
      'events',
      `${row.events}, ${row.pool}:${row.first} … ${row.pool}:${row.head.seq}, in ${row.segments} segments`,
    ],
    ['times', row.spans && `${time(row.spans.from)} … ${time(row.spans.to)}`],
    ['head', `${row.head.seq}:${row.head.hash}`],
    ['chain', chainText(row)],
    ['states', statesText(row)],
    [
      'containers',
      `${row.containers.length}${row.containers.length === 0 ? '' : `: ${some(row.containers)}`}`,
    ],
    ['running', row.running.length === 0 ? '0' : `${row.running.length}: ${some(row.running)}`],
    ['quarantined', row.quarantined.length === 0 ? null : row.quarantined.join('; ')],
    ...incidentFacts(row, time),
    ['proves', row.proves],
  ]
  return facts
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name.padStart(11)}:  ${harmless(value ?? '')}\n`)
    .join('')
}

const SHOWN = 20
const some = (names: readonly string[]): string =>
  names.length <= SHOWN ? names.join(', ') : `${names.slice(0, SHOWN).join(', ')} …`

function chainText({ chain, first_bad, gaps, pool }: ReplaySummary): string {
  if (first_bad) return `BROKEN at ${pool}:${first_bad.seq}: ${first_bad.what}`
  return chain === 'partial'
    ? `every event fits its hash; ${gaps} gaps where events are left out`
    : 'verified'
}

function statesText({ states }: ReplaySummary): string | null {
  if (states === null) return null
  return states === 'equal'
    ? 'as the daemon had them at the end'
    : 'DIFFER from those that the daemon had at the end'
}

function incidentFacts({ incident }: ReplaySummary, time: (ms: number) => string): [string, string | null][] {
  if (!incident) return []
  const boots = incident.boots.map(({ position, time: at, previous, found }): [string, string] => {
    const recovered = found
      ? `${found.containers} containers, ${found.adopted} adopted, ${found.lost} lost, ${found.exited} exited, ${found.inDoubt} in doubt`
      : 'recovery did not come to its end'
    return ['opened', `${position}  ${time(at)}  ${previous}: ${recovered}`]
  })
  const problems = [
    ...incident.status.problems,
    ...incident.health.map(
      ({ entity, id, problem }) => `${entity}${id === null ? '' : ` ${id}`}: ${problem}`,
    ),
  ].map((problem): [string, string] => ['problem', problem])
  const notUp = (incident.boot?.containers ?? []).filter(({ result }) => result !== 'started')
  const stayed = notUp.map(({ id, result, problem }): [string, string] => [
    'not up',
    `${id}: ${result}${problem === null ? '' : `: ${problem}`}`,
  ])
  return [...boots, ...stayed, ...problems]
}
