/**
 * Derived state of one container: mounts, cgroup, LXC configuration, host name. Made before each start, taken
 * away when the container is gone.
 *
 * Its root file system is bound, idmapped, on `…/containers/<ctid>/rootfs`: there a process of the container
 * finds its own ids, and on disk they stay unshifted. The way there is open to root and to the container's own
 * group alone. Because a mount of a user's data lies in these directories, nothing here ever deletes
 * recursively: files go by name, directories only when they are empty.
 */
import { join } from 'node:path'
import { type ContainerRef, type ContainerSpec, HostError, type ZfsPort } from '../host.ts'
import { readConfig, renderConfig } from './lxc-config.ts'
import * as at from './paths.ts'
import { reportFiles } from './spool.ts'
import { mountedAt, type System } from './system.ts'

export type ContainerContext = {
  readonly paths: at.Paths
  readonly system: System
  readonly zfs: ZfsPort
  readonly log: (message: string) => void
  /** `<ds>` of the pool. */
  readonly dataset: string
  readonly apparmor: string | null
  readonly lxcInclude: string
}

/**
 * Truncates a container's LXC log, or makes it. `<ds>/log` is no container's: its names can be trusted. A full pool
 * keeps no container from starting: what LXC says is lost then.
 */
async function emptyLog(context: ContainerContext, ctid: string): Promise<string> {
  const logDataset = `${context.dataset}/log`
  const directory = await mountedAt(context.system, logDataset)
  if (directory === null)
    throw new HostError('E_IO', 'permanent', `the log dataset ${logDataset} is not mounted`)
  const file = join(directory, 'ct', `${ctid}.log`)
  try {
    await context.system.emptyFile(file, 0o640)
  } catch (error) {
    if (!(error instanceof HostError) || error.code !== 'E_NO_SPACE') throw error
    context.log(error.message)
    return '/dev/null'
  }
  return file
}

async function mountAll(zfs: ZfsPort, dataset: string): Promise<void> {
  await zfs.mount(dataset)
  for (const child of await zfs.list(dataset)) await zfs.mount(child.name)
}

async function privateDirectory(system: System, dataset: string): Promise<string> {
  const directory = await mountedAt(system, dataset)
  if (directory === null) throw new HostError('E_IO', 'transient', `${dataset} is not mounted`)
  const inner = join(directory, 'private')
  if (!(await system.isDirectory(inner)))
    throw new HostError('E_FAILED', 'permanent', `${dataset} has no directory private`)
  return inner
}

async function unmountTarget(system: System, target: string): Promise<void> {
  // Lazily: whatever still looks at it from the host must not keep a container from starting or from going.
  for (const mount of await system.mounts())
    if (mount.target === target) await system.change({ argv: ['umount', '-l', target] })
}

/** Binds a container's root file system with its map, unless that is so already. One mount a boot. */
async function bindRootfs(context: ContainerContext, spec: ContainerSpec, source: string): Promise<string> {
  const { system } = context
  const target = join(at.containerDirectory(context.paths, spec.pool, spec.ctid), 'rootfs')
  const present = (await system.mounts()).filter((mount) => mount.target === target)
  const [only] = present
  const right =
    present.length === 1 && only?.source === spec.dataset && only.root === '/private' && only.idmapped
  if (right && (await system.ownerOf(target)) === (await system.ownerOf(source)) + spec.map.first)
    return target
  for (const _ of present) await system.change({ argv: ['umount', '-l', target] })
  // Only now: with something mounted on it, it would be the root directory of the container.
  await system.directories({ [target]: 0o755 })
  const script = join(at.hooksDirectory(context.paths), 'idmap')
  const { first, count } = spec.map
  await system.change({ argv: ['/bin/sh', script, source, String(first), String(count), target] })
  return target
}

/**
 * Makes all that a start of a container needs. Only while it is stopped.
 *
 * @throws E_IO: a dataset or the log is not mounted; E_FAILED: no `private`, a value that LXC cannot take;
 *         what `zfs mount` says
 * @idempotent
 */
export async function prepareContainer(
  context: ContainerContext,
  spec: ContainerSpec,
  run: string,
): Promise<void> {
  const { paths, system } = context
  // The usual case costs no process: a container's dataset stays mounted when it stops.
  if ((await mountedAt(system, spec.dataset)) === null) await mountAll(context.zfs, spec.dataset)
  const source = await privateDirectory(system, spec.dataset)
  const logFile = await emptyLog(context, spec.ctid)
  await system.makeCgroup(at.containerCgroup(spec))
  const home = at.containerDirectory(paths, spec.pool, spec.ctid)
  await system.directories({ [home]: 0o710 })
  await system.chown(home, 0, spec.map.first)
  const config = renderConfig(spec, {
    rootfs: await bindRootfs(context, spec, source),
    run,
    logFile,
    hooks: at.hooksDirectory(paths),
    spool: at.spoolDirectory(paths),
    apparmor: context.apparmor,
    include: context.lxcInclude,
  })
  await system.write(join(home, 'config'), config, 0o644)
  const written = await system
    .writeInRootfs(source, 'etc', 'hostname', `${spec.hostname}\n`)
    // A full pool keeps no container from starting: LXC sets the name all the same.
    .catch((error: unknown) => {
      if (error instanceof HostError && error.code === 'E_NO_SPACE') return { skipped: 'its pool is full' }
      throw error
    })
  if (typeof written === 'object')
    context.log(`${spec.pool}:${spec.ctid}: /etc/hostname is left alone, ${written.skipped}`)
}

async function removeHome(system: System, home: string): Promise<void> {
  await unmountTarget(system, join(home, 'rootfs'))
  await system.removeDirectory(join(home, 'rootfs'))
  await system.removeFile(join(home, 'config'))
  await system.removeDirectory(home)
}

/**
 * Removes what `prepareContainer` made and the hooks' report.
 *
 * @throws E_BUSY (transient) while it runs
 * @idempotent
 */
export async function forgetContainer(paths: at.Paths, system: System, ref: ContainerRef): Promise<void> {
  const cgroup = await system.cgroupOf(ref)
  if (cgroup !== null) {
    await system.removeCgroup(cgroup)
    // The user's cgroup goes with its last container.
    await system.removeDirectory(join(cgroup, '..')).catch(() => undefined)
  }
  await removeHome(system, at.containerDirectory(paths, ref.pool, ref.ctid))
  for (const file of reportFiles(paths, ref.pool, ref.id)) await system.removeFile(file)
}

/** Removes what is derived for a pool, save for containers that run on unmanaged: an import adopts them. */
export async function forgetPool(paths: at.Paths, system: System, pool: string): Promise<void> {
  const lxcPath = at.lxcPath(paths, pool)
  for (const ctid of await system.names(lxcPath)) {
    const home = at.containerDirectory(paths, pool, ctid)
    const seen = readConfig((await system.read(join(home, 'config'))) ?? '')
    const running = seen !== null && (await system.isPopulated(join(paths.cgroup, seen.cgroup)))
    if (!running) await removeHome(system, home)
  }
  await system.removeDirectory(lxcPath).catch(() => undefined)
  await system.removeDirectory(at.poolDirectory(paths, pool)).catch(() => undefined)
  await system.removeCgroup(join(paths.cgroup, at.poolCgroup(pool))).catch((error: unknown) => {
    if (!(error instanceof HostError) || error.code !== 'E_BUSY') throw error
  })
}
