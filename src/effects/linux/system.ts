/**
 * The lowest level of the Linux host: every single thing that an effect does to the machine, and every look that it
 * takes, goes through this one port.
 *
 * Two stand behind it. `linuxSystem` does it. `rehearsal/` does not: it collects what would have been done and answers
 * looks as if it had been. So a plan is made by the very code that runs the effect, and cannot say anything else than
 * what that code would do.
 */
import { chown, lstat, mkdir, open, readdir, readFile, rm, rmdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { ContainerRef, ContainerSeen } from '../host.ts'
import { events, killCgroup, makeCgroup, removeCgroup } from './cgroup.ts'
import { systemError, unless } from './errors.ts'
import { type Command, type EffectRunner, type Ended, query } from './exec.ts'
import type { Claim, Fences } from './fence.ts'
import { makeDirectories, readText, writeWhole } from './files.ts'
import { cgroupOf, inspect } from './inspect.ts'
import type { Paths } from './paths.ts'
import { type Written, writeInRootfs } from './rootfs.ts'
import { makeDirectory } from './walk.ts'
import { type Mount, parseMountinfo } from './zfs-parse.ts'

export type System = {
  // --- looks -------------------------------------------------------------------------------------------
  /** Runs a program that only reads. @throws as `exec.ts` */
  query(command: Command, signal?: AbortSignal): Promise<Ended>
  mounts(): Promise<Mount[]>
  /** Text of a file of the host; null when it is not there. */
  read(path: string): Promise<string | null>
  isDirectory(path: string): Promise<boolean>
  /** What is in a directory; nothing when it is not there. */
  names(path: string): Promise<string[]>
  /** Uid that owns a path. */
  ownerOf(path: string): Promise<number>
  inspect(ref: ContainerRef): Promise<ContainerSeen>
  /** Path of a container's cgroup, as its configuration names it; null when there is none. */
  cgroupOf(ref: ContainerRef): Promise<string | null>
  isPopulated(cgroup: string): Promise<boolean>

  // --- deeds -------------------------------------------------------------------------------------------
  /** Runs an effect's program, in the cgroup of its intent. */
  readonly run: EffectRunner
  /** Runs a short program that changes something and leaves no process: mount, umount. */
  change(command: Command): Promise<Ended>
  /** Replaces a file of the host, when its text differs. */
  write(path: string, text: string, mode: number): Promise<boolean>
  /** Makes directories of the host with exactly these modes. */
  directories(modes: Readonly<Record<string, number>>): Promise<void>
  /** Makes directories below a mount point that others may write to, following no symlink. */
  directoriesIn(top: string, modes: Readonly<Record<string, number>>): Promise<void>
  /** Empties a file, or makes it and the directory that it is in. */
  emptyFile(path: string, mode: number): Promise<void>
  chown(path: string, uid: number, gid: number): Promise<void>
  /** Absent is success. @throws E_BUSY when there is something in it */
  removeDirectory(path: string): Promise<void>
  /** Absent is success. */
  removeFile(path: string): Promise<void>
  /** See `rootfs.ts`. */
  writeInRootfs(top: string, directory: string, name: string, text: string): Promise<Written>
  /** Relative to the cgroup root. */
  makeCgroup(relative: string): Promise<void>
  /** Kills all that is in a cgroup and removes it; absent is success. */
  killCgroup(cgroup: string): Promise<void>
  /** Removes an empty cgroup and all below it. @throws E_BUSY */
  removeCgroup(cgroup: string): Promise<void>
  claim(intent: string, claim: Claim): Promise<void>
  release(intent: string): Promise<void>
}

const KILL_TIMEOUT_MS = 20_000

/** The real one. */
export function linuxSystem(paths: Paths, bootId: string, run: EffectRunner, fences: Fences): System {
  return {
    query,
    mounts: async () => parseMountinfo(await readFile('/proc/self/mountinfo', 'utf8')),
    read: readText,
    isDirectory: async (path) => (await lstat(path).catch(() => null))?.isDirectory() ?? false,
    names: (path) => readdir(path).catch(() => []),
    ownerOf: async (path) => (await stat(path)).uid,
    inspect: (ref) => inspect(paths, bootId, ref),
    cgroupOf: (ref) => cgroupOf(paths, ref),
    isPopulated: async (cgroup) => (await events(cgroup))?.populated ?? false,
    run,
    change: (command) => query(command),
    write: writeWhole,
    directories: makeDirectories,
    async directoriesIn(top, modes) {
      for (const [path, mode] of Object.entries(modes)) await makeDirectory(top, path, mode)
    },
    emptyFile,
    chown,
    removeDirectory: (path) =>
      rmdir(path).catch((error: unknown) => unless('ENOENT', error, `cannot remove ${path}`)),
    removeFile: (path) => rm(path, { force: true }),
    writeInRootfs,
    makeCgroup: (relative) => makeCgroup(paths.cgroup, relative),
    killCgroup: async (cgroup) => void (await killCgroup(cgroup, KILL_TIMEOUT_MS)),
    removeCgroup,
    claim: fences.claim,
    release: fences.release,
  }
}

async function emptyFile(path: string, mode: number): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true })
    const handle = await open(path, 'w', mode)
    await handle.close()
  } catch (error) {
    throw systemError(error, `cannot write ${path}`)
  }
}

/** Where a dataset is mounted as a whole now, null when it is not. */
export async function mountedAt(system: Pick<System, 'mounts'>, dataset: string): Promise<string | null> {
  const isWhole = ({ type, source, root }: Mount): boolean =>
    type === 'zfs' && source === dataset && root === '/'
  return (await system.mounts()).find(isWhole)?.target ?? null
}
