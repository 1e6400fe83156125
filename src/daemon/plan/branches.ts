/** Where the way of a plan forks: found by going the other way on a copy, through the same machines. */
import type { EffectKind } from '../../effects/effect.ts'
import type { Fact } from '../../events/types/events.ts'
import type { StreamId } from '../../events/types/ids.ts'
import type { IntentKind } from '../../events/types/intents.ts'
import { type Advanced, advance, type Minting, type Requested } from '../../machines/advance.ts'
import { States } from '../../machines/fold.ts'
import { lifeOf } from '../../machines/life.ts'
import type { PlannedBranch } from '../../rpc/plan.ts'
import type { Paper } from './paper.ts'

type Wanted = Requested['wanted']

/** How far the other way is followed: to the end of an operation, not through a whole trash bin. */
const MOST_STEPS = 20

/** `01J….3` is the third step. @pure */
export const stepOf = (intent: string): number => Number(intent.split('.').at(-1))

/** What a fact was decided on that may be otherwise when the command is given. @pure */
export function branchesOfFact(fact: Fact, pool: string): PlannedBranch[] {
  if (fact.type !== 'CtCreateRequested') return []
  const { source } = fact
  const key = source.from === 'repository' ? source.image.key : source.from === 'pool' ? source.key : null
  if (key === null) return []
  const fetched = 'it is fetched, unpacked, and published on the pool'
  const cloned = 'it is cloned, nothing is fetched'
  const condition = `image ${key} is on pool ${pool}`
  return source.from === 'pool'
    ? [{ condition, expected: `yes: ${cloned}`, otherwise: `no: ${fetched}` }]
    : [{ condition, expected: `no: ${fetched}`, otherwise: `yes: ${cloned}` }]
}

/** The other outcome of an effect, where there is one after which something else follows. */
export function branchOf(
  paper: Paper,
  mint: Minting,
  stream: StreamId,
  wanted: Wanted,
): PlannedBranch | null {
  const effect = paper.effects[wanted.kind] as unknown as EffectKind<IntentKind>
  const other = wanted.compensates ? null : (effect.otherwise?.(wanted.args as never) ?? null)
  if (!other) return null
  const follow = (evidence: unknown): string => {
    const { steps } = followed(paper, mint, stream, succeeded(wanted, evidence))
    return steps.length === 0 ? 'nothing follows' : `${steps.map(({ kind }) => kind).join(', ')} follow`
  }
  return {
    condition: other.when,
    expected: `no: ${follow(effect.assume(wanted.args as never))}`,
    otherwise: `yes: ${follow(other.evidence)}`,
  }
}

/** What becomes of all of it when this effect fails for good, in words. */
export function failureOf(paper: Paper, mint: Minting, stream: StreamId, wanted: Wanted): string {
  const { intent, kind, compensates } = wanted
  const effect = paper.effects[kind]
  const tries =
    effect.attempts > 1 ? `tried ${effect.attempts} times if the failure is a passing one; then ` : ''
  if (compensates) return `${tries}in doubt, until osctl op retry or op resolve`
  const fact = { type: 'EffectFailed', intent, kind, class: 'permanent', message: '', by: 'run' } as Fact
  const { steps, states, isOver } = followed(paper, mint, stream, fact)
  const undone = steps.flatMap((step) => (step.compensates ? [stepOf(step.compensates)] : []))
  if (undone.length < steps.length) return `${tries}it is left as it is, and the plan goes on`
  const undo = undone.length === 0 ? '' : `, step${undone.length > 1 ? 's' : ''} ${undone.join(', ')} undone`
  const of = stream === 'pool' ? 'pool' : 'container'
  const state = isOver ? `, the ${of} is ${lifeOf(states.of(stream) ?? states.pool())}` : ''
  return `${tries}the operation has failed${undo}${state}`
}

const succeeded = ({ intent, kind }: Wanted, evidence: unknown): Fact =>
  ({ type: 'EffectSucceeded', intent, kind, evidence, by: 'run' }) as Fact

/** Goes on from an outcome on a copy of the states, all else as expected. */
function followed(
  paper: Paper,
  mint: Minting,
  stream: StreamId,
  outcome: Fact,
): { steps: Wanted[]; states: States; isOver: boolean } {
  const states = new States(paper.states)
  const steps: Wanted[] = []
  const waiting: Wanted[] = []
  let next: Fact | null = outcome
  let isOver = false
  while (next !== null && steps.length < MOST_STEPS) {
    const advanced: Advanced = advance(states, [{ stream, fact: next }], mint)
    for (const [of, state] of advanced.states) states.set(of, state)
    isOver = advanced.finished.length > 0
    waiting.push(...advanced.requested.map(({ wanted }) => wanted))
    const wanted = waiting.shift()
    next = null
    if (wanted === undefined) break
    steps.push(wanted)
    const effect = paper.effects[wanted.kind] as unknown as EffectKind<IntentKind>
    next = succeeded(wanted, wanted.compensates ? {} : effect.assume(wanted.args as never))
  }
  return { steps, states, isOver }
}
