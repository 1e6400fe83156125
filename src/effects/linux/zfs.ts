/**
 * ZFS through its own commands, `zfs` and `zpool`.
 *
 * Nothing is cached: an admin uses the same commands beside us. What is mounted is read from mountinfo and
 * never concluded from an exit status, since `zfs create` can succeed and leave a dataset unmounted
 * (openzfs/zfs#3809); we therefore create with `-u` and mount as a step of its own.
 */
import { checkedName, LISTED } from '../datasets.ts'
import { type Dataset, type Fence, HostError, type PoolFacts, type ZfsPort } from '../host.ts'
import { mountedAt, type System } from './system.ts'
import { DESTROY_PROGRAM, destroyRefusal, guidArgument, parseDestroyAnswer } from './zfs-destroy.ts'
import { type Mount, parseZfsGet } from './zfs-parse.ts'
import { markedPools, poolFacts } from './zfs-pool.ts'
import { zpoolHistory } from './zpool-history.ts'
import { importable, importPool } from './zpool-import.ts'

const ASKED = ['guid', 'createtxg', 'mounted', 'mountpoint', 'origin', ...LISTED].join(',')

const assignments = (properties: Readonly<Record<string, string>>): string[] =>
  Object.entries(properties).flatMap(([name, value]) => ['-o', `${name}=${value}`])

const isAbsent = (error: unknown): boolean => error instanceof HostError && error.code === 'E_NOT_FOUND'

async function get(system: System, name: string): Promise<Dataset | null> {
  try {
    const { stdout } = await system.query({ argv: ['zfs', 'get', '-jp', 'all', checkedName(name)] })
    return parseZfsGet(stdout)[0] ?? null
  } catch (error) {
    if (isAbsent(error)) return null
    throw error
  }
}

/** The dataset and all file systems below it, parents first. */
async function tree(system: System, name: string): Promise<Dataset[]> {
  try {
    const argv = ['zfs', 'get', '-jp', '-r', '-t', 'filesystem', ASKED, checkedName(name)] as const
    return parseZfsGet((await system.query({ argv: [...argv] })).stdout)
  } catch (error) {
    if (isAbsent(error)) return []
    throw error
  }
}

/** Snapshots of one dataset, in the order in which they were made, with their own user properties. */
async function snapshotsOf(system: System, name: string): Promise<Dataset[]> {
  try {
    const argv = ['zfs', 'get', '-jp', '-d', '1', '-t', 'snapshot', 'all', checkedName(name)] as const
    const found = parseZfsGet((await system.query({ argv: [...argv] })).stdout)
    return found.sort((a, b) => Number(a.createtxg) - Number(b.createtxg))
  } catch (error) {
    if (isAbsent(error)) return []
    throw error
  }
}

async function mountOne(system: System, dataset: Dataset): Promise<void> {
  if (dataset.properties['canmount'] === 'off' || !dataset.mountpoint?.startsWith('/')) return
  if ((await mountedAt(system, dataset.name)) !== null) return
  // While a bind mount of it is left, of a stopped container's root, `zfs mount` takes the dataset for mounted.
  for (const { source, type, target } of (await system.mounts()).reverse())
    if (type === 'zfs' && source === dataset.name) await system.change({ argv: ['umount', target] })
  await system.change({ argv: ['zfs', 'mount', dataset.name] }).catch((error: unknown) => {
    if (!(error instanceof HostError) || !/already mounted/.test(error.message)) throw error
  })
  if ((await mountedAt(system, dataset.name)) === null) {
    throw new HostError(
      'E_FAILED',
      'transient',
      `${dataset.name} is not mounted, although zfs mount succeeded`,
    )
  }
}

/**
 * Undoes one mount, and removes the empty directory that it was on. A bind mount is nothing to `zfs unmount`, which
 * finds the mount of a path by its device: of a dataset that is mounted twice it knows one place alone.
 */
async function unmountOne(system: System, mount: Mount, lazy: boolean): Promise<void> {
  const plain: [string, ...string[]] = lazy ? ['umount', '-l', mount.target] : ['umount', mount.target]
  const argv: [string, ...string[]] = lazy || mount.root !== '/' ? plain : ['zfs', 'unmount', mount.target]
  await system
    .change({ argv })
    .catch(async (error: unknown) => {
      if (!(error instanceof HostError) || !/not an original mountpoint/.test(error.message)) throw error
      await system.change({ argv: plain })
    })
    .catch((error: unknown) => {
      if (!(error instanceof HostError) || !/not (currently )?mounted/.test(error.message)) throw error
    })
  await system.removeDirectory(mount.target).catch(() => undefined)
}

async function unmount(system: System, name: string, lazy: boolean): Promise<void> {
  const inside = (mount: Mount): boolean =>
    mount.type === 'zfs' && (mount.source === name || mount.source.startsWith(`${name}/`))
  const mounted = (await system.mounts()).filter(inside).reverse()
  for (const mount of mounted) await unmountOne(system, mount, lazy)
}

