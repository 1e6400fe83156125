/**
 * A real host: Linux with ZFS, LXC and cgroup v2, behind the port in `../host.ts`.
 *
 * Who does what:
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
import { fileURLToPath } from 'node:url'
import { type Host, HostError } from '../host.ts'
import { findCgroup2 } from './cgroup.ts'
import { effectRunner } from './exec.ts'
import { makeFences } from './fence.ts'
import { linuxImages } from './images.ts'
import { isRunning, linuxLxc } from './lxc.ts'
import { linuxMaterialise } from './materialise.ts'
import type { Paths } from './paths.ts'
import { watchSpool } from './spool.ts'
import { watchRun } from './watch.ts'
import { linuxZfs } from './zfs.ts'

export type LinuxOptions = {
  /** Default /run/osctl. */
  readonly run?: string
  /** Default /etc. */
  readonly etc?: string
  /** Folder of the scripts that LXC calls; default: `src/hooks` beside this source. */
  readonly hooks?: string
  /** Program that Node runs for archives (`helper/main.ts`, or its bundle). */
  readonly helper?: string
  readonly apparmorProfiles?: readonly string[]
  readonly lxcInclude?: string
  /** Told of what is odd but no failure. */
  readonly log?: (message: string) => void
}

/** Written out so that the build finds them: in a bundle these name the copies in dist/. */
const HOOKS = fileURLToPath(new URL('../../hooks/', import.meta.url))
const HELPER = fileURLToPath(new URL('./helper/main.ts', import.meta.url))

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
export async function linuxHost(options: LinuxOptions = {}): Promise<Host> {
  const paths: Paths = {
    run: options.run ?? '/run/osctl',
    etc: options.etc ?? '/etc',
    cgroup: await cgroupRoot(),
  }
  const bootId = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
  const hostId = await readHostId(paths.etc)
  const fences = makeFences(paths, (claim) => isRunning(paths, bootId, claim))
  const run = effectRunner(fences)
  const zfs = linuxZfs(run)
  const hooks = options.hooks ?? HOOKS
  const stops = new Set<() => void>()
  return {
    simulated: false,
    zfs,
    lxc: linuxLxc(paths, bootId, run, fences),
    images: linuxImages({ paths, run, zfs, helper: options.helper ?? HELPER }),
    materialise: linuxMaterialise({
      paths,
      hooks,
      apparmorProfiles: options.apparmorProfiles ?? [
        '/usr/lib/osctl/apparmor/osctl-ct',
        '/etc/apparmor.d/osctl-ct',
      ],
      lxcInclude: options.lxcInclude ?? '/usr/share/lxc/config',
      zfs,
      log: options.log ?? (() => undefined),
    }),
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
    async close() {
      for (const stop of stops) stop()
      stops.clear()
    },
  }
}
