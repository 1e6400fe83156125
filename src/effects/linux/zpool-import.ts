/**
 * zpools on disks that ZFS has not imported: which there are, and taking one.
 *
 * A zpool bears the host id of whoever imported it until that host exports it. ZFS refuses one that bears another's,
 * since two hosts that write to one pool destroy it, and forces it only when told to. Who had it, and when, it says in
 * that refusal and nowhere else.
 */
import { type Fence, HostError, type ImportablePool, type UsedElsewhere } from '../host.ts'
import type { System } from './system.ts'

/**
 * Reads what `zpool import` lists.
 *
 * @source show_import() in cmd/zpool/zpool_main.c, OpenZFS 2.3
 * @pure
 */
export function parseImportable(text: string): ImportablePool[] {
  return text
    .split(/^ *pool: /m)
    .slice(1)
    .flatMap((part) => {
      const name = /^\S+/.exec(part)?.[0]
      const guid = /^ *id: (\d+)$/m.exec(part)?.[1]
      const isUsedElsewhere = /^status: .*(last accessed|currently imported) by another system/m.test(part)
      return name === undefined || guid === undefined ? [] : [{ name, guid, isUsedElsewhere }]
    })
}

const LAST = /Last accessed by (.+) \(hostid=([0-9a-f]+)\) at (\w{3} \w{3} +\d+ [\d:]+ \d+)/
const ACTIVE = /pool is imported on (.+) \(hostid: (?:0x)?([0-9a-f]+)\)/

/**
 * Reads the refusal of a zpool that another host has; null when it is another one.
 *
 * @source do_import() in cmd/zpool/zpool_main.c, OpenZFS 2.3; the time is local, as ctime(3) writes it
 * @pure
 */
export function parseUsedElsewhere(message: string): UsedElsewhere | null {
  const [, host = '', hostId = '', time = ''] = LAST.exec(message) ?? ACTIVE.exec(message) ?? []
  if (host === '') return null
  const at = Date.parse(time)
  return {
    host,
    hostId: hostId.padStart(8, '0'),
    at: Number.isNaN(at) ? null : at,
    isActive: ACTIVE.test(message),
  }
}

/** @throws HostError */
export async function importable(system: Pick<System, 'query'>): Promise<ImportablePool[]> {
  // It fails when there is none.
  return parseImportable((await system.query({ argv: ['zpool', 'import'], accept: [0, 1] })).stdout)
}

/** As the port says. */
export async function importPool(
  system: Pick<System, 'run'>,
  guid: string,
  force: boolean,
  fence: Fence,
): Promise<UsedElsewhere | null> {
  try {
    await system.run({ argv: ['zpool', 'import', '-N', ...(force ? ['-f'] : []), guid] }, fence)
    return null
  } catch (error) {
    const elsewhere = error instanceof HostError ? parseUsedElsewhere(error.message) : null
    if (!elsewhere) throw error
    return elsewhere
  }
}
