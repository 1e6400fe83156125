/** What a zpool says of itself: its own record of every change, which ZFS prints as a whole. */
import { HostError } from '../host.ts'
import type { System } from './system.ts'

/** Years of it may be a gigabyte: its end alone comes over the pipe. `$1` is the pool, `$2` so many bytes. */
const END = '{ zpool history -il "$1" 2>&1 || echo "failed: $?"; } | tail -c "$2"'
const TIMEOUT_MS = 60_000

/** @throws E_NOT_FOUND, E_FAILED (permanent) in ZFS's own words; E_TIMEOUT (transient) */
export async function zpoolHistory(
  system: Pick<System, 'query'>,
  pool: string,
  maxBytes: number,
): Promise<string> {
  const argv = ['/bin/sh', '-c', END, 'zpool-history', pool, String(maxBytes)] as const
  const { stdout } = await system.query({ argv: [...argv], timeoutMs: TIMEOUT_MS })
  const failure = /([^\n]*)\n?failed: \d+$/.exec(stdout)
  if (failure) throw new HostError('E_FAILED', 'permanent', failure[1] || `zpool history ${pool} failed`)
  return stdout
}
