/** What an admin does to a machine without osctl: with `zfs`, `lxc-start` and `lxc-stop`. */
import { type Sight, sighted } from '../../src/audit/drift.ts'
import { parseZpoolHistory, type ZpoolHistory } from '../../src/audit/zpool-history.ts'
import { runByHand } from '../../src/effects/host.ts'
import { noteCommand } from '../../src/effects/simulated/diary.ts'
import type { SimulatedMachine } from '../../src/effects/simulated/machine.ts'
import * as mounts from '../../src/effects/simulated/mounts.ts'
import { setProperties } from '../../src/effects/simulated/properties.ts'
import { containerKey, type MachineState } from '../../src/effects/simulated/state.ts'
import * as storage from '../../src/effects/simulated/storage.ts'
import type { World } from './world.ts'

/** ZFS writes down who gave a command, when it has succeeded. */
function said(world: World, name: string, command: string): void {
  noteCommand(world.machine.state, name, command)
  world.tell(command)
}

/** As `zfs snapshot`. @throws HostError */
export function snapshot(world: World, name: string): void {
  world.machine.tick()
  storage.takeSnapshot(world.machine.state, name)
  said(world, name.split('@')[0] ?? '', `zfs snapshot ${name}`)
}

/** As `zfs rollback`. @throws HostError */
export function rolledBack(world: World, name: string): void {
  world.machine.tick()
  const [dataset = '', to = ''] = name.split('@')
  storage.rollbackDataset(world.machine.state, dataset, to)
  said(world, dataset, `zfs rollback ${name}`)
}

/** As `zfs rename`, which unmounts what nobody uses. @throws HostError */
export function renamed(world: World, from: string, to: string): void {
  const { state } = world.machine
  world.machine.tick()
  storage.renameDataset(state, from, to)
  said(world, from, `zfs rename ${from} ${to}`)
}

/** As `zfs destroy -r`. @throws HostError */
export function destroyed(world: World, name: string): void {
  const { state } = world.machine
  world.machine.tick()
  mounts.unmountDataset(state, name, false)
  storage.destroyDataset(state, name, storage.requireDataset(state, name).guid)
  said(world, name, `zfs destroy -r ${name}`)
}

/** As `zfs unmount`. @throws HostError */
export function unmounted(world: World, name: string): void {
  mounts.unmountDataset(world.machine.state, name, false)
  world.tell(`zfs unmount ${name}`)
}

/** As `zfs set` and `zfs inherit`, or `none` for what cannot be inherited. @throws HostError */
export function set(world: World, name: string, property: string, value: string | null): void {
  world.machine.tick()
  const isQuota = /quota|reservation/.test(property)
  const given = isQuota ? (value ?? 'none') : value
  setProperties(world.machine.state, name, { [property]: given })
  const words = given === null ? `inherit ${property}` : `set ${property}=${given}`
  said(world, name, `zfs ${words} ${name}`)
}

/** As `zfs create`. @throws HostError */
export function created(world: World, name: string): void {
  world.machine.tick()
  storage.createDataset(world.machine.state, name)
  said(world, name, `zfs create ${name}`)
}

/** As `lxc-start`, without the daemon's knowledge. */
export function started(machine: SimulatedMachine, ct: { pool: string; id: string; ctid: string }): void {
  const { state } = machine
  const dataset = state.datasets[`${ct.pool}/ct/${ct.ctid}`]
  if (!dataset) throw new Error(`${ct.ctid} has no dataset`)
  const initPid = state.nextPid
  state.nextPid += 3
  state.containers[containerKey(ct)] = {
    ...ct,
    run: runByHand(initPid),
    state: 'running',
    evidence: { initPid, startTime: 1, bootId: state.bootId },
    inits: 1,
    dataset: dataset.guid,
    cgroup: `osctl/pool.${ct.pool}/ct.${ct.ctid}`,
    ignoresShutdown: false,
  }
}

/** The pool's own diary. */
export const diaryOf = (state: MachineState, pool: string): ZpoolHistory =>
  parseZpoolHistory(state.zpools[pool]?.history.join('\n') ?? '')

/** The machine as a look at it would find it, without asking the daemon's host. */
export function sightOf(state: MachineState, pool: string): Sight {
  const datasets = Object.values(state.datasets).map(({ name, guid, properties }) => {
    const own = (property: string): string | null => {
      const value = properties[property]
      if (property === 'mountpoint') return mounts.mountpointOf(state, name)
      const unset = { canmount: 'on', readonly: 'off' }[property] ?? 'none'
      return value === undefined || value === unset ? null : value
    }
    return { name, guid, mountpoint: own('mountpoint'), own }
  })
  const runs = Object.values(state.containers).map(
    ({ id, state: is, run, evidence }) => [id, { state: is, runName: run, run: evidence }] as const,
  )
  return sighted(datasets, new Map(runs), diaryOf(state, pool))
}
