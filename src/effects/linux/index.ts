/**
 * A real host: Linux with ZFS, LXC and cgroup v2, behind the port in `../host.ts`.
 *
 * Who does what:
 *   system                 each single thing that is done or looked at; hands puts the ports below on top of it
 *   exec, fence, cgroup    processes, each effect's in a cgroup of its own; killing what a crash left behind
 *   zfs*                   datasets and pools by `zfs` and `zpool`
 *   lxc, inspect           containers by LXC's tools; what they do now, from /proc and cgroups without a fork
 *   materialise, users, …  derived state: /run/osctl, system users, LXC configuration, AppArmor, hostname
 *   spool, watch           what hooks said, also while nobody listened; cgroups that became empty
 *   images*, helper/       archives: downloaded, checked and unpacked by helper processes, never in the daemon
 *
 * Three rules. The kernel and LXC are the truth and nothing about them is cached. Whatever a container or an
 * archive could have written is hostile. And any process may be killed at any instruction, ours included:
 * what survives is found by its cgroup and judged by a probe.
 */
import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { type Host, HostError } from '../host.ts'
import type { Rehearsal, Stage } from '../rehearsal.ts'
import { findCgroup2 } from './cgroup.ts'
import { effectRunner } from './exec.ts'
import { makeFences } from './fence.ts'
import { handsOn, type LinuxOptions, type Setting } from './hands.ts'
import { isRunning } from './lxc.ts'
import { linuxMessages } from './messages.ts'
import type { Paths } from './paths.ts'
import { readPressure } from './pressure.ts'
import { rehearsal } from './rehearsal/index.ts'
import { linuxObserver } from './rehearsal/observer.ts'
import { watchSpool } from './spool.ts'
import { linuxSystem } from './system.ts'
import { watchRun } from './watch.ts'

export type { LinuxOptions } from './hands.ts'

async function cgroupRoot(): Promise<string> {
  const found = findCgroup2(await readFile('/proc/self/mountinfo', 'utf8'))
  if (found === null) throw new HostError('E_FAILED', 'permanent', 'cgroup v2 is not mounted')
  return found
}

/** hostid(1) of ZFS: four bytes in /etc/hostid, little-endian; null when there is none. */
async function readHostId(etc: string): Promise<string | null> {
  const bytes = await readFile(`${etc}/hostid`).catch(() => null)
  return bytes?.length === 4 ? bytes.readUInt32LE().toString(16).padStart(8, '0') : null
}

/**
 * Opens the host. Changes nothing yet: `materialise.host()` does, at the daemon's start.
 *
 * @throws E_FAILED when the host has no cgroup v2
 */
/** Can also say what it would do. */
export type LinuxHost = Host & { rehearse(stage: Stage): Rehearsal }

export async function linuxHost(options: LinuxOptions = {}): Promise<LinuxHost> {
  const paths: Paths = {
    run: options.run ?? '/run/osctl',
    etc: options.etc ?? '/etc',
    cgroup: await cgroupRoot(),
  }
  const bootId = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
  const hostId = await readHostId(paths.etc)
  const fences = makeFences(paths, (claim) => isRunning(paths, bootId, claim))
  const run = effectRunner(fences)
  const system = linuxSystem(paths, bootId, run, fences)
  const stops = new Set<() => void>()
  const setting: Setting = { paths, options, known: { apparmor: null, datasets: new Map() } }
  const host: LinuxHost = {
    simulated: false,
    ...handsOn(system, setting),
    rehearse(stage) {
      const datasets = new Map([...setting.known.datasets, [stage.pool, stage.dataset] as const])
      const known = { ...setting.known, datasets }
      return rehearsal(linuxObserver(host, system, stage), { ...setting, known })
    },
    messages: linuxMessages(),
    bootId: () => bootId,
    hostName: () => hostname(),
    hostId: () => hostId,
    fence: (intent) => fences.fence(intent),
    watchSpool: (listener) => watchSpool(paths, listener),
    watchRun(ref, onEmpty) {
      const stop = watchRun(paths, ref, onEmpty)
      stops.add(stop)
      return () => {
        stops.delete(stop)
        stop()
      }
    },
    pressure: () => readPressure(),
    async close() {
      for (const stop of stops) stop()
      stops.clear()
    },
  }
  return host
}
