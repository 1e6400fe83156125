/** The port to ZFS on a simulated machine; the rules are in `storage.ts`. */
import { checkedName, LISTED } from '../datasets.ts'
import type { Dataset, MarkedPool, PoolFacts, UsedElsewhere, ZfsPort } from '../host.ts'
import { HostError } from '../host.ts'
import type { Call, Calls } from './calls.ts'
import { mountAll, mountDataset, mountpointOf, subtree, unmountDataset } from './mounts.ts'
import { effective, setProperties, toldProperties } from './properties.ts'
import * as shelf from './shelf.ts'
import type { MachineState, SimulatedZpool } from './state.ts'
import * as storage from './storage.ts'
import { changePool, requireZpool, usedBytes } from './zpools.ts'

const ACTIVE = 'org.vpsadminos.osctl:active'
/** What a dataset comes with. */
const DEFAULT_MODES: Readonly<Record<string, number>> = { '.': 0o755 }
const SCOPE = 'org.vpsadminos.osctl:dataset'

function toDataset(state: MachineState, seen: storage.Seen): Dataset {
  return {
    name: seen.name,
    guid: seen.guid,
    createtxg: seen.createtxg,
    mounted: !seen.isSnapshot && seen.dataset.mounted,
    mountpoint: seen.isSnapshot ? null : mountpointOf(state, seen.name),
    origin: seen.isSnapshot ? null : seen.dataset.origin,
    properties: seen.isSnapshot ? { ...seen.snapshot.properties } : toldProperties(state, seen.name),
  }
}

/** What a list tells of a dataset. */
function listed(dataset: Dataset): Dataset {
  const properties = Object.entries(dataset.properties).filter(([property]) => LISTED.includes(property))
  return { ...dataset, properties: Object.fromEntries(properties) }
}

/** In the order in which they were made, with what was set on each itself. */
function snapshotsOf(state: MachineState, dataset: string): Dataset[] {
  return Object.entries(state.datasets[dataset]?.snapshots ?? {}).map(([short, snapshot]) => ({
    name: `${dataset}@${short}`,
    guid: snapshot.guid,
    createtxg: snapshot.createtxg,
    mounted: false,
    mountpoint: null,
    origin: null,
    properties: { ...snapshot.properties },
  }))
}

function markedPool(state: MachineState, pool: SimulatedZpool): MarkedPool & { active: boolean } {
  const properties = state.datasets[pool.name]?.properties ?? {}
  const dataset = properties[SCOPE] ?? pool.name
  const mounted = state.datasets[dataset]?.mounted ?? false
  return { name: pool.name, guid: pool.guid, dataset, mounted, active: properties[ACTIVE] === 'yes' }
}

function poolFacts(state: MachineState, pool: SimulatedZpool): PoolFacts {
  const { health, readOnly, sizeBytes, unsafe } = pool
  const freeBytes = Math.max(0, sizeBytes - usedBytes(state, pool.name))
  const marked = markedPool(state, pool)
  const unsynced = [marked.dataset, `${marked.dataset}/events`]
    .filter((name) => state.datasets[name] && effective(state, name, 'sync') === 'disabled')
    .map((name) => `sync=disabled on ${name}`)
  return { ...marked, health, readOnly, sizeBytes, freeBytes, unsafe: [...unsafe, ...unsynced] }
}

/** @throws E_FAILED (permanent) when it is not mounted; E_REFUSED (refused) when a path leads out; E_NO_SPACE … */
function makeDirectories(state: MachineState, name: string, modes: Readonly<Record<string, number>>): void {
  const dataset = state.datasets[checkedName(name)]
  if (!dataset?.mounted) throw new HostError('E_FAILED', 'permanent', `${name} is not mounted`)
  for (const path of Object.keys(modes)) {
    const parts = path.split('/')
    const isLink = (_: string, at: number): boolean =>
      dataset.files[parts.slice(0, at + 1).join('/')]?.startsWith('-> ') === true
    const leadsOut = path.startsWith('/') || parts.includes('..') || parts.some(isLink)
    if (leadsOut)
      throw new HostError('E_REFUSED', 'refused', `${name}: ${path} is not a directory of its own`)
  }
  // What is so already is not written, and on a full pool nothing can be.
  const isSo = Object.entries(modes).every(
    ([path, mode]) => (dataset.modes[path] ?? DEFAULT_MODES[path]) === mode,
  )
  if (!isSo) changePool(state, name, 'write to', 1)
  Object.assign(dataset.modes, modes)
}

