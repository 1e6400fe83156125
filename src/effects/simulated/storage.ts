/**
 * ZFS in memory: what `zfs` does to the state, and what it refuses, in its own words.
 *
 * Every function is one sync task, on disk when it returns. Each checks first and changes afterwards, so
 * that a refusal changes nothing. `zfs create -o` and `zfs clone -o` are two tasks: the dataset, then its
 * properties (openzfs module/zfs/zfs_ioctl.c), hence two functions, and a crash can fall between them.
 */
import { HostError } from '../host.ts'
import { type MachineState, nextGuid, type SimulatedDataset } from './state.ts'
import { changePool, DATASET_BYTES, isWithin, notFound, zpoolOf } from './zpools.ts'

export const mountpointOf = (name: string): string => `/${name}`
const parentOf = (name: string): string => name.slice(0, Math.max(0, name.lastIndexOf('/')))

/** The dataset and all below it, parents before children. */
export const subtree = (state: MachineState, above: string): SimulatedDataset[] =>
  Object.values(state.datasets)
    .filter((dataset) => isWithin(dataset.name, above))
    .sort((a, b) => (a.name < b.name ? -1 : 1))

/** @throws E_NOT_FOUND (permanent) */
export function requireDataset(state: MachineState, name: string, what = 'open'): SimulatedDataset {
  const seen = state.datasets[name]
  if (!seen) throw notFound(what, name)
  return seen
}

/** @throws E_EXISTS, E_NOT_FOUND (permanent) */
function assertNew(state: MachineState, name: string, what: string, subject = name): void {
  if (state.datasets[name]) {
    throw new HostError('E_EXISTS', 'permanent', `cannot ${what} '${subject}': dataset already exists`)
  }
  if (!state.datasets[parentOf(name)]) {
    throw new HostError('E_NOT_FOUND', 'permanent', `cannot create '${name}': parent does not exist`)
  }
}

/** @throws E_REFUSED (permanent) for a zpool's root dataset */
function assertNoPool(state: MachineState, name: string, cannot: string): void {
  if (!state.zpools[name]) return
  throw new HostError('E_REFUSED', 'permanent', `${cannot}: operation does not apply to pools`)
}

export function addDataset(
  state: MachineState,
  name: string,
  properties: Record<string, string>,
  txg: string,
): SimulatedDataset {
  const dataset: SimulatedDataset = {
    name,
    guid: nextGuid(state),
    createtxg: txg,
    origin: null,
    mounted: false,
    properties: { ...properties },
    files: {},
    modes: {},
    bytes: 0,
    held: false,
    snapshots: {},
  }
  state.datasets[name] = dataset
  return dataset
}

/** First half of `zfs create` @throws E_EXISTS, E_NOT_FOUND, E_NO_SPACE, E_READ_ONLY (permanent) */
export function createDataset(state: MachineState, name: string): void {
  assertNew(state, name, 'create')
  addDataset(state, name, {}, changePool(state, name, 'create', DATASET_BYTES))
}

/** Second half of `zfs create` and `zfs clone`. */
export function completeDataset(
  state: MachineState,
  name: string,
  options: { mount: boolean; properties: Record<string, string> },
): void {
  setProperties(state, name, options.properties)
  if (options.mount) mountDataset(state, name)
}

/** First half of `zfs clone` @throws as createDataset, and E_FAILED (permanent) across pools */
export function cloneDataset(state: MachineState, snapshot: string, name: string): void {
  const [source = '', short = ''] = snapshot.split('@')
  const origin = state.datasets[source]?.snapshots[short]
  if (!origin) throw notFound('open', snapshot)
  assertNew(state, name, 'create')
  if (zpoolOf(state, name) !== zpoolOf(state, source)) {
    throw new HostError('E_FAILED', 'permanent', `cannot create '${name}': source and target pools differ`)
  }
  const txg = changePool(state, name, 'create', DATASET_BYTES)
  const dataset = addDataset(state, name, {}, txg)
  dataset.origin = snapshot
  dataset.files = { ...origin.files }
  dataset.modes = { ...state.datasets[source]?.modes }
}

