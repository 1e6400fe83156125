/**
 * zpools that were somewhere else: bringing one into ZFS, refusing one that another host may still use, and knowing
 * of an opened pool which host had it before.
 *
 * Two hosts that write to one zpool destroy it, and neither notices in time. So one that another host had last and did
 * not export is taken when an admin says so and never by itself, and who it was taken from stands in its log.
 *
 * None of this is recorded before it is done: the log lies on the pool. A crash in between leaves a zpool that is
 * imported in ZFS, perhaps not mounted; `pool import` goes on from there.
 */
import type { ImportablePool, UsedElsewhere } from '../effects/host.ts'
import type { EventData } from '../events/types/events.ts'
import type { LogReader } from '../events/types/query.ts'
import { formatTime } from '../rpc/time.ts'
import { CallError, notFound, refused } from './errors.ts'
import { unlogged } from './log-datasets.ts'
import { notInstalled } from './pool-checks.ts'
import type { DaemonPorts } from './ports.ts'

type Ports = Pick<DaemonPorts, 'host'>

const CODE = 'E_POOL_ELSEWHERE'

/** The refusal, with the danger and the ways out. @pure */
export function usedElsewhere(name: string, { host, hostId, at, isActive }: UsedElsewhere): CallError {
  const who = `${host} (host id ${hostId})`
  const there = `osctl pool export ${name} && zpool export ${name} on ${host}`
  if (isActive)
    return refused(
      CODE,
      `pool ${name} is in use by ${who}: it writes to it now (${there}, then import it here)`,
    )
  const when = at === null ? '' : ` at ${formatTime(at)}`
  return refused(
    CODE,
    `pool ${name} was last used by ${who}${when}, which did not export it: two hosts that use one pool destroy it ` +
      `(if ${host} is up: ${there}, then osctl pool import ${name} here; ` +
      `if it is off and stays off: osctl pool import --force ${name})`,
  )
}

export const isElsewhere = (error: unknown): error is CallError =>
  error instanceof CallError && error.data.code === CODE

/** The one zpool of that name that could be imported into ZFS. @throws CallError not-found, refused */
async function found(ports: Ports, name: string): Promise<ImportablePool> {
  const [one, ...others] = (await ports.host.zfs.importable()).filter((pool) => pool.name === name)
  if (!one)
    throw notFound('E_POOL_NOT_FOUND', `pool not found: ${name} (zpool import shows what could be imported)`)
  if (others.length === 0) return one
  const guids = [one, ...others].map(({ guid }) => guid).join(', ')
  throw refused(
    'E_POOL_AMBIGUOUS',
    `several zpools are called ${name}: ${guids} (zpool import GUID takes one)`,
  )
}

/**
 * Imports a zpool into ZFS, if ZFS does not have it, and mounts it. One that is not ours is let go again.
 *
 * @returns who it was taken from by force
 * @throws CallError not-found, refused: E_POOL_ELSEWHERE; HostError
 * @idempotent yes
 */
export async function bringIn(ports: Ports, name: string, force: boolean): Promise<UsedElsewhere | null> {
  const { zfs } = ports.host
  const fence = unlogged(`${name}.import`)
  let taken: UsedElsewhere | null = null
  let facts = await zfs.pool(name)
  if (!facts) {
    const { guid } = await found(ports, name)
    taken = await zfs.importPool(guid, { force: false }, fence)
    const still = taken && force ? await zfs.importPool(guid, { force: true }, fence) : taken
    if (still) throw usedElsewhere(name, still)
    facts = await zfs.pool(name)
    if (!facts?.active) {
      await zfs.exportPool(name, fence)
      throw notInstalled(name, ` (zpool import ${name} && osctl pool install ${name})`)
    }
  }
  if (facts.active && !facts.mounted) await zfs.mountPool(name)
  return taken
}

type Problems = {
  /** What is wrong, by pool. */
  readonly problems: Map<string, string>
  /** What is wrong with those that another host had last. */
  readonly elsewhere: Map<string, string>
}

/** That another host had a pool last is a problem until it is imported. */
export function leftElsewhere({ problems, elsewhere }: Problems, name: string, message: string): void {
  problems.set(name, message)
  elsewhere.set(name, message)
}

/** Another problem that a pool has by now stays. */
export function notElsewhere({ problems, elsewhere }: Problems, name: string): void {
  if (problems.get(name) === elsewhere.get(name)) problems.delete(name)
  elsewhere.delete(name)
}

/** Pools that were refused and are not there any more, or were let go there, are no problem here. */
export async function reviewElsewhere(daemon: Problems & { readonly ports: Ports }): Promise<void> {
  if (daemon.elsewhere.size === 0) return
  const seen = await daemon.ports.host.zfs.importable().catch(() => null)
  if (seen === null) return
  for (const name of daemon.elsewhere.keys()) {
    const isStill = seen.some((pool) => pool.name === name && pool.isUsedElsewhere)
    if (!isStill) notElsewhere(daemon, name)
  }
}

/** Nothing is tried: whether `bringIn` would be refused. @throws as `bringIn` */
export async function checkBringIn(
  ports: Ports,
  name: string,
  force: boolean,
): Promise<'there' | 'to be imported'> {
  if (await ports.host.zfs.pool(name)) return 'there'
  const { isUsedElsewhere } = await found(ports, name)
  if (isUsedElsewhere && !force)
    throw refused(
      CODE,
      `pool ${name} was last used by another host, which did not export it ` +
        `(osctl pool import ${name} says by whom and when; with --force it is taken)`,
    )
  return 'to be imported'
}

/** How a pool is opened. */
export type Opening = {
  /** Told the operation's id once it is accepted. */
  readonly accepted?: (op: string) => void
  /** The host that it was taken from by force. */
  readonly taken?: UsedElsewhere | null
}

export type Host = { readonly host: string; readonly hostId: string | null }

/** The host that opened the pool last; null when the log does not tell. */
export async function lastHost(log: Pick<LogReader, 'query' | 'read'>): Promise<Host | null> {
  const { events } = await log.query({ stream: 'pool', types: ['PoolOpened'], reverse: true, limit: 1 })
  const s = events[0]?.s
  if (s === undefined) return null
  const { events: sessions } = await log.read({ from: s, to: s, limit: 1 })
  if (sessions[0]?.type !== 'SessionOpened') return null
  const { host, hostId } = sessions[0].data as EventData<'SessionOpened'>
  return { host, hostId }
}

/**
 * Which host a pool comes from; nothing when it is the one that opens it.
 * @param taken  who it was taken from by force just now: ZFS knows better than the log
 * @pure
 */
export function cameFrom(
  last: Host | null,
  here: Host,
  taken: UsedElsewhere | null,
): EventData<'PoolOpened'>['from'] {
  if (taken) {
    const { host, hostId, at } = taken
    return { host, hostId, forced: true, ...(at === null ? {} : { usedAt: at }) }
  }
  if (!last) return undefined
  const isSame =
    last.hostId === null || here.hostId === null ? last.host === here.host : last.hostId === here.hostId
  return isSame ? undefined : { host: last.host, hostId: last.hostId }
}

/** Which host an opened pool comes from; nothing where its log does not tell. */
export async function openedFrom(
  log: Pick<LogReader, 'query' | 'read'>,
  host: Pick<DaemonPorts['host'], 'hostName' | 'hostId'>,
  taken: UsedElsewhere | null,
): Promise<EventData<'PoolOpened'>['from']> {
  const last = await lastHost(log).catch(() => null)
  return cameFrom(last, { host: host.hostName(), hostId: host.hostId() }, taken)
}
