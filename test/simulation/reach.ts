/**
 * How far the simulator reaches, asked of the machines themselves: every transition that asks for an effect, and every
 * kind of effect done and undone, is one of these; a run's log says which of them it took.
 */
import type { AnyStateMachine, StateNode } from 'xstate'
import type { StoredEvent } from '../../src/events/types/envelope.ts'
import { INTENT_KINDS } from '../../src/events/types/intents.ts'
import { containerMachine } from '../../src/machines/container/machine.ts'
import { type AnyState, Fold } from '../../src/machines/fold.ts'
import { COMPENSATED } from '../../src/machines/operation.ts'
import { poolMachine } from '../../src/machines/pool/machine.ts'

const MACHINES: readonly AnyStateMachine[] = [containerMachine, poolMachine]

type Node = StateNode
/** `from` and `to` are paths of states, `life.stopped`; entering `to` asks for an effect. */
type Asking = {
  readonly machine: string
  readonly from: string
  readonly fact: string
  readonly to: string
  readonly name: string
}

const nodesOf = (node: Node): Node[] => [node, ...Object.values(node.states).flatMap(nodesOf)]
const pathOf = (node: Node): string => node.path.join('.')
const enteredBy = (node: Node): Node => {
  const first = node.type === 'compound' ? node.initial.target?.[0] : undefined
  return first ? enteredBy(first) : node
}

/** Its transitions that ask for an effect, by what they are called in the list of what was not reached. */
export function askingOf(machine: AnyStateMachine): Asking[] {
  return nodesOf(machine.root).flatMap((node) =>
    [...node.transitions].flatMap(([fact, transitions]) =>
      transitions.flatMap(({ target, reenter }): Asking[] => {
        const into = target?.[0]
        if (!into || (into === node && !reenter)) return []
        const entered = enteredBy(into)
        if (entered.entry.length === 0) return []
        const [from, to] = [pathOf(node), pathOf(entered)]
        return [{ machine: machine.id, from, fact, to, name: `${machine.id}: ${from} --${fact}--> ${to}` }]
      }),
    ),
  )
}

/** All there is to reach. */
export const everything = (): string[] => [
  ...new Set([
    ...MACHINES.flatMap(askingOf).map(({ name }) => name),
    ...INTENT_KINDS.map((kind) => `effect ${kind}`),
    ...COMPENSATED.map((kind) => `undo of ${kind}`),
  ]),
]

/** Paths of the states that it is in, of all regions, outer ones first. */
function pathsOf(value: unknown, above = ''): string[] {
  if (typeof value === 'string') return [`${above}${value}`]
  return Object.entries(value as object).flatMap(([key, inner]) => [
    `${above}${key}`,
    ...pathsOf(inner, `${above}${key}.`),
  ])
}

const ASKING = MACHINES.flatMap(askingOf)

/** What one transition, which asked for an effect, was. */
function taken(machine: string, before: AnyState, fact: string, after: AnyState): string[] {
  const [was, is] = [pathsOf(before.value), pathsOf(after.value)]
  return ASKING.filter(
    (it) => it.machine === machine && it.fact === fact && was.includes(it.from) && is.includes(it.to),
  ).map(({ name }) => name)
}

/** What a log has reached, from its first event on. */
export function reachedBy(rows: Iterable<{ readonly event: StoredEvent }>): Set<string> {
  const reached = new Set<string>()
  const fold = new Fold()
  let last: { id: string; machine: string; before: AnyState; fact: string; after: AnyState } | null = null
  for (const { event } of rows) {
    const { stream, type, data } = event
    const before = fold.states.of(stream)
    fold.apply(event)
    const after = fold.states.of(stream)
    if (type === 'EffectIntended') {
      const { kind, compensates } = data as { kind: string; compensates: string | null }
      reached.add(compensates === null ? `effect ${kind}` : `undo of ${undone(before, compensates)}`)
      reached.add(`effect ${kind}`)
      if (last && event.by === last.id)
        for (const name of taken(last.machine, last.before, last.fact, last.after)) reached.add(name)
    } else if (before && after)
      last = { id: event.id, machine: stream === 'pool' ? 'pool' : 'ct', before, fact: type, after }
  }
  return reached
}

/** The kind of the step that is taken back. */
const undone = (state: AnyState | null, intent: string): string =>
  state?.context.op?.done.find((step) => step.intent === intent)?.kind ?? '?'