export function simulatedZfs(state: MachineState, calls: Calls): ZfsPort {
  const read = <T>(method: string, subject: string, apply: () => T): Promise<T> =>
    calls.run({ op: `zfs.${method}`, subject, intent: null, changes: false, apply })
  const change = (
    method: string,
    subject: string,
    fence: { intent: string; signal: AbortSignal } | undefined,
    apply: () => void,
    begin: () => void = () => undefined,
  ): Promise<void> => {
    const call: Call<void> = {
      begin,
      op: `zfs.${method}`,
      subject,
      intent: fence?.intent ?? null,
      changes: true,
      apply,
    }
    return calls.run(fence ? { ...call, signal: fence.signal } : call)
  }
  return {
    get: (name) =>
      read('get', name, () => {
        const seen = storage.lookUp(state, name)
        return seen && toDataset(state, seen)
      }),
    list: (below) =>
      read('list', below, () =>
        subtree(state, below)
          .filter((dataset) => dataset.name !== below)
          .flatMap((dataset) => storage.lookUp(state, dataset.name) ?? [])
          .map((seen) => listed(toDataset(state, seen))),
      ),
    create: (name, options, fence) =>
      change(
        'create',
        name,
        fence,
        () => storage.completeDataset(state, name, options),
        () => storage.createDataset(state, name, options.properties),
      ),
    clone: (snapshot, name, properties, fence) =>
      change(
        'clone',
        name,
        fence,
        // It has no -u: it is mounted unless its properties forbid it.
        () =>
          storage.completeDataset(state, name, { mount: properties['canmount'] !== 'noauto', properties }),
        () => storage.cloneDataset(state, snapshot, name, properties),
      ),
    snapshot: (name, fence, properties) =>
      change('snapshot', name, fence, () => storage.takeSnapshot(state, name, properties)),
    snapshots: (dataset) => read('snapshots', dataset, () => snapshotsOf(state, dataset)),
    rename: (from, to, fence) => change('rename', from, fence, () => storage.renameDataset(state, from, to)),
    destroy: (name, guid, fence) =>
      change('destroy', name, fence, () => storage.destroyDataset(state, name, guid)),
    mount: (name) => change('mount', name, undefined, () => mountDataset(state, name)),
    unmount: (name, options) =>
      change('unmount', name, undefined, () =>
        unmountDataset(state, checkedName(name), options?.lazy ?? false),
      ),
    set: (name, properties, fence) =>
      change('set', name, fence, () => setProperties(state, name, properties)),
    directories: (name, modes, fence) =>
      change('directories', name, fence, () => makeDirectories(state, name, modes)),
    markedPools: () =>
      read('markedPools', '', () =>
        Object.values(state.zpools)
          .map((pool) => markedPool(state, pool))
          .filter((pool) => pool.active)
          .map(({ name, guid, dataset, mounted }) => ({ name, guid, dataset, mounted })),
      ),
    pool: (name) =>
      read('pool', name, () => {
        const pool = state.zpools[name]
        return pool ? poolFacts(state, pool) : null
      }),
    history: (name, maxBytes) =>
      read('history', name, () => {
        const pool = requireZpool(state, name)
        return [`History for '${name}':`, ...pool.history].join('\n').slice(-maxBytes)
      }),
    importable: () => read('importable', '', () => shelf.importable(state)),
    importPool: async (guid, { force }, fence) => {
      let elsewhere: UsedElsewhere | null = null
      await change('importPool', guid, fence, () => {
        elsewhere = shelf.importZpool(state, guid, force)
      })
      return elsewhere
    },
    mountPool: (name) => change('mountPool', name, undefined, () => mountAll(state, name)),
    exportPool: (name, fence) => change('exportPool', name, fence, () => shelf.exportZpool(state, name)),
  }
}
