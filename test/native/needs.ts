/** What a native test needs of the machine; one that lacks it is skipped with the reason printed. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findCgroup2 } from '../../src/effects/linux/cgroup.ts'

export const scratch = (): string => mkdtempSync(join(tmpdir(), 'osctl-native-'))

/** @returns why it cannot run here, or false: what `skip` of node:test takes */
export const root = (): string | false => (process.getuid?.() === 0 ? false : 'needs root')

export function cgroup2(): string | false {
  const mounted = findCgroup2(readFileSync('/proc/self/mountinfo', 'utf8'))
  if (mounted === null) return 'needs cgroup v2'
  try {
    const probe = join(mounted, `osctl-test-${process.pid}`)
    mkdirSync(probe)
    const kills = existsSync(join(probe, 'cgroup.kill'))
    rmdirSync(probe)
    return kills ? false : 'needs cgroup.kill (Linux ≥ 5.14)'
  } catch (error) {
    return `needs a writable cgroup v2: ${error instanceof Error ? error.message : error}`
  }
}

/** Tries an idmapped bind mount where the test's files will be. */
export function idmappedMount(directory: string): string | false {
  const script = `
    set -e
    unshare --user sleep 5 & pid=$!
    own=$(readlink /proc/self/ns/user)
    while [ "$(readlink /proc/$pid/ns/user)" = "$own" ]; do :; done
    echo 0 100000 65536 >/proc/$pid/uid_map; echo 0 100000 65536 >/proc/$pid/gid_map
    mount --bind -o X-mount.idmap=/proc/$pid/ns/user "$1" "$1" || { kill $pid; exit 1; }
    kill $pid
    stat -c %u "$1"`
  const argv = ['--mount', '--propagation', 'private', 'sh', '-c', script, 'sh', directory]
  const { status, stdout, stderr } = spawnSync('unshare', argv, { encoding: 'utf8' })
  if (status === 0 && stdout.trim() === '100000') return false
  return `needs idmapped bind mounts (mount of util-linux ≥ 2.39): ${stderr.trim() || `owner ${stdout.trim()}`}`
}
