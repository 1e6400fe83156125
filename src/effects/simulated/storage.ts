/**
 * ZFS in memory: what `zfs` does to the state, and what it refuses, in its own words.
 *
 * Every function is one sync task, on disk when it returns. Each checks first and changes afterwards, so
 * that a refusal changes nothing. `zfs create -o` and `zfs clone -o` are two tasks: the dataset, then its
 * properties (openzfs module/zfs/zfs_ioctl.c), hence two functions, and a crash can fall between them.
 */
import { checkedName } from '../datasets.ts'
import { HostError } from '../host.ts'
import { noteChange } from './diary.ts'
import { isInUse, mountDataset, subtree, unmountDataset } from './mounts.ts'
import { checkProperties, setProperties } from './properties.ts'
import { type MachineState, nextGuid, type SimulatedDataset } from './state.ts'
import { changePool, DATASET_BYTES, isWithin, notFound, zpoolOf } from './zpools.ts'

const parentOf = (name: string): string => name.slice(0, Math.max(0, name.lastIndexOf('/')))

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

/** @throws that (permanent) for a zpool's root dataset */
function assertNoPool(
  state: MachineState,
  name: string,
  cannot: string,
  code: 'E_FAILED' | 'E_REFUSED',
): void {
  if (!state.zpools[name]) return
  throw new HostError(code, 'permanent', `${cannot}: operation does not apply to pools`)
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
    directory: false,
    properties: { ...properties },
    files: {},
    modes: {},
    bytes: 0,
    held: false,
    snapshots: {},
    bookmarks: {},
  }
  state.datasets[name] = dataset
  return dataset
}

