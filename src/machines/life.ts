/**
 * Names of a machine's states, for people and for baselines.
 *
 * XState's own form of a state value is never stored: a baseline holds these paths (`creating/cloning`),
 * and the table of legal paths is generated from the machine and compared with the committed list by a test.
 */
import type { CtState } from './container/machine.ts'
import type { PoolState } from './pool/machine.ts'

type Value = string | { [region: string]: Value | undefined }

/** `{creating: 'cloning'}` → `creating/cloning`. @pure */
export function pathOf(value: Value): string {
  if (typeof value === 'string') return value
  const [name, inner] = Object.entries(value)[0] ?? ['', undefined]
  return inner === undefined || (typeof inner === 'object' && Object.keys(inner).length === 0)
    ? name
    : `${name}/${pathOf(inner)}`
}

/** The reverse of `pathOf`. @pure */
export function valueOf(path: string): Value {
  const [name = '', ...rest] = path.split('/')
  return rest.length === 0 ? name : { [name]: valueOf(rest.join('/')) }
}

const region = (state: PoolState | CtState, name: string): Value =>
  (state.value as Record<string, Value>)[name] ?? ''

/** First part of the life region: `creating`, `stopped`, `active` … */
export const lifeOf = (state: PoolState | CtState): string => {
  const life = region(state, 'life')
  return typeof life === 'string' ? life : (Object.keys(life)[0] ?? '')
}

/** Whole path of a region, such as `creating/cloning`. */
export const phaseOf = (state: PoolState | CtState, name = 'life'): string => pathOf(region(state, name))

export const isGone = (state: CtState): boolean => lifeOf(state) === 'gone'
/** Alive for `ls` and for the uniqueness of its ctid: neither unborn nor gone. */
export const exists = (state: CtState): boolean => {
  const life = lifeOf(state)
  return life !== 'absent' && life !== 'gone'
}
/** Something of it runs or may run. */
export const mayRun = (state: CtState): boolean =>
  state.context.run !== null || state.context.nextRun !== null
