/** Properties of datasets in memory: which values ZFS takes, which can be inherited, and which are. */
import { HostError } from '../host.ts'
import { noteChange } from './diary.ts'
import { remount } from './mounts.ts'
import type { MachineState } from './state.ts'
import { changePool, notFound, zpoolOf } from './zpools.ts'

const SIZE = /^(none|\d+(\.\d+)?[KMGTP]?)$/i
/** Native properties that something sets, and their values. Those of `none` inherit have to be set. */
const NATIVE: Readonly<Record<string, { readonly takes: RegExp; readonly inherits: boolean }>> = {
  canmount: { takes: /^(on|off|noauto)$/, inherits: false },
  readonly: { takes: /^(on|off)$/, inherits: true },
  sync: { takes: /^(standard|always|disabled)$/, inherits: true },
  mountpoint: { takes: /^(none|legacy|\/.*)$/, inherits: true },
  quota: { takes: SIZE, inherits: false },
  refquota: { takes: SIZE, inherits: false },
  reservation: { takes: SIZE, inherits: false },
  refreservation: { takes: SIZE, inherits: false },
  atime: { takes: /^(on|off)$/, inherits: true },
  logbias: { takes: /^(latency|throughput)$/, inherits: true },
  recordsize: { takes: SIZE, inherits: true },
  compression: { takes: /./, inherits: true },
}

const isUser = (property: string): boolean => property.includes(':')
const bad = (name: string, what: string): HostError =>
  new HostError('E_FAILED', 'permanent', `cannot set property for '${name}': ${what}`)

/** @throws E_FAILED (permanent) for a property that there is not, or a value that it does not take */
export function checkProperties(name: string, properties: Readonly<Record<string, string>>): void {
  for (const [property, value] of Object.entries(properties)) {
    if (isUser(property)) continue
    const native = NATIVE[property]
    if (!native) throw bad(name, `invalid property '${property}'`)
    if (!native.takes.test(value)) throw bad(name, `'${property}' does not take '${value}'`)
  }
}

/** What is set on a dataset, or comes down to it from those above. */
export function effective(state: MachineState, name: string, property: string): string | undefined {
  const own = state.datasets[name]?.properties[property]
  const at = name.lastIndexOf('/')
  return own ?? (at < 0 ? undefined : effective(state, name.slice(0, at), property))
}

/** As `zfs get` tells them: user properties that were set on this very dataset, native ones that are in effect. */
export function toldProperties(state: MachineState, name: string): Record<string, string> {
  const told = { ...state.datasets[name]?.properties }
  for (const [property, { inherits }] of Object.entries(NATIVE)) {
    const value = inherits ? effective(state, name, property) : undefined
    if (value !== undefined) told[property] = value
  }
  if (zpoolOf(state, name)?.readOnly) told['readonly'] = 'on'
  return told
}

/**
 * `zfs set`, then `zfs inherit` for those that are null.
 * @throws E_NOT_FOUND, E_READ_ONLY, E_FAILED (permanent); E_BUSY (transient)
 */
export function setProperties(
  state: MachineState,
  name: string,
  properties: Readonly<Record<string, string | null>>,
): void {
  const dataset = state.datasets[name]
  if (!dataset) throw notFound('open', name)
  const given = Object.entries(properties).filter((pair): pair is [string, string] => pair[1] !== null)
  checkProperties(name, Object.fromEntries(given))
  if (given.length > 0) {
    changePool(state, name, 'set property for')
    remount(state, name, () => Object.assign(dataset.properties, Object.fromEntries(given)))
    // ZFS sets its own before those of users.
    for (const [property, value] of given.toSorted(([a], [b]) => Number(isUser(a)) - Number(isUser(b))))
      noteChange(state, 'set', name, `${property}=${value}`)
  }
  for (const [property, value] of Object.entries(properties)) {
    if (value !== null) continue
    if (!isUser(property) && NATIVE[property]?.inherits !== true) {
      throw bad(name, `'${property}' property cannot be inherited`)
    }
    changePool(state, name, 'inherit property for')
    remount(state, name, () => void delete dataset.properties[property])
    noteChange(state, 'inherit', name, `${property}=`)
  }
}
