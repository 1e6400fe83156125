/** A simulated machine with one pool laid out, and contexts for effects on it. */
import { type EffectContext, isNone, type None } from '../../../src/effects/effect.ts'
import type { ContainerSpec } from '../../../src/effects/host.ts'
import { poolLayout } from '../../../src/effects/kinds/pool-layout.ts'
import type { FaultPlan } from '../../../src/effects/simulated/faults.ts'
import { type SimulatedHost, simulatedHost } from '../../../src/effects/simulated/host.ts'
import { SimulatedMachine } from '../../../src/effects/simulated/machine.ts'
import { addDefaultRepository } from '../../../src/effects/simulated/sandbox.ts'
import { archiveSchema } from '../../../src/effects/simulated/state.ts'

export const OPERATION = '01J000000000000000000000AA'
export const INTENT = `${OPERATION}.2`
export const STAGING = `staging/${INTENT}`
export const MAP = { first: 1_000_000, count: 65_536 }
export const CT = { id: '01J000000000000000000000CT', ctid: 'web' }

export const tarImage = archiveSchema.parse({
  format: 'tar',
  bytes: 1_000_000,
  rootfs: { 'sbin/init': 'ELF', 'etc/hostname': 'image\n', 'bin/sh': '-> busybox', 'etc/motd': 'hi\n' },
  devices: ['dev/sda'],
})
export const zfsImage = archiveSchema.parse({
  ...tarImage,
  format: 'zfs',
  datasets: { var: { 'log/messages': '' } },
  snapshots: ['osctl-base-1'],
})

/** Ports without time: a sleep ends at once. */
export const ports = { now: () => 1_700_000_000_000, sleep: async () => undefined, random: () => 0.5 }

export const spec: ContainerSpec = {
  pool: 'tank',
  ...CT,
  user: 'web',
  group: '/default',
  map: MAP,
  dataset: 'tank/ct/web',
  hostname: 'web',
  distribution: 'debian',
  version: '13',
  arch: 'x86_64',
  initCmd: null,
}

export type Lab = {
  machine: SimulatedMachine
  host: (faults?: FaultPlan, onCrash?: () => void) => SimulatedHost
  context: (host: SimulatedHost, intent?: string, signal?: AbortSignal) => EffectContext
}

export function contextOn(
  host: SimulatedHost,
  intent: string = INTENT,
  signal: AbortSignal = new AbortController().signal,
): EffectContext {
  return {
    host,
    pool: 'tank',
    dataset: 'tank',
    directory: '/tank',
    intent,
    fence: { intent, signal },
    container: () => spec,
  }
}

/** Pool `tank`, laid out and materialised, repository `default` at its place. */
export async function newLab(options: { laidOut: boolean } = { laidOut: true }): Promise<Lab> {
  const machine = new SimulatedMachine({ now: ports.now })
  machine.addZpool('tank')
  addDefaultRepository(machine)
  const host = simulatedHost(machine, ports)
  if (options.laidOut) await poolLayout.run({}, contextOn(host, 'layout'))
  await host.materialise.pool('tank', 'tank')
  await host.close()
  return {
    machine,
    host: (faults, onCrash) =>
      simulatedHost(machine, ports, { ...(faults && { faults }), ...(onCrash && { onCrash }) }),
    context: contextOn,
  }
}

/** Makes a dataset by hand, as an admin or another operation would. @returns its guid */
export async function foreignDataset(lab: Lab, name: string): Promise<string> {
  const host = lab.host()
  const { fence } = contextOn(host, 'admin')
  await host.zfs.create(name, { mount: true, properties: {} }, fence)
  await host.zfs.directories(name, { private: 0o755 }, fence)
  return (await host.zfs.get(name))?.guid ?? ''
}

/** A container's dataset with an init in it, under its final name. @returns its guid */
export async function containerDataset(lab: Lab, name = 'tank/ct/web'): Promise<string> {
  const guid = await foreignDataset(lab, name)
  lab.machine.putFile(`/${name}/private/sbin/init`, 'ELF')
  const dataset = lab.machine.state.datasets[name]
  if (dataset) dataset.properties['canmount'] = 'noauto'
  return guid
}

/** Runs the container `web` under this run name. */
export async function runContainer(lab: Lab, run: string): Promise<void> {
  const host = lab.host()
  await containerDataset(lab)
  await host.materialise.container(spec, run)
  await host.lxc.start(spec, run, 10, contextOn(host, 'other').fence)
}

/** The machine without the numbers that differ from one history to another. */
export const essenceOf = (lab: Lab): unknown => ({
  datasets: Object.values(lab.machine.state.datasets)
    .map(({ guid: _guid, createtxg: _txg, snapshots, ...rest }) => ({
      ...rest,
      snapshots: Object.keys(snapshots),
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1)),
  containers: Object.values(lab.machine.state.containers).map(({ ctid, run, state }) => ({
    ctid,
    run,
    state,
  })),
  derived: lab.machine.state.derived,
})

/** Every dataset, snapshot and guid: what must be equal again after an undo. */
export const datasetsOf = (lab: Lab): string[] =>
  Object.values(lab.machine.state.datasets)
    .flatMap((d) => [
      `${d.name} ${d.guid}`,
      ...Object.entries(d.snapshots).map(([s, v]) => `${d.name}@${s} ${v.guid}`),
    ])
    .sort()

/** The part of an effect, which the kind has. */
export function given<T extends object>(part: T | None): T {
  if (isNone(part)) throw new Error(`absent: ${part.none}`)
  return part
}
