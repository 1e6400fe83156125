/**
 * The whole state of a stream in the domain's own versioned schema: what a segment opens with and what a
 * cache keeps. Never XState's form. `schema` rises when the shape does, with an upcaster here.
 */
import { type CtState, containerMachine } from './container/machine.ts'
import { phaseOf, valueOf } from './life.ts'
import { type PoolState, poolMachine } from './pool/machine.ts'
import { seat } from './step.ts'

export const BASELINE_SCHEMA = 1
/** Rises with every change that makes old caches wrong: a machine redrawn, a context reshaped. */
export const MACHINES_VERSION = 1

export type Baseline = {
  readonly schema: number
  readonly phases: Readonly<Record<string, string>>
  readonly context: unknown
}

const CT_REGIONS = ['settings', 'life', 'drift', 'op']
const POOL_REGIONS = ['life', 'entities', 'trash', 'drift', 'op']
/** Left out where they rest: what was written before there was the region reads the same. */
const RESTING: Readonly<Record<string, string>> = { drift: 'known' }

const phases = (state: PoolState | CtState, regions: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    regions
      .map((name) => [name, phaseOf(state, name)])
      .filter(([name = '', phase]) => RESTING[name] !== phase),
  )

/** @pure */
export function baselineOf(state: PoolState | CtState): Baseline {
  const regions = 'users' in state.context ? POOL_REGIONS : CT_REGIONS
  return { schema: BASELINE_SCHEMA, phases: phases(state, regions), context: state.context }
}

function value(baseline: Baseline): Record<string, ReturnType<typeof valueOf>> {
  if (baseline.schema > BASELINE_SCHEMA)
    throw new Error(`baseline schema ${baseline.schema} is newer than this daemon`)
  return Object.fromEntries(Object.entries(baseline.phases).map(([name, path]) => [name, valueOf(path)]))
}

/** @throws when the baseline is of a newer schema or names a state that does not exist: quarantine. @pure */
export function ctFromBaseline(baseline: Baseline): CtState {
  return seat(containerMachine, value(baseline), baseline.context as object)
}

/** @throws as `ctFromBaseline`. @pure */
export function poolFromBaseline(baseline: Baseline): PoolState {
  return seat(poolMachine, value(baseline), baseline.context as object)
}

/**
 * JSON with sorted keys: equal states give equal text, whatever order their keys were made in.
 * `undefined` members are left out as JSON does.
 * @pure
 */
export function canonical(data: unknown): string {
  if (Array.isArray(data)) return `[${data.map((item) => canonical(item ?? null)).join(',')}]`
  if (typeof data === 'object' && data !== null) {
    const members = Object.entries(data)
      .filter(([, item]) => item !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
    return `{${members.map(([name, item]) => `${JSON.stringify(name)}:${canonical(item)}`).join(',')}}`
  }
  return JSON.stringify(data)
}