/** First half of `zfs create` @throws E_EXISTS, E_NOT_FOUND, E_NO_SPACE, E_READ_ONLY, E_FAILED (permanent) */
export function createDataset(
  state: MachineState,
  name: string,
  properties: Readonly<Record<string, string>> = {},
): void {
  checkProperties(checkedName(name), properties)
  assertNew(state, name, 'create')
  addDataset(state, name, {}, changePool(state, name, 'create', DATASET_BYTES))
  noteChange(state, 'create', name)
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
export function cloneDataset(
  state: MachineState,
  snapshot: string,
  name: string,
  properties: Readonly<Record<string, string>>,
): void {
  checkProperties(checkedName(name), properties)
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
  noteChange(state, 'clone', name, `origin=${snapshot} (1)`)
  dataset.files = { ...origin.files }
  dataset.modes = { ...state.datasets[source]?.modes }
}

/** `zfs snapshot` @throws E_EXISTS, E_NOT_FOUND (permanent) */
export function takeSnapshot(
  state: MachineState,
  name: string,
  properties: Readonly<Record<string, string>> = {},
): void {
  const [source = '', short = ''] = checkedName(name).split('@')
  const dataset = requireDataset(state, source)
  if (dataset.snapshots[short]) {
    throw new HostError('E_EXISTS', 'permanent', `cannot create snapshot '${name}': dataset already exists`)
  }
  const txg = changePool(state, name, 'create snapshot', 1)
  const files = { ...dataset.files }
  dataset.snapshots[short] = {
    guid: nextGuid(state),
    createtxg: txg,
    files,
    properties: { ...properties },
    held: false,
  }
  noteChange(state, 'snapshot', name)
  for (const [property, value] of Object.entries(properties))
    noteChange(state, 'set', name, `${property}=${value}`)
}

/** `zfs rollback` of a dataset to one of its snapshots. @throws E_NOT_FOUND (permanent) */
export function rollbackDataset(state: MachineState, name: string, snapshot: string): void {
  const dataset = requireDataset(state, name)
  const to = dataset.snapshots[snapshot]
  if (!to) throw notFound('open', `${name}@${snapshot}`)
  changePool(state, name, 'rollback')
  dataset.files = { ...to.files }
  noteChange(state, 'clone swap', `${name}/%rollback`, `parent=${name}`)
  noteChange(state, 'destroy', `${name}/%rollback`)
}

/**
 * `zfs rename` of a dataset with all below it, which is unmounted first, whatever comes of it.
 * @throws E_EXISTS, E_NOT_FOUND, E_FAILED (permanent); E_BUSY (transient)
 */
export function renameDataset(state: MachineState, from: string, to: string): void {
  unmountDataset(state, checkedName(from), false)
  requireDataset(state, from)
  assertNoPool(state, from, `cannot rename '${from}'`, 'E_FAILED')
  if (checkedName(to) === from) return
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
  changePool(state, from, 'rename')
  noteChange(state, 'rename', from, `-> ${to}`)
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

/** Is one of these snapshots the origin of anything, also of what is destroyed with it? */
const hasClones = (state: MachineState, snapshots: ReadonlySet<string>): boolean =>
  Object.values(state.datasets).some(({ origin }) => origin !== null && snapshots.has(origin))

/** Has it snapshots, and a bookmark that is newer than they are? What has none tells whether it is in use. */
function hidesItsUse({ snapshots, bookmarks }: SimulatedDataset): boolean {
  const latest = (txgs: readonly string[]): number => Math.max(0, ...txgs.map(Number))
  const snapshot = latest(Object.values(snapshots).map(({ createtxg }) => createtxg))
  return snapshot > 0 && latest(Object.values(bookmarks)) > snapshot
}

/** Recursive destroy by guid in one txg. @throws E_REFUSED (permanent); E_BUSY (transient) */
export function destroyDataset(state: MachineState, name: string, guid: string): void {
  const seen = lookUp(state, name)
  if (!seen) return
  const cannot = `cannot destroy '${name}'`
  assertNoPool(state, name, cannot, 'E_REFUSED')
  if (seen.guid !== guid) {
    throw new HostError('E_REFUSED', 'permanent', `${cannot}: its guid is ${seen.guid}, not ${guid}`)
  }
  const doomed = seen.isSnapshot ? [] : subtree(state, name)
  const snapshots = seen.isSnapshot
    ? [[name, seen.snapshot] as const]
    : doomed.flatMap((dataset) =>
        Object.entries(dataset.snapshots).map(
          ([short, snapshot]) => [`${dataset.name}@${short}`, snapshot] as const,
        ),
      )
  const busy = (why: string): HostError => new HostError('E_BUSY', 'transient', `${cannot}: ${why}`)
  if (doomed.some(({ mounted }) => mounted)) throw busy('it is mounted')
  if (hasClones(state, new Set(snapshots.map(([snapshot]) => snapshot)))) {
    throw new HostError(
      'E_REFUSED',
      'permanent',
      `${cannot}: ${seen.isSnapshot ? 'snapshot' : 'filesystem'} has dependent clones`,
    )
  }
  if (doomed.some(hidesItsUse)) {
    throw new HostError('E_REFUSED', 'permanent', `${cannot}: a bookmark is newer than its snapshots`)
  }
  if (snapshots.some(([, { held }]) => held)) throw busy('a snapshot is held')
  if (doomed.some((dataset) => isInUse(state, dataset))) throw busy('dataset is busy')
  changePool(state, name, 'destroy')
  const [source = '', short = ''] = name.split('@')
  if (seen.isSnapshot) {
    delete state.datasets[source]?.snapshots[short]
    noteChange(state, 'destroy', name)
  }
  for (const dataset of doomed.toReversed()) {
    for (const snapshot of Object.keys(dataset.snapshots))
      noteChange(state, 'destroy', `${dataset.name}@${snapshot}`)
    noteChange(state, 'destroy', dataset.name)
    delete state.datasets[dataset.name]
  }
}

export type Seen = {
  name: string
  guid: string
  createtxg: string
  dataset: SimulatedDataset
} & ({ isSnapshot: false } | { isSnapshot: true; snapshot: SimulatedDataset['snapshots'][string] })

/** A dataset or snapshot by name, null when absent. */
export function lookUp(state: MachineState, name: string): Seen | null {
  const [source = '', short] = checkedName(name).split('@')
  const dataset = state.datasets[source]
  if (!dataset) return null
  if (short === undefined) {
    return { name, guid: dataset.guid, createtxg: dataset.createtxg, dataset, isSnapshot: false }
  }
  const snapshot = dataset.snapshots[short]
  if (!snapshot) return null
  return { name, guid: snapshot.guid, createtxg: snapshot.createtxg, dataset, isSnapshot: true, snapshot }
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
    history: [],
  }
  addDataset(state, name, {}, '1')
  mountDataset(state, name)
}
