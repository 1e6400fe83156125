/**
 * The stage on the live system, with disks for the pools. It is for a machine that is thrown away: osctld does not run,
 * and the pools are this program's.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, symlinkSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import type { ContainerRef } from '../../src/effects/host.ts'
import { linuxHost } from '../../src/effects/linux/index.ts'
import { containerCgroup } from '../../src/effects/linux/paths.ts'
import { CT, MOVED, POOL, SMALL, SPEC, type Stage } from './stage.ts'

const TAR = '/usr/share/osctl/repository/v1/vpsadminos/minimal/x86_64/busybox/stable/image-archive.tar'
const ZFS = '/run/conformance.zfs.tar'
const SMALL_FILE = '/run/small.img'
const CGROUP = `/sys/fs/cgroup/${containerCgroup(SPEC)}`
const LIMIT_MS = 60_000

const sh = (script: string): string => execFileSync('/bin/bash', ['-ec', script], { encoding: 'utf8' })

const isPopulated = (): boolean => {
  try {
    return readFileSync(`${CGROUP}/cgroup.events`, 'utf8').includes('populated 1')
  } catch {
    return false
  }
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + LIMIT_MS
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`not within ${LIMIT_MS / 1000} s: ${what}`)
    await delay(50)
  }
}

/** As the original exports: a stream of a root file system, and one of a dataset below it. */
function makeZfsArchive(): void {
  sh(`zfs create ${POOL}/made; mkdir /${POOL}/made/private; zfs create ${POOL}/made/var
    zfs snapshot -r ${POOL}/made@base; mkdir -p /run/x/config /run/x/rootfs/var; cd /run/x
    printf 'type: full\\nformat: zfs\\nuser: null\\ngroup: null\\ncontainer: old\\ndatasets: [var]\\nexported_at: 1700000000\\n' >metadata.yml
    printf 'distribution: busybox\\nversion: "1"\\narch: x86_64\\n' >config/container.yml
    zfs send ${POOL}/made@base >rootfs/base.dat; zfs send ${POOL}/made/var@base >rootfs/var/base.dat
    printf -- '- base\\n' >snapshots.yml; tar -cf ${ZFS} metadata.yml config rootfs snapshots.yml
    zfs destroy -r ${POOL}/made; rm -r /run/x`)
}

async function occupy(dataset: string): Promise<() => Promise<void>> {
  const child: ChildProcess = spawn('sleep', ['1000'], { cwd: `/${dataset}`, stdio: 'ignore' })
  await once(child, 'spawn')
  return async () => {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
}

/**
 * @param disk  a blank one, for the pool
 * @param moved  another, for the pool that comes and goes
 */
export async function linuxStage(disk: string, moved: string): Promise<Stage> {
  sh(`zpool create -O xattr=sa ${POOL} ${disk}; zpool create -O xattr=sa ${MOVED} ${moved}
    truncate -s 96M ${SMALL_FILE}; zpool create -O xattr=sa -O compression=off ${SMALL} ${SMALL_FILE}`)
  makeZfsArchive()
  const host = await linuxHost()
  const initOf = async (ref: ContainerRef): Promise<number> => {
    const pid = (await host.lxc.inspect(ref)).run?.initPid
    if (pid === undefined) throw new Error(`${ref.ctid} has no init`)
    return pid
  }
  const isNow = async (state: string): Promise<boolean> => (await host.lxc.inspect(CT)).state === state
  return {
    host,
    archives: { tar: TAR, zfs: ZFS },
    occupy,
    link: async (dataset, name) => symlinkSync('/', `/${dataset}/${name}`),
    hold: async (snapshot, held) => void sh(`zfs ${held ? 'hold' : 'release'} conformance ${snapshot}`),
    bookmark: async (snapshot, name) =>
      void sh(`zfs bookmark ${snapshot} ${snapshot.replace(/@.*/, '')}#${name}`),
    async inside(ref, what) {
      const init = await initOf(ref)
      if (what === 'crash') sh(`echo 1 >${CGROUP}/cgroup.kill`)
      // busybox init(1): USR2 is poweroff, TERM is reboot.
      else process.kill(init, what === 'reboot' ? 'SIGTERM' : 'SIGUSR2')
      if (what === 'reboot')
        await until('another init', async () => (await isNow('running')) && (await initOf(ref)) !== init)
      else await until('no process', async () => !isPopulated())
    },
    async startByHand(ref) {
      sh(`lxc-start -P /run/osctl/pools/${ref.pool}/containers -n ${ref.ctid} -d`)
      await until('its init', () => isNow('running'))
    },
    stubborn: async () => undefined,
    isPopulated: async () => isPopulated(),
    async fill() {
      sh(`for size in 1M 4k 512; do dd if=/dev/urandom of=/${SMALL}/fill.$size bs=$size 2>/dev/null || true; done
        zpool sync ${SMALL}; for size in 4k 512; do dd if=/dev/urandom of=/${SMALL}/more.$size bs=$size 2>/dev/null || true; done`)
    },
    async makeReadOnly() {
      sh(`zpool export ${SMALL}; zpool import -o readonly=on -d /run ${SMALL}`)
    },
  }
}