/** `zfs snapshot` @throws E_EXISTS, E_NOT_FOUND (permanent) */
export function takeSnapshot(
  state: MachineState,
  name: string,
  properties: Readonly<Record<string, string>> = {},
): void {
  const [source = '', short = ''] = name.split('@')
  const dataset = requireDataset(state, source)
  if (dataset.snapshots[short]) {
    throw new HostError('E_EXISTS', 'permanent', `cannot create snapshot '${name}': dataset already exists`)
  }
  const txg = changePool(state, name, 'create snapshot')
  const files = { ...dataset.files }
  dataset.snapshots[short] = {
    guid: nextGuid(state),
    createtxg: txg,
    files,
    properties: { ...properties },
  }
}

/** True while a container runs on it, or something else uses its mount. */
export function isInUse(state: MachineState, dataset: SimulatedDataset): boolean {
  if (dataset.held) return true
  return Object.values(state.containers).some((ct) => {
    const root = Object.values(state.datasets).find((other) => other.guid === ct.dataset)
    return root !== undefined && isWithin(dataset.name, root.name)
  })
}

/**
 * `zfs rename` of a dataset with all below it.
 * @throws E_EXISTS, E_NOT_FOUND, E_FAILED, E_REFUSED (permanent); E_BUSY (transient)
 */
export function renameDataset(state: MachineState, from: string, to: string): void {
  requireDataset(state, from)
  assertNoPool(state, from, `cannot rename '${from}'`)
  assertNew(state, to, 'rename', from)
  if (isWithin(to, from)) {
    throw new HostError(
      'E_FAILED',
      'permanent',
      `cannot rename '${from}': New dataset name cannot be a descendant`,
    )
  }
  if (zpoolOf(state, to) !== zpoolOf(state, from)) {
    throw new HostError(
      'E_FAILED',
      'permanent',
      `cannot rename to '${to}': datasets must be within same pool`,
    )
  }
  const moved = subtree(state, from)
  const busy = moved.find((dataset) => dataset.mounted && isInUse(state, dataset))
  if (busy) throw unmountBusy(busy.name)
  changePool(state, from, 'rename')
  const renamed = (name: string): string => `${to}${name.slice(from.length)}`
  for (const dataset of moved) {
    delete state.datasets[dataset.name]
    dataset.name = renamed(dataset.name)
    state.datasets[dataset.name] = dataset
  }
  for (const dataset of Object.values(state.datasets)) {
    if (dataset.origin !== null && isWithin(dataset.origin.split('@')[0] ?? '', from)) {
      dataset.origin = renamed(dataset.origin)
    }
  }
}

/** Clones outside of `above` whose origin is in it (or is this very snapshot). */
function dependants(state: MachineState, above: string): SimulatedDataset[] {
  return Object.values(state.datasets).filter((dataset) => {
    if (dataset.origin === null) return false
    if (above.includes('@')) return dataset.origin === above
    return isWithin(dataset.origin.split('@')[0] ?? '', above) && !isWithin(dataset.name, above)
  })
}

/** Recursive destroy by guid in one txg. @throws E_REFUSED (permanent); E_BUSY (transient) */
export function destroyDataset(state: MachineState, name: string, guid: string): void {
  const seen = lookUp(state, name)
  if (!seen) return
  const cannot = `cannot destroy '${name}'`
  assertNoPool(state, name, cannot)
  if (seen.guid !== guid) {
    throw new HostError('E_REFUSED', 'permanent', `${cannot}: its guid is ${seen.guid}, not ${guid}`)
  }
  const what = name.includes('@') ? 'snapshot' : 'filesystem'
  if (dependants(state, name).length > 0) {
    throw new HostError('E_REFUSED', 'permanent', `${cannot}: ${what} has dependent clones`)
  }
  const doomed = what === 'snapshot' ? [] : subtree(state, name)
  if (doomed.some((dataset) => dataset.mounted || isInUse(state, dataset))) {
    throw new HostError('E_BUSY', 'transient', `${cannot}: dataset is busy`)
  }
  changePool(state, name, 'destroy')
  const [source = '', short = ''] = name.split('@')
  if (what === 'snapshot') delete state.datasets[source]?.snapshots[short]
  for (const dataset of doomed) delete state.datasets[dataset.name]
}

