/** What an admin does to a machine without osctl: with `zfs`, `lxc-start` and `lxc-stop`. */
import { type Sight, sighted } from '../../src/audit/drift.ts'
import type { SimulatedMachine } from '../../src/effects/simulated/machine.ts'
import * as mounts from '../../src/effects/simulated/mounts.ts'
import { setProperties } from '../../src/effects/simulated/properties.ts'
import { containerKey, type MachineState } from '../../src/effects/simulated/state.ts'
import * as storage from '../../src/effects/simulated/storage.ts'
import type { World } from './world.ts'

/** As `zfs rename`, which unmounts what nobody uses. @throws HostError */
export function renamed(world: World, from: string, to: string): void {
  const { state } = world.machine
  storage.renameDataset(state, from, to)
  world.tell(`zfs rename ${from} ${to}`)
}

/** As `zfs destroy -r`. @throws HostError */
export function destroyed(world: World, name: string): void {
  const { state } = world.machine
  mounts.unmountDataset(state, name, false)
  storage.destroyDataset(state, name, storage.requireDataset(state, name).guid)
  world.tell(`zfs destroy -r ${name}`)
}

/** As `zfs set` and `zfs inherit`, or `none` for what cannot be inherited. @throws HostError */
export function set(world: World, name: string, property: string, value: string | null): void {
  const isQuota = /quota|reservation/.test(property)
  setProperties(world.machine.state, name, { [property]: isQuota ? (value ?? 'none') : value })
  world.tell(`zfs set ${property}=${value ?? ''} ${name}`)
}

/** As `zfs create`. @throws HostError */
export function created(world: World, name: string): void {
  storage.createDataset(world.machine.state, name)
  world.tell(`zfs create ${name}`)
}

/** As `lxc-start`, without the daemon's knowledge. */
export function started(machine: SimulatedMachine, ct: { pool: string; id: string; ctid: string }): void {
  const { state } = machine
  const dataset = state.datasets[`${ct.pool}/ct/${ct.ctid}`]
  if (!dataset) throw new Error(`${ct.ctid} has no dataset`)
  state.nextPid += 3
  state.containers[containerKey(ct)] = {
    ...ct,
    run: `by-hand-${state.nextPid}`,
    state: 'running',
    evidence: { initPid: state.nextPid, startTime: 1, bootId: state.bootId },
    inits: 1,
    dataset: dataset.guid,
    cgroup: `osctl/pool.${ct.pool}/ct.${ct.ctid}`,
    ignoresShutdown: false,
  }
}

/** The machine as a look at it would find it, without asking the daemon's host. */
export function sightOf(state: MachineState): Sight {
  const datasets = Object.values(state.datasets).map(({ name, guid, properties }) => {
    const own = (property: string): string | null => {
      const value = properties[property]
      if (property === 'mountpoint') return mounts.mountpointOf(state, name)
      return value === undefined || value === 'none' || (property === 'canmount' && value === 'on')
        ? null
        : value
    }
    return { name, guid, mountpoint: own('mountpoint'), own }
  })
  const runs = Object.values(state.containers).map(
    ({ id, state: is, run, evidence }) => [id, { state: is, runName: run, run: evidence }] as const,
  )
  return sighted(datasets, new Map(runs))
}
