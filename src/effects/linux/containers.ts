/**
 * Derived state of one container: mounts, cgroup, LXC configuration, host name. Made before each start, taken
 * away when the container is gone.
 *
 * Its root file system is bound, idmapped, on `…/containers/<ctid>/rootfs`: there a process of the container
 * finds its own ids, and on disk they stay unshifted. The way there is open to root and to the container's own
 * group alone. Because a mount of a user's data lies in these directories, nothing here ever deletes
 * recursively: files go by name, directories only when they are empty.
 */
import { chown, lstat, mkdir, open, readdir, rm, rmdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type ContainerRef, type ContainerSpec, HostError, type ZfsPort } from '../host.ts'
import { events, makeCgroup, removeCgroup } from './cgroup.ts'
import { systemError, unless } from './errors.ts'
import { query } from './exec.ts'
import { makeDirectories, readText, writeWhole } from './files.ts'
import { cgroupOf } from './inspect.ts'
import { readConfig, renderConfig } from './lxc-config.ts'
import * as at from './paths.ts'
import { writeInRootfs } from './rootfs.ts'
import { forgetReport } from './spool.ts'
import { mountedAt, mounts } from './zfs.ts'

export type ContainerContext = {
  readonly paths: at.Paths
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
  const directory = await mountedAt(logDataset)
  if (directory === null)
    throw new HostError('E_IO', 'permanent', `the log dataset ${logDataset} is not mounted`)
  const file = join(directory, 'ct', `${ctid}.log`)
  try {
    await mkdir(join(directory, 'ct'), { recursive: true })
    const handle = await open(file, 'w', 0o640)
    await handle.close()
  } catch (error) {
    const failure = systemError(error, `cannot write ${file}`)
    if (failure.code !== 'E_NO_SPACE') throw failure
    context.log(failure.message)
    return '/dev/null'
  }
  return file
}

async function mountAll(zfs: ZfsPort, dataset: string): Promise<void> {
  await zfs.mount(dataset)
  for (const child of await zfs.list(dataset)) await zfs.mount(child.name)
}

async function privateDirectory(dataset: string): Promise<string> {
  const directory = await mountedAt(dataset)
  if (directory === null) throw new HostError('E_IO', 'transient', `${dataset} is not mounted`)
  const inner = join(directory, 'private')
  const seen = await lstat(inner).catch(() => null)
  if (!seen?.isDirectory())
    throw new HostError('E_FAILED', 'permanent', `${dataset} has no directory private`)
  return inner
}

async function unmountTarget(target: string): Promise<void> {
  // Lazily: whatever still looks at it from the host must not keep a container from starting or from going.
  for (const mount of await mounts())
    if (mount.target === target) await query({ argv: ['umount', '-l', target] })
}

/** Binds a container's root file system with its map, unless that is so already. One mount a boot. */
async function bindRootfs(context: ContainerContext, spec: ContainerSpec, source: string): Promise<string> {
  const target = join(at.containerDirectory(context.paths, spec.pool, spec.ctid), 'rootfs')
  await makeDirectories({ [target]: 0o755 })
  const present = (await mounts()).filter((mount) => mount.target === target)
  const [only] = present
  const right =
    present.length === 1 && only?.source === spec.dataset && only.root === '/private' && only.idmapped
  if (right && (await stat(target)).uid === (await stat(source)).uid + spec.map.first) return target
  for (const _ of present) await query({ argv: ['umount', '-l', target] })
  const script = join(at.hooksDirectory(context.paths), 'idmap')
  const { first, count } = spec.map
  await query({ argv: ['/bin/sh', script, source, String(first), String(count), target] })
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
  const { paths } = context
  // The usual case costs no process: a container's dataset stays mounted when it stops.
  if ((await mountedAt(spec.dataset)) === null) await mountAll(context.zfs, spec.dataset)
  const source = await privateDirectory(spec.dataset)
  const logFile = await emptyLog(context, spec.ctid)
  await makeCgroup(paths.cgroup, at.containerCgroup(spec))
  const home = at.containerDirectory(paths, spec.pool, spec.ctid)
  await makeDirectories({ [home]: 0o710 })
  await chown(home, 0, spec.map.first)
  const config = renderConfig(spec, {
    rootfs: await bindRootfs(context, spec, source),
    run,
    logFile,
    hooks: at.hooksDirectory(paths),
    spool: at.spoolDirectory(paths),
    apparmor: context.apparmor,
    include: context.lxcInclude,
  })
  await writeWhole(join(home, 'config'), config, 0o644)
  const written = await writeInRootfs(source, 'etc', 'hostname', `${spec.hostname}\n`)
  if (typeof written === 'object')
    context.log(`${spec.pool}:${spec.ctid}: /etc/hostname is left alone, ${written.skipped}`)
}

async function removeEmpty(directory: string): Promise<void> {
  await rmdir(directory).catch((error: unknown) => unless('ENOENT', error, `cannot remove ${directory}`))
}

async function removeHome(home: string): Promise<void> {
  await unmountTarget(join(home, 'rootfs'))
  await removeEmpty(join(home, 'rootfs'))
  await rm(join(home, 'config'), { force: true })
  await removeEmpty(home)
}

/**
 * Removes what `prepareContainer` made and the hooks' report.
 *
 * @throws E_BUSY (transient) while it runs
 * @idempotent
 */
export async function forgetContainer(paths: at.Paths, ref: ContainerRef): Promise<void> {
  const cgroup = await cgroupOf(paths, ref)
  if (cgroup !== null) {
    await removeCgroup(cgroup)
    // The user's cgroup goes with its last container.
    await rmdir(join(cgroup, '..')).catch(() => undefined)
  }
  await removeHome(at.containerDirectory(paths, ref.pool, ref.ctid))
  await forgetReport(paths, ref.pool, ref.id)
}

/** Removes what is derived for a pool, save for containers that run on unmanaged: an import adopts them. */
export async function forgetPool(paths: at.Paths, pool: string): Promise<void> {
  const lxcPath = at.lxcPath(paths, pool)
  for (const ctid of await readdir(lxcPath).catch(() => [])) {
    const home = at.containerDirectory(paths, pool, ctid)
    const seen = readConfig((await readText(join(home, 'config'))) ?? '')
    const running = seen !== null && (await events(join(paths.cgroup, seen.cgroup)))?.populated
    if (!running) await removeHome(home)
  }
  await rmdir(lxcPath).catch(() => undefined)
  await rmdir(at.poolDirectory(paths, pool)).catch(() => undefined)
  await removeCgroup(join(paths.cgroup, at.poolCgroup(pool))).catch((error: unknown) => {
    if (!(error instanceof HostError) || error.code !== 'E_BUSY') throw error
  })
}
