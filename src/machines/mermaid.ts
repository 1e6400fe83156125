/**
 * The drawing of a machine as a Mermaid state diagram, read off the machine itself: it cannot be out of
 * date. Regions stand side by side; a state that waits for the host names the intent that it asks for; an
 * edge is labelled with the fact, and in brackets the guard that lets it pass (the first that holds counts).
 */
import type { AnyStateMachine, StateNode } from 'xstate'
import { containerMachine } from './container/machine.ts'
import { poolMachine } from './pool/machine.ts'

type Node = StateNode
type Transition = NonNullable<ReturnType<Node['transitions']['get']>>[number]
type Edge = {
  readonly from: string
  readonly to: string
  readonly label: string
  readonly home: Node | undefined
}

const MACHINES: Readonly<Record<'ct' | 'pool', AnyStateMachine>> = { ct: containerMachine, pool: poolMachine }

/** Mermaid's ids are global in a diagram and may not hold dots. */
const idOf = (node: Node): string => node.path.join('_') || node.machine.id
const childrenOf = (node: Node): Node[] => Object.values(node.states)
const isWithin = (node: Node, outer: Node): boolean =>
  node === outer || (node.parent !== undefined && isWithin(node.parent, outer))

/** The intent that a state asks for on entry. */
function asksOf(node: Node): string | undefined {
  for (const action of node.entry) {
    const params: unknown = typeof action === 'object' && 'params' in action ? action.params : undefined
    if (typeof params === 'function' && 'asks' in params) return String(params.asks)
  }
  return undefined
}

const titleOf = (node: Node): string => {
  const asks = asksOf(node)
  return asks === undefined ? node.key : `${node.key} (${asks})`
}

function guardOf({ guard }: Transition, others: boolean): string {
  if (guard === undefined) return others ? ' [else]' : ''
  return ` [${typeof guard === 'string' ? guard : 'type' in guard ? String(guard.type) : guard.name}]`
}

/** The innermost composite that holds both states, where their edge is written. */
function homeOf(source: Node, target: Node): Node | undefined {
  let home: Node | undefined = childrenOf(source).length > 0 ? source : source.parent
  while (home && (target === home || !isWithin(target, home))) home = home.parent
  return home
}

/** Transitions of a composite hold in each of its states: they start at a stand-in for any of them. */
const sourceOf = (node: Node): string => (childrenOf(node).length > 0 ? `${idOf(node)}_any` : idOf(node))

/** The state that is entered: Mermaid's layout fails on edges that end at a composite. */
const leafOf = (node: Node): Node => {
  const first = node.type === 'compound' ? node.initial.target?.[0] : undefined
  return first ? leafOf(first) : node
}

function edgesOf(node: Node): Edge[] {
  return [...node.transitions].flatMap(([fact, transitions]) =>
    transitions.map((transition, i) => {
      const target = transition.target?.[0] ?? node
      const remark = target !== node ? '' : transition.reenter ? ', again' : ', stays'
      const label = `${fact}${guardOf(transition, i > 0)}${remark}`
      const entered = target === node ? node : leafOf(target)
      const to = target === node ? sourceOf(node) : idOf(entered)
      return { from: sourceOf(node), to, label, home: homeOf(node, entered) }
    }),
  )
}

/** Edges from one state to another become one, with a line for each fact. */
function linesOf(edges: readonly Edge[]): string[] {
  const labels = new Map<string, string[]>()
  for (const { from, to, label } of edges) {
    const arrow = `${from} --> ${to}`
    labels.set(arrow, [...(labels.get(arrow) ?? []), label])
  }
  return [...labels].map(([arrow, label]) => `${arrow} : ${label.join('<br/>')}`)
}

const within = (node: Node): Node[] => [node, ...childrenOf(node).flatMap(within)]

const indented = (lines: readonly string[]): string[] =>
  lines.map((line) => (line === '' ? line : `  ${line}`))

function drawn(node: Node): string[] {
  const children = childrenOf(node)
  if (children.length === 0) return [`state "${titleOf(node)}" as ${idOf(node)}`]
  if (node.type === 'parallel') {
    const regions = children.flatMap((region, i) => [...(i > 0 ? ['--'] : []), ...drawn(region)])
    return [`state "${titleOf(node)}" as ${idOf(node)} {`, ...indented(regions), '}']
  }
  const own = node.transitions.size > 0 ? [`state "any state of ${node.key}" as ${sourceOf(node)}`] : []
  const [first] = node.initial.target ?? []
  const start = first ? [`[*] --> ${idOf(first)}`] : []
  const inner = children.flatMap(drawn)
  const edges = within(node)
    .flatMap(edgesOf)
    .filter(({ home }) => home === node)
  return [
    `state "${titleOf(node)}" as ${idOf(node)} {`,
    ...indented([...own, ...inner, ...start, ...linesOf(edges)]),
    '}',
  ]
}

/**
 * The diagram's text, without the code fence around it.
 * @pure
 */
export function mermaid(name: 'ct' | 'pool'): string {
  const { root } = MACHINES[name]
  const everywhere = [...root.transitions.keys()].join(', ')
  const head = ['stateDiagram-v2', `  %% Kept for the record in every state: ${everywhere}`]
  return `${[...head, ...indented(drawn(root))].join('\n')}\n`
}
