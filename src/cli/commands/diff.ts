/** `osctl diff`: what changed between two moments, and who did it. */
import type { DiffChange, DiffReport } from '../../rpc/results.ts'
import { formatTime } from '../../rpc/time.ts'
import { parseAt } from '../at.ts'
import { arg, given, type Invocation, poolsOf, printJson } from '../invocation.ts'
import { harmless } from '../output/table.ts'
import type { CommandSpec } from '../spec.ts'

const SIGNS = { added: '+', removed: '-', changed: '~' } as const
/** Order in which what differs is told: what an admin looks for first. */
const ORDER = ['container', 'pool', 'user', 'trash', 'image', 'repository', 'id-range'] as const

export const diff: CommandSpec = {
  name: 'diff',
  summary: 'Show what changed between two moments, and who did it',
  description: [
    'A moment is POOL:SEQ, SEQ with one pool, or a time, which means the last event that is not later. Without the second, until now.',
    'Each line is a property with its values then and later, the event that changed it last, who is behind it and with which command. What changed and changed back is not shown.',
  ],
  args: [{ name: 'from' }, { name: 'to', optional: true }],
  options: [
    { long: 'ct', value: 'id', words: 'ct', help: 'Only of this container' },
    { long: 'pool', value: 'pools', kind: 'list', words: 'pool', help: 'Of these pools' },
  ],
  examples: [
    { command: "osctl diff '1 hour ago'", what: 'All that changed within the hour' },
    { command: 'osctl diff --ct web yesterday tank:1234', what: 'One container, up to an event' },
  ],
  run: async (invocation) => {
    const { link, options, globals, io, args } = invocation
    const reports = await link.query('diff', {
      from: parseAt(arg(invocation, 0), '<from>'),
      ...(args[1] === undefined ? {} : { to: parseAt(args[1], '<to>') }),
      ...given({ ct: options.text('ct') }),
      ...poolsOf(invocation),
    })
    if (globals.flag('json')) printJson(io, reports)
    else io.out(reports.map((report) => describe(report, invocation)).join('\n'))
  },
}

function describe(report: DiffReport, { globals }: Invocation): string {
  const exact = globals.flag('parsable')
  const moment = ({ seq, time }: DiffReport['from']): string => {
    if (time === null) return 'before the log began'
    return `${report.pool}:${seq} (${exact ? time : formatTime(time)})`
  }
  const head = `${moment(report.from)} … ${moment(report.to)}\n`
  if (report.changes.length === 0) return `${head}nothing differs\n`
  const entities = Map.groupBy(report.changes, ({ entity, key }) => `${entity} ${key}`)
  const sorted = ORDER.flatMap((kind) => [...entities.values()].filter(([first]) => first?.entity === kind))
  return head + sorted.map((changes) => `\n${entityText(changes)}`).join('')
}

function entityText(changes: readonly DiffChange[]): string {
  const [first] = changes
  if (!first) return ''
  const whole = changes.find(({ property }) => property === null)
  const id = first.entity === 'container' ? ` (${first.key})` : ''
  const title = `${SIGNS[first.change]} ${first.entity} ${first.name}${id}`
  const properties = changes.filter(({ property }) => property !== null)
  const names = Math.max(0, ...properties.map(({ property }) => (property ?? '').length))
  const values = properties.map((change) => harmless(valueText(change)))
  const widest = Math.min(48, Math.max(0, ...values.map((text) => text.length)))
  const lines = properties.map((change, i) => {
    const text = `    ${(change.property ?? '').padEnd(names)}  ${(values[i] ?? '').padEnd(widest)}`
    const same = whole?.position === change.position
    return `${text}${same ? '' : `  ${causeText(change)}`}`.trimEnd()
  })
  return [harmless(whole ? `${title}  ${causeText(whole)}` : title), ...lines.map(harmless)]
    .map((line) => `${line}\n`)
    .join('')
}

function valueText({ change, before, after }: DiffChange): string {
  if (change === 'added') return after ?? '-'
  if (change === 'removed') return before ?? '-'
  return `${before ?? '-'} → ${after ?? '-'}`
}

const causeText = ({ position, actor, command }: DiffChange): string =>
  position === null ? '' : `${position}  ${actor}: ${command}`
