/**
 * Notices that a container's cgroup became empty: its monitor was killed, so no hook will tell.
 *
 * The kernel raises an inotify event on `cgroup.events` when `populated` or `frozen` changes
 * (Documentation/admin-guide/cgroup-v2.rst). The cgroup is ours and stays while LXC's own, below it, come
 * and go; during a reboot from inside the monitor keeps it populated.
 */
import { type FSWatcher, watch } from 'node:fs'
import { join } from 'node:path'
import type { ContainerRef } from '../host.ts'
import { events } from './cgroup.ts'
import { cgroupOf } from './inspect.ts'
import type { Paths } from './paths.ts'

/**
 * Calls `onEmpty` once, when no process is left in the container's cgroup; soon if none is there now.
 *
 * @returns a function that ends it; afterwards `onEmpty` is not called
 */
export function watchRun(paths: Paths, ref: ContainerRef, onEmpty: () => void): () => void {
  let watcher: FSWatcher | undefined
  let done = false
  const stop = (): void => {
    done = true
    watcher?.close()
  }
  const look = async (cgroup: string | null): Promise<void> => {
    const populated = cgroup !== null && ((await events(cgroup).catch(() => null))?.populated ?? false)
    if (done || populated) return
    stop()
    onEmpty()
  }
  void (async () => {
    const cgroup = await cgroupOf(paths, ref)
    if (cgroup !== null && !done) {
      try {
        watcher = watch(join(cgroup, 'cgroup.events'), () => void look(cgroup))
        watcher.on('error', () => void look(cgroup))
      } catch {
        // It is gone already: the look below says so.
      }
    }
    await look(cgroup)
  })()
  return stop
}