async function destroy(system: System, name: string, guid: string, fence: Fence): Promise<void> {
  const pool = checkedName(name).split(/[/@]/)[0] ?? ''
  if (!name.includes('@')) {
    const busy = (await system.mounts()).find(
      (m) => m.type === 'zfs' && (m.source === name || m.source.startsWith(`${name}/`)),
    )
    const seen = busy ? await get(system, name) : null
    if (busy && seen?.guid === guid)
      throw new HostError('E_BUSY', 'transient', `${busy.source} is mounted on ${busy.target}`)
  }
  const argv: [string, ...string[]] = ['zfs', 'program', '-j', pool, '-', name, guidArgument(guid)]
  const answer = parseDestroyAnswer((await system.run({ argv, stdin: DESTROY_PROGRAM }, fence)).stdout)
  const refusal = destroyRefusal(name, guid, answer)
  if (refusal) throw refusal
}

/** Destroys every snapshot of a dataset and of those below it: what received streams brought along. */
export async function destroySnapshots(system: System, name: string, fence: Fence): Promise<void> {
  const argv: [string, ...string[]] = [
    'zfs',
    'list',
    '-H',
    '-o',
    'name',
    '-r',
    '-t',
    'snapshot',
    checkedName(name),
  ]
  const snapshots = (await system.query({ argv })).stdout.split('\n').filter((line) => line !== '')
  for (const snapshot of snapshots)
    await system.run({ argv: ['zfs', 'destroy', checkedName(snapshot)] }, fence)
}

async function setProperties(
  name: string,
  wanted: Readonly<Record<string, string | null>>,
): Promise<string[][]> {
  const given = Object.entries(wanted).filter(([, value]) => value !== null)
  const inherited = Object.entries(wanted).filter(([, value]) => value === null)
  const commands = inherited.map(([property]) => ['inherit', property, checkedName(name)])
  if (given.length > 0)
    commands.unshift(['set', ...given.map(([key, value]) => `${key}=${value}`), checkedName(name)])
  return commands
}

export function linuxZfs(system: System): ZfsPort {
  const zfs = (args: readonly string[], fence: Fence): Promise<unknown> =>
    system.run({ argv: ['zfs', ...args] }, fence)
  const mount = async (name: string): Promise<void> => {
    // What is mounted needs no process to be found so.
    if ((await mountedAt(system, checkedName(name))) !== null) return
    const found = await get(system, name)
    if (!found) throw new HostError('E_NOT_FOUND', 'permanent', `${name} does not exist`)
    await mountOne(system, found)
  }
  return {
    get: (name) => get(system, name),
    list: async (below) => (await tree(system, below)).filter((dataset) => dataset.name !== below),
    async create(name, options, fence) {
      await zfs(['create', '-u', ...assignments(options.properties), checkedName(name)], fence)
      if (options.mount) await mount(name)
    },
    async clone(snapshot, name, properties, fence) {
      // `zfs clone` has no -u (2.3): it mounts unless canmount=noauto is among the properties.
      await zfs(['clone', ...assignments(properties), checkedName(snapshot), checkedName(name)], fence)
    },
    async snapshot(name, fence, properties = {}) {
      await zfs(['snapshot', ...assignments(properties), checkedName(name)], fence)
    },
    snapshots: (name) => snapshotsOf(system, name),
    async rename(from, to, fence) {
      await unmount(system, checkedName(from), false)
      await zfs(['rename', '-u', checkedName(from), checkedName(to)], fence)
    },
    destroy: (name, guid, fence) => destroy(system, name, guid, fence),
    mount,
    unmount: (name, options) => unmount(system, checkedName(name), options?.lazy ?? false),
    async set(name, properties, fence) {
      for (const args of await setProperties(name, properties)) {
        if (fence) await zfs(args, fence)
        else await system.change({ argv: ['zfs', ...args] })
      }
    },
    async directories(name, modes) {
      const top = await mountedAt(system, checkedName(name))
      if (top === null) throw new HostError('E_FAILED', 'permanent', `${name} is not mounted`)
      await system.directoriesIn(top, modes)
    },
    markedPools,
    pool: async (name): Promise<PoolFacts | null> => poolFacts(checkedName(name)),
    history: (name, maxBytes) => zpoolHistory(system, checkedName(name), maxBytes),
    importable: () => importable(system),
    importPool: (guid, { force }, fence) => importPool(system, guid, force, fence),
    async mountPool(name) {
      for (const dataset of await tree(system, name))
        if (dataset.properties['canmount'] !== 'noauto') await mountOne(system, dataset)
    },
    async exportPool(name, fence) {
      await system.run({ argv: ['zpool', 'export', checkedName(name)] }, fence)
    },
  }
}
