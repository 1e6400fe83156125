/**
 * Mounts of datasets in memory. Where one is mounted follows from its name and from `mountpoint`, its own or that of
 * those above it; the directory that it is mounted on lies in what is mounted above it, so that where it is missing a
 * full or read-only pool keeps a dataset from being mounted, and where it is there it does not.
 */
import { HostError } from '../host.ts'
import type { MachineState, SimulatedDataset } from './state.ts'
import { assertRoom, isWithin, notFound, zpoolOf } from './zpools.ts'

/** `none` and `legacy` are mounted nowhere by ZFS. */
const NOWHERE = ['none', 'legacy']

const parentOf = (name: string): string => name.slice(0, Math.max(0, name.lastIndexOf('/')))

/** Where a dataset is mounted, if it is; or `none`, `legacy`. */
export function mountpointOf(state: MachineState, name: string): string {
  const own = state.datasets[name]?.properties['mountpoint']
  const above = parentOf(name)
  if (own !== undefined || above === '') return own ?? `/${name}`
  const inherited = mountpointOf(state, above)
  return NOWHERE.includes(inherited) ? inherited : `${inherited}/${name.slice(above.length + 1)}`
}

/** The dataset and all below it, parents before children. */
export const subtree = (state: MachineState, above: string): SimulatedDataset[] =>
  Object.values(state.datasets)
    .filter((dataset) => isWithin(dataset.name, above))
    .sort((a, b) => (a.name < b.name ? -1 : 1))

/**
 * True while a container runs on it, or something uses its mount. A container has mounts of its own: it keeps its
 * dataset from being destroyed, and from nothing else.
 */
export function isInUse(state: MachineState, dataset: SimulatedDataset): boolean {
  if (dataset.held) return true
  return Object.values(state.containers).some((ct) => {
    const root = Object.values(state.datasets).find((other) => other.guid === ct.dataset)
    return root !== undefined && isWithin(dataset.name, root.name)
  })
}

/** @throws E_READ_ONLY, E_NO_SPACE (permanent) when its directory would have to be made and cannot be */
function makeDirectory(state: MachineState, dataset: SimulatedDataset): void {
  const isOnPool = state.datasets[parentOf(dataset.name)]?.mounted === true
  if (!dataset.directory && isOnPool) assertRoom(state, dataset.name, 'mount', 1)
  dataset.directory = true
}

/**
 * `zfs mount`, for a dataset that can be mounted.
 * @throws E_NOT_FOUND (permanent); E_IO (transient) when the pool is suspended; as `makeDirectory`
 */
export function mountDataset(state: MachineState, name: string): void {
  const dataset = state.datasets[name]
  if (!dataset) throw notFound('open', name)
  if (dataset.mounted) return
  if (zpoolOf(state, name)?.health === 'SUSPENDED') {
    throw new HostError('E_IO', 'transient', `cannot mount '${name}': pool I/O is currently suspended`)
  }
  if (dataset.properties['canmount'] === 'off' || NOWHERE.includes(mountpointOf(state, name))) return
  makeDirectory(state, dataset)
  dataset.mounted = true
}

/** Mounts what is in a zpool and is mounted by itself. @throws as mountDataset */
export function mountAll(state: MachineState, pool: string): void {
  for (const { name, properties } of subtree(state, pool))
    if ((properties['canmount'] ?? 'on') === 'on') mountDataset(state, name)
}

/** Those below first, until one is in use. @throws E_BUSY (transient) unless lazy */
export function unmountDataset(state: MachineState, name: string, lazy: boolean): void {
  for (const dataset of subtree(state, name).reverse()) {
    if (!dataset.mounted) continue
    if (!lazy && dataset.held) {
      const at = mountpointOf(state, dataset.name)
      throw new HostError('E_BUSY', 'transient', `cannot unmount '${at}': pool or dataset is busy`)
    }
    dataset.mounted = false
    dataset.directory = zpoolOf(state, name)?.readOnly === true
  }
}

/**
 * Applies a change of `mountpoint` or `canmount`, as `zfs set` and `zfs inherit` do: what is mounted moves, what may be
 * mounted by itself is mounted, and what may not be is unmounted.
 * @throws E_BUSY (transient) when something is in use; nothing has changed then
 */
export function remount(state: MachineState, name: string, change: () => void): void {
  const before = subtree(state, name).map((dataset) => ({
    dataset,
    at: mountpointOf(state, dataset.name),
    mounted: dataset.mounted,
  }))
  const isOff = before[0]?.dataset.properties['canmount'] === 'off'
  const old = { ...before[0]?.dataset.properties }
  change()
  const isOffNow = before[0]?.dataset.properties['canmount'] === 'off'
  const moved = before.filter(
    ({ dataset, at }) =>
      mountpointOf(state, dataset.name) !== at || (dataset.name === name && isOff !== isOffNow),
  )
  try {
    for (const { dataset } of moved.toReversed()) unmountOnly(state, dataset)
  } catch (error) {
    for (const { dataset, mounted } of before) dataset.mounted = mounted
    if (before[0]) before[0].dataset.properties = old
    throw error
  }
  for (const { dataset, mounted, at } of moved) {
    const isElsewhere = mountpointOf(state, dataset.name) !== at
    const byItself = isElsewhere && (dataset.properties['canmount'] ?? 'on') === 'on'
    if (mounted || byItself) mountDataset(state, dataset.name)
  }
}

function unmountOnly(state: MachineState, dataset: SimulatedDataset): void {
  if (!dataset.mounted) return
  if (dataset.held) {
    const at = mountpointOf(state, dataset.name)
    throw new HostError('E_BUSY', 'transient', `cannot unmount '${at}': pool or dataset is busy`)
  }
  dataset.mounted = false
}
