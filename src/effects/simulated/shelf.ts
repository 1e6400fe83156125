/**
 * zpools that are not imported: their disks lie on the shelf. A zpool bears the host that had it until that one
 * exports it, and is refused to another host, unless forced.
 */
import { HostError, type ImportablePool, type UsedElsewhere } from '../host.ts'
import { isInUse, mountpointOf, subtree } from './mounts.ts'
import type { MachineState } from './state.ts'
import { isWithin, requireZpool } from './zpools.ts'

type Shelved = MachineState['shelf'][string]

/** @throws E_NOT_FOUND (permanent) */
export function shelve(state: MachineState, name: string, usedBy: Shelved['usedBy']): void {
  const zpool = requireZpool(state, name)
  const all = Object.entries(state.datasets)
  const datasets = Object.fromEntries(all.filter(([dataset]) => isWithin(dataset, name)))
  for (const dataset of Object.values(datasets)) dataset.mounted = false
  state.shelf[name] = { zpool, datasets, usedBy }
  state.datasets = Object.fromEntries(all.filter(([dataset]) => !isWithin(dataset, name)))
  delete state.zpools[name]
}

/** `zpool export` @throws E_NOT_FOUND (permanent); E_BUSY (transient) */
export function exportZpool(state: MachineState, name: string): void {
  requireZpool(state, name)
  const busy = subtree(state, name).find((dataset) => dataset.mounted && isInUse(state, dataset))
  if (busy)
    throw new HostError(
      'E_BUSY',
      'transient',
      `cannot unmount '${mountpointOf(state, busy.name)}': pool is busy`,
    )
  shelve(state, name, null)
}

const isElsewhere = ({ usedBy }: Shelved, hostId: string | null): boolean =>
  usedBy !== null && usedBy.hostId !== hostId

/** `zpool import` without arguments. */
export const importable = (state: MachineState): ImportablePool[] =>
  Object.values(state.shelf).map((shelved) => ({
    name: shelved.zpool.name,
    guid: shelved.zpool.guid,
    isUsedElsewhere: isElsewhere(shelved, state.hostId),
  }))

/** Has its root dataset our mark? */
export const isMarked = (state: MachineState, name: string): boolean =>
  state.shelf[name]?.datasets[name]?.properties['org.vpsadminos.osctl:active'] === 'yes'

/**
 * `zpool import -N`, by name or guid.
 * @returns who had it last, when it is refused for that
 * @throws E_NOT_FOUND, E_EXISTS (permanent)
 */
export function importZpool(state: MachineState, which: string, force: boolean): UsedElsewhere | null {
  const shelved = Object.values(state.shelf).find(({ zpool }) => [zpool.name, zpool.guid].includes(which))
  const isTaken = Object.values(state.zpools).some(
    ({ name, guid }) => guid === which || name === shelved?.zpool.name,
  )
  if (isTaken)
    throw new HostError(
      'E_EXISTS',
      'permanent',
      `cannot import '${shelved?.zpool.name ?? which}': a pool with that name already exists`,
    )
  if (!shelved)
    throw new HostError('E_NOT_FOUND', 'permanent', `cannot import '${which}': no such pool available`)
  const { name } = shelved.zpool
  if (isElsewhere(shelved, state.hostId) && (!force || shelved.usedBy?.isActive)) return shelved.usedBy
  state.zpools[name] = shelved.zpool
  Object.assign(state.datasets, shelved.datasets)
  delete state.shelf[name]
  return null
}
