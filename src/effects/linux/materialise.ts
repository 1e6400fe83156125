/**
 * Derived host state (DESIGN D11): compare what is wanted with what is there, and apply. Nothing of it is
 * recorded and all of it may be deleted: the next start or the next start of the daemon makes it again.
 */
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { HostError, type MaterialisePort, type ZfsPort } from '../host.ts'
import { makeCgroup } from './cgroup.ts'
import { forgetContainer, forgetPool, prepareContainer } from './containers.ts'
import { query } from './exec.ts'
import { makeDirectories, readText, writeWhole } from './files.ts'
import * as at from './paths.ts'
import type { System } from './system.ts'
import { assignUsers, editGroup, editPasswd, editSubids, subidLines } from './users.ts'

/** Shared by all that materialise on one host. */
export type Known = { apparmor: string | null; readonly datasets: Map<string, string> }

export type MaterialiseOptions = {
  readonly paths: at.Paths
  readonly system: System
  /** What is known of the host and its pools since `host()` and `pool()`. */
  readonly known: Known
  /** Folder of the hook scripts as they are shipped. */
  readonly hooks: string
  /** Where the AppArmor profile may lie; the first that is there is loaded. */
  readonly apparmorProfiles: readonly string[]
  readonly lxcInclude: string
  readonly zfs: ZfsPort
  readonly log: (message: string) => void
}

export const APPARMOR_PROFILE = 'osctl-ct'

async function isAppArmorEnabled(): Promise<boolean> {
  return ((await readText('/sys/module/apparmor/parameters/enabled')) ?? 'N').trim() === 'Y'
}

async function isProfileLoaded(): Promise<boolean> {
  const loaded = await readText('/sys/kernel/security/apparmor/profiles')
  return loaded?.split('\n').some((line) => line.startsWith(`${APPARMOR_PROFILE} `)) ?? false
}

/** @throws E_FAILED (permanent) when AppArmor is on and the profile cannot be loaded: an init would run unconfined */
async function loadProfile(options: MaterialiseOptions): Promise<string | null> {
  if (!(await isAppArmorEnabled())) {
    options.log('the kernel runs without AppArmor: containers are not confined by it')
    return null
  }
  if (await isProfileLoaded()) return APPARMOR_PROFILE
  for (const file of options.apparmorProfiles) {
    if ((await readText(file)) === null) continue
    await query({ argv: ['apparmor_parser', '-r', '-K', file] })
    return APPARMOR_PROFILE
  }
  const places = options.apparmorProfiles.join(', ')
  throw new HostError(
    'E_FAILED',
    'permanent',
    `AppArmor is on, but profile ${APPARMOR_PROFILE} is in none of ${places}`,
  )
}

/**
 * LXC puts its cgroups below that of pid 1 (LXC 6.0, cgfsng: all but systemd's `/init.scope`). Where a boot
 * script moved pid 1 elsewhere, it goes back to the root, which is exempt from the rule that a cgroup has
 * either processes or children.
 */
async function homePidOne(options: MaterialiseOptions): Promise<void> {
  const cgroup = /^0::(.*)$/m.exec((await readText('/proc/1/cgroup')) ?? '')?.[1] ?? '/'
  if (cgroup === '/' || cgroup === '/init.scope') return
  await writeFile(join(options.paths.cgroup, 'cgroup.procs'), '1')
  options.log(`pid 1 was in cgroup ${cgroup}; it is in / now, for LXC builds its cgroups below it`)
}

/** By rename: a shell may be reading the script that is there. */
async function copyHooks(options: MaterialiseOptions): Promise<void> {
  const target = at.hooksDirectory(options.paths)
  for (const name of await readdir(options.hooks)) {
    await writeWhole(join(target, name), await readFile(join(options.hooks, name), 'utf8'), 0o755)
  }
}

async function applyUsers(
  options: MaterialiseOptions,
  wanted: Parameters<MaterialisePort['users']>[0],
): Promise<void> {
  const { paths, system } = options
  const { etc, run } = paths
  const passwd = (await system.read(join(etc, 'passwd'))) ?? ''
  const users = assignUsers(passwd, wanted)
  const group = (await system.read(join(etc, 'group'))) ?? ''
  await system.write(join(etc, 'group'), editGroup(group, passwd, users), 0o644)
  await system.write(join(etc, 'passwd'), editPasswd(passwd, users), 0o644)
  const memory = join(run, 'subids')
  const written = ((await system.read(memory)) ?? '').split('\n').filter((line) => line !== '')
  const lines = subidLines(users)
  // What we may have written is noted before it is written, so a crash in between loses none of our lines.
  await system.write(memory, `${[...new Set([...written, ...lines])].join('\n')}\n`, 0o600)
  for (const name of ['subuid', 'subgid']) {
    const present = (await system.read(join(etc, name))) ?? ''
    await system.write(join(etc, name), editSubids(present, written, lines), 0o644)
  }
  await system.write(memory, `${lines.join('\n')}\n`, 0o600)
}

export function linuxMaterialise(options: MaterialiseOptions): MaterialisePort {
  const { paths, system, zfs, log, known } = options

  return {
    async host() {
      await makeDirectories({
        [paths.run]: 0o711,
        [at.effectsDirectory(paths)]: 0o700,
        [at.hooksDirectory(paths)]: 0o755,
        [at.spoolDirectory(paths)]: 0o700,
        [join(paths.run, 'pools')]: 0o711,
      })
      await copyHooks(options)
      await homePidOne(options)
      await makeCgroup(paths.cgroup, `${at.CGROUP}/effects`)
      known.apparmor = await loadProfile(options)
      const mounted = await readFile('/proc/self/mountinfo', 'utf8')
      if (!/ - fuse\.lxcfs /.test(mounted))
        log('LXCFS does not run: containers see the figures of the host in /proc')
    },
    users: (users) => applyUsers(options, users),
    async pool(pool, dataset) {
      known.datasets.set(pool, dataset)
      await system.directories({ [at.poolDirectory(paths, pool)]: 0o711, [at.lxcPath(paths, pool)]: 0o711 })
      await system.makeCgroup(at.poolCgroup(pool))
    },
    async forgetPool(pool) {
      known.datasets.delete(pool)
      await forgetPool(paths, system, pool)
    },
    async container(spec, run) {
      const dataset = known.datasets.get(spec.pool)
      if (dataset === undefined)
        throw new HostError('E_FAILED', 'permanent', `pool ${spec.pool} is not materialised`)
      await prepareContainer(
        { paths, system, zfs, log, dataset, apparmor: known.apparmor, lxcInclude: options.lxcInclude },
        spec,
        run,
      )
    },
    forgetContainer: (ref) => forgetContainer(paths, system, ref),
  }
}
