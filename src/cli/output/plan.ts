/** A plan on the terminal: what would be done, step by step, what would be recorded, and how it would end. */
import { RpcError } from '../../rpc/errors.ts'
import type { Plan, PlannedAction, PlannedBranch, PlannedEffect, PlannedEvent } from '../../rpc/plan.ts'
import type { Io } from '../io.ts'
import { harmless } from './table.ts'

const LONGEST_DATA = 200

/**
 * Prints a plan.
 * @throws RpcError the refusal, so that the exit status is that of the real command
 */
export function printPlan(io: Io, plan: Plan, json: boolean): void {
  if (json) io.out(`${JSON.stringify(plan)}\n`)
  else io.out(planText(plan))
  if (plan.refusal === null) return
  const { message, ...data } = plan.refusal
  throw new RpcError(message, data)
}

/** @pure */
export function planText(plan: Plan): string {
  const pools = new Set([...plan.effects.map(({ pool }) => pool), ...plan.events.map(({ pool }) => pool)])
  const where = (pool: string | null): string => (pools.size > 1 ? `${pool}: ` : '')
  const sections = [
    plan.branches.flatMap(branchLines),
    plan.before.length === 0 ? [] : ['Before anything is recorded:', ...plan.before.flatMap(actionLines)],
    plan.effects.flatMap((effect) => effectLines(effect, where(effect.pool))),
    plan.derived.length === 0
      ? []
      : ['Besides, derived from the new state:', ...plan.derived.flatMap(actionLines)],
    eventLines(plan.events, where),
    [
      ...plan.notes.map((note) => `Note: ${note}.`),
      `${endOf(plan)} This is a plan: nothing was recorded or done.`,
    ],
  ]
  return sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.map((line) => `${harmless(line)}\n`).join(''))
    .join('\n')
}

function endOf({ result, effects }: Plan): string {
  if (result === null) return 'It would be refused.'
  if (result === 'no change') return 'Nothing would change: it is so already.'
  if (result === 'known') return 'Nothing would be done again.'
  return effects.length === 0 ? 'It would be done with the record alone.' : 'It would be done.'
}

function effectLines(effect: PlannedEffect, where: string): string[] {
  const { step, target, kind, actions, gives, branches, fails } = effect
  const known = Object.entries(gives as Record<string, unknown>).map(([name, value]) => `${name} ${value}`)
  return [
    `${String(step).padStart(3)}. ${where}${kind}${target === null ? '' : ` (${target})`}`,
    ...actions.flatMap(actionLines),
    ...(known.length === 0 ? [] : [`     expected: ${known.join(', ')}`]),
    ...branches.flatMap((branch) => branchLines(branch).map((line) => `     ${line}`)),
    `     if it fails: ${fails}`,
  ]
}

const MARKS = { run: '$', write: '>', cgroup: '>', note: '-' } as const

function actionLines({ is, text }: PlannedAction): string[] {
  return [`     ${MARKS[is]} ${text}`]
}

const branchLines = ({ condition, expected, otherwise }: PlannedBranch): string[] => [
  `Is it so that ${condition}?`,
  `  expected  ${expected}`,
  `  else      ${otherwise}`,
]

function eventLines(events: readonly PlannedEvent[], where: (pool: string | null) => string): string[] {
  if (events.length === 0) return []
  const rows = events.map((event, index) => ({
    n: `${String(index + 1).padStart(3)}.${event.assumed ? '~' : ' '} ${where(event.pool)}`,
    stream: event.target ?? event.stream,
    type: event.type,
    data: short(event.data),
  }))
  const wide = (of: 'stream' | 'type'): number => Math.max(...rows.map((row) => row[of].length))
  const [stream, type] = [wide('stream'), wide('type')]
  return [
    `Events that would be appended${events.some(({ assumed }) => assumed) ? ' (~ if all goes as expected)' : ''}:`,
    ...rows.map((row) => `${row.n}${row.stream.padEnd(stream)}  ${row.type.padEnd(type)}  ${row.data}`),
  ]
}

function short(data: unknown): string {
  const { actor: _actor, cli: _cli, ...rest } = data as Record<string, unknown>
  const text = JSON.stringify(rest)
  return text.length > LONGEST_DATA ? `${text.slice(0, LONGEST_DATA - 1)}…` : text
}
