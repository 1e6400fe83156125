/**
 * cgroup v2 as files: make, read, kill, remove. No process is ever started for it.
 *
 * Source: Linux Documentation/admin-guide/cgroup-v2.rst: `cgroup.events` (populated, frozen; inotify tells of
 * changes), `cgroup.kill` (5.14: SIGKILL to the whole subtree, forks included), `cgroup.subtree_control`.
 */
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { HostError } from '../host.ts'
import { errnoOf, systemError, unless } from './errors.ts'

/** @returns mount point of cgroup v2: the last one in mountinfo, null when there is none */
export function findCgroup2(mountinfo: string): string | null {
  let found: string | null = null
  for (const line of mountinfo.split('\n')) {
    const [left, right] = line.split(' - ')
    if (right?.startsWith('cgroup2 ')) found = left?.split(' ')[4] ?? found
  }
  return found
}

export type CgroupEvents = { populated: boolean; frozen: boolean }

/** @pure */
export function parseEvents(text: string): CgroupEvents {
  return { populated: /^populated 1$/m.test(text), frozen: /^frozen 1$/m.test(text) }
}

/** Reads a file of a cgroup, null when the cgroup is gone (ENOENT, ENODEV). */
export async function readCgroup(path: string, file: string): Promise<string | null> {
  try {
    return await readFile(join(path, file), 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENODEV') return null
    throw systemError(error, `cannot read ${join(path, file)}`)
  }
}

export async function events(path: string): Promise<CgroupEvents | null> {
  const text = await readCgroup(path, 'cgroup.events')
  return text === null ? null : parseEvents(text)
}

/** Makes each level of `relative` below `root` and hands all its controllers down, best effort. */
export async function makeCgroup(root: string, relative: string): Promise<void> {
  let path = root
  for (const name of relative.split('/')) {
    await delegate(path)
    path = join(path, name)
    await mkdir(path).catch((error: unknown) => unless('EEXIST', error, `cannot make cgroup ${path}`))
  }
}

/** Enables what a cgroup may hand to its children, each controller alone: one that is busy hinders no other. */
export async function delegate(path: string): Promise<void> {
  const available = ((await readCgroup(path, 'cgroup.controllers')) ?? '').trim().split(' ')
  const enabled = new Set(((await readCgroup(path, 'cgroup.subtree_control')) ?? '').trim().split(' '))
  for (const controller of available) {
    if (controller === '' || enabled.has(controller)) continue
    await writeFile(join(path, 'cgroup.subtree_control'), `+${controller}`).catch(() => undefined)
  }
}

async function children(path: string): Promise<string[]> {
  try {
    const entries = await readdir(path, { withFileTypes: true })
    return entries.filter((entry) => entry.isDirectory()).map((entry) => join(path, entry.name))
  } catch (error) {
    unless('ENOENT', error, `cannot list ${path}`)
    return []
  }
}

/** Every process of a cgroup and of those below it; empty when it is gone. */
export async function processes(path: string): Promise<number[]> {
  const own = ((await readCgroup(path, 'cgroup.procs').catch(() => '')) ?? '')
    .split('\n')
    .filter((pid) => pid !== '')
  const below = await Promise.all((await children(path)).map(processes))
  return [...own.map(Number), ...below.flat()]
}

/**
 * Removes an empty cgroup and all below it, deepest first.
 *
 * @throws E_BUSY (transient) when a process is in it
 * @idempotent absent is success
 */
export async function removeCgroup(path: string): Promise<void> {
  for (const child of await children(path)) await removeCgroup(child)
  await rmdir(path).catch((error: unknown) => unless('ENOENT', error, `cannot remove cgroup ${path}`))
}

/** The kernel's function that a process sleeps in, nothing when it runs or is gone. Source: proc_pid_wchan(5). */
async function sleepsIn(pid: number): Promise<string> {
  const name = await readFile(`/proc/${pid}/wchan`, 'utf8').catch(() => '')
  return /^\w{2,}$/.test(name) ? name : ''
}

/**
 * Processes, each with what it waits for in the kernel: a disk that does not answer keeps even a killed one.
 *
 * @returns such as `1196 (waits in sync_inodes_sb)`
 */
export async function heldIn(pids: readonly number[]): Promise<string> {
  const places = await Promise.all(pids.map(sleepsIn))
  return pids.map((pid, i) => (places[i] ? `${pid} (waits in ${places[i]})` : `${pid}`)).join(', ')
}

/**
 * Kills all that is in a cgroup, waits until it is empty, and removes it.
 *
 * @param timeoutMs how long to wait; a process in an uninterruptible call does not die before the call ends
 * @returns number of processes that were there
 * @throws E_TIMEOUT (transient) when processes are left
 * @idempotent an absent cgroup gives 0
 */
export async function killCgroup(path: string, timeoutMs: number): Promise<number> {
  let killed = 0
  const until = performance.now() + timeoutMs
  for (let pause = 2; ; pause = Math.min(pause * 2, 100)) {
    const seen = await events(path)
    if (seen === null) return killed
    if (!seen.populated) break
    killed = Math.max(killed, (await processes(path)).length)
    await killOnce(path)
    if (performance.now() > until) {
      throw new HostError(
        'E_TIMEOUT',
        'transient',
        `processes in ${path} do not die: ${await heldIn(await processes(path))}`,
      )
    }
    await delay(pause)
  }
  await removeCgroup(path)
  return killed
}

async function killOnce(path: string): Promise<void> {
  try {
    await writeFile(join(path, 'cgroup.kill'), '1')
  } catch {
    for (const pid of await processes(path)) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It ended by itself in between.
      }
    }
  }
}
