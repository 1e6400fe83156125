/**
 * What a command would do, as `--dry-run` answers it: the events that would be appended, the effects that would run,
 * and the end, or the refusal. What is known only afterwards stands as words in angle brackets: `<guid of step 1>`.
 */
import type { ErrorKind } from './errors.ts'

export type PlannedEvent = {
  /** Null is the host's own log. */
  pool: string | null
  stream: string
  /** The container that the stream is about, by the name that an admin gave it. */
  target: string | null
  type: string
  data: unknown
  /** It depends on how an effect ends: this one is appended if it ends as expected. */
  assumed: boolean
}

/** One thing that an effect does to the host. */
export type PlannedAction = {
  is: 'run' | 'write' | 'cgroup' | 'note'
  /** One line for people; of a program its command line, quoted for a shell. */
  text: string
  /** Program and arguments, exactly. */
  argv?: string[]
  env?: Record<string, string>
  /** Relative to the cgroup root: where its processes are. */
  cgroup?: string
  stdin?: string
  /** Content of a file that is written. */
  content?: string
}

/** Where the way forks, and which way is expected. */
export type PlannedBranch = { condition: string; expected: string; otherwise: string }

export type PlannedEffect = {
  /** Its number in the operation, from 1: `<guid of step 1>` refers to it. */
  step: number
  pool: string
  /** The container that it is about. */
  target: string | null
  intent: string
  kind: string
  args: unknown
  actions: PlannedAction[]
  /** The outcome that the plan goes on with. */
  gives: unknown
  branches: PlannedBranch[]
  /** What follows when it fails for good. */
  fails: string
}

export type PlannedRefusal = {
  kind: ErrorKind
  code: string
  message: string
  state?: string
  possible?: string[]
  op?: string
}

export type Plan = {
  /** What is done before there is a log to record it in. */
  before: PlannedAction[]
  events: PlannedEvent[]
  effects: PlannedEffect[]
  /** What is derived from the new state and made to be so beside the effects: nothing of it is recorded. */
  derived: PlannedAction[]
  branches: PlannedBranch[]
  /** How the command would end; null when it would be refused. */
  result: 'done' | 'no change' | 'known' | null
  /** Why nothing would change; which operation had the key before; what the plan cannot tell. */
  notes: string[]
  refusal: PlannedRefusal | null
}

/** Plans of several pools are one plan: they are carried out one after another. @pure */
export function joined(plans: readonly Plan[]): Plan {
  const refused = plans.find(({ refusal }) => refusal !== null)
  const results = plans.map(({ result }) => result)
  const same = results.find((result) => result !== 'no change') ?? 'no change'
  return {
    before: plans.flatMap(({ before }) => before),
    events: plans.flatMap(({ events }) => events),
    effects: plans.flatMap(({ effects }) => effects),
    derived: plans.flatMap(({ derived }) => derived),
    branches: plans.flatMap(({ branches }) => branches),
    result: refused ? null : same,
    notes: plans.flatMap(({ notes }) => notes),
    refusal: refused?.refusal ?? null,
  }
}

export const emptyPlan = (more: Partial<Plan> = {}): Plan => ({
  before: [],
  events: [],
  effects: [],
  derived: [],
  branches: [],
  result: 'done',
  notes: [],
  refusal: null,
  ...more,
})