export type Seen = {
  name: string
  guid: string
  createtxg: string
  dataset: SimulatedDataset
} & ({ isSnapshot: false } | { isSnapshot: true; snapshot: SimulatedDataset['snapshots'][string] })

/** A dataset or snapshot by name, null when absent. */
export function lookUp(state: MachineState, name: string): Seen | null {
  const [source = '', short] = name.split('@')
  const dataset = state.datasets[source]
  if (!dataset) return null
  if (short === undefined) {
    return { name, guid: dataset.guid, createtxg: dataset.createtxg, dataset, isSnapshot: false }
  }
  const snapshot = dataset.snapshots[short]
  if (!snapshot) return null
  return { name, guid: snapshot.guid, createtxg: snapshot.createtxg, dataset, isSnapshot: true, snapshot }
}

const unmountBusy = (name: string): HostError =>
  new HostError('E_BUSY', 'transient', `cannot unmount '${mountpointOf(name)}': pool or dataset is busy`)

/** @throws E_NOT_FOUND (permanent); E_IO (transient) when the pool is suspended */
export function mountDataset(state: MachineState, name: string): void {
  const dataset = requireDataset(state, name)
  if (zpoolOf(state, name)?.health === 'SUSPENDED') {
    throw new HostError('E_IO', 'transient', `cannot mount '${name}': pool I/O is currently suspended`)
  }
  dataset.mounted = true
}

/** Unmounts it and its children. @throws E_NOT_FOUND (permanent); E_BUSY (transient) unless lazy */
export function unmountDataset(state: MachineState, name: string, lazy: boolean): void {
  requireDataset(state, name)
  const mounted = subtree(state, name).filter((dataset) => dataset.mounted)
  const busy = lazy ? undefined : mounted.find((dataset) => isInUse(state, dataset))
  if (busy) throw unmountBusy(busy.name)
  for (const dataset of mounted) dataset.mounted = false
}

/** `zfs set`; null is `zfs inherit`. @throws E_NOT_FOUND, E_READ_ONLY (permanent) */
export function setProperties(
  state: MachineState,
  name: string,
  properties: Record<string, string | null>,
): void {
  const dataset = requireDataset(state, name)
  changePool(state, name, 'set property for')
  for (const [property, value] of Object.entries(properties)) {
    if (value === null) delete dataset.properties[property]
    else dataset.properties[property] = value
  }
}

/** Properties in effect: user properties (their names hold a colon) come down from the parents. */
export function effectiveProperties(state: MachineState, name: string): Record<string, string> {
  const dataset = state.datasets[name]
  if (!dataset) return {}
  const above = parentOf(name)
  const inherited = above === '' ? {} : effectiveProperties(state, above)
  const userOnly = Object.fromEntries(
    Object.entries(inherited).filter(([property]) => property.includes(':')),
  )
  return { ...userOnly, ...dataset.properties }
}

/** Adds a zpool with its root dataset, mounted. */
export function addZpool(
  state: MachineState,
  name: string,
  options: { sizeBytes?: number; readOnly?: boolean; unsafe?: string[] } = {},
): void {
  state.zpools[name] = {
    name,
    guid: nextGuid(state),
    txg: 4,
    sizeBytes: options.sizeBytes ?? 8 * 2 ** 30,
    health: 'ONLINE',
    readOnly: options.readOnly ?? false,
    unsafe: options.unsafe ?? [],
  }
  addDataset(state, name, {}, '1').mounted = true
}
