/** Rows of `ls` and `show`, made from states alone. */

import { witnessText } from '../events/types/witness.ts'
import type { CtState } from '../machines/container/machine.ts'
import { ctIdOf, ctidOf, streamOfCt } from '../machines/fold.ts'
import { lifeOf, phaseOf } from '../machines/life.ts'
import { type PoolContext, TRASH_AGE_MS } from '../machines/pool/context.ts'
import type { WitnessRow } from '../rpc/proof.ts'
import type { CtRow, IdRangeRow, PoolRow, RepoRow, TrashRow, UserRow } from '../rpc/results.ts'
import { formatTime } from '../rpc/time.ts'
import type { PoolView } from './view.ts'

export const lxcPath = (pool: string): string => `/run/osctl/pools/${pool}/containers`
export const cgroupOf = (spec: { pool: string; user: string; ctid: string }): string =>
  `osctl/pool.${spec.pool}/group.default/user.${spec.user}/ct.${spec.ctid}`

/** The reference's word for a state; `error` for a container that nobody can act on without an admin. */
export function stateWord(pool: PoolView, ct: CtState): string {
  if (pool.quarantined.has(streamOfCt(ct)) || ct.context.op?.pending?.inDoubt) return 'error'
  const life = lifeOf(ct)
  // Until recovery has looked, what ran before the host died is neither known to run nor to be stopped.
  const bootId = ct.context.run?.evidence?.bootId
  if (bootId !== undefined && bootId !== pool.bootId) return 'unknown'
  if (life === 'creating') return 'staged'
  if (life === 'thawing') return 'freezing'
  return life
}

function problemOf(pool: PoolView, ct: CtState): string | null {
  const quarantine = pool.quarantined.get(streamOfCt(ct))
  if (quarantine) return `quarantined at ${pool.name}:${quarantine.seq}: ${quarantine.why}`
  return ct.context.op?.pending?.inDoubt ?? null
}

function driftOf(ct: CtState): string | null {
  const names = Object.keys(ct.context.drift ?? {})
  return names.length === 0 ? null : names.map((name) => `${ctidOf(ct)}/${name}`).join(' ')
}

export function ctRow(pool: PoolView, ct: CtState): CtRow {
  const { identity, settings, map, run, op, createdAt } = ct.context
  const ctid = ctidOf(ct)
  const user = identity?.user ?? ''
  const idmap = map ? `0:${map.first}:${map.count}` : ''
  return {
    pool: pool.name,
    id: ctid,
    user,
    group: identity?.group ?? '',
    uid_map: idmap,
    gid_map: idmap,
    dataset: `${pool.dataset}/ct/${ctid}`,
    rootfs: `${pool.directory}/ct/${ctid}/private`,
    lxc_path: lxcPath(pool.name),
    lxc_dir: `${lxcPath(pool.name)}/${ctid}`,
    group_path: cgroupOf({ pool: pool.name, user, ctid }),
    distribution: identity?.distribution ?? '',
    version: identity?.version ?? '',
    arch: identity?.arch ?? '',
    state: stateWord(pool, ct),
    init_pid: run?.evidence?.initPid ?? null,
    autostart: settings.autostart !== null,
    autostart_priority: settings.autostart?.priority ?? null,
    autostart_delay: settings.autostart?.delay ?? null,
    hostname: settings.hostname,
    init_cmd: identity?.initCmd?.join(' ') ?? null,
    log_file: `${pool.directory}/log/ct/${ctid}.log`,
    attrs: settings.attrs,
    stream: ctIdOf(ct),
    restart_needed: phaseOf(ct, 'settings') === 'declared/restartNeeded',
    operation: op?.id ?? null,
    drift: driftOf(ct),
    problem: problemOf(pool, ct),
    created_at: createdAt,
    started_at: run?.startedAt ?? null,
  }
}

/** What is measured of a pool, by whoever can. */
export type PoolMeasures = Pick<PoolRow, 'log' | 'log_head' | 'format' | 'health' | 'problem'>

export function poolRow(pool: PoolView, measures: PoolMeasures): PoolRow {
  const state = pool.states.pool()
  const { users, config } = state.context
  const cts = [...pool.states.cts()]
  const { log, log_head, format, health, problem } = measures
  return {
    name: pool.name,
    guid: pool.guid ?? '',
    dataset: pool.dataset,
    state: lifeOf(state),
    users: Object.keys(users).length,
    groups: 2,
    containers: cts.length,
    running: cts.filter((ct) => ct.context.run !== null).length,
    parallel_start: config.parallelStart,
    parallel_stop: config.parallelStop,
    log,
    log_head,
    format,
    health,
    came_from: cameFrom(state.context.cameFrom),
    problem,
    attrs: config.attrs,
  }
}

/** Where a pool came from when it moved last, as an admin reads it. @pure */
function cameFrom(from: PoolContext['cameFrom']): string | null {
  if (!from) return null
  const { host, hostId, forced, at } = from
  return `${host} (host id ${hostId ?? 'unknown'}) on ${formatTime(at)}${forced ? ', by force' : ''}`
}

/** In the order of their names: a state that was replayed has them in another order than one that grew. */
export const named = <T>(things: Readonly<Record<string, T>>): [string, T][] =>
  Object.entries(things).sort(([a], [b]) => (a < b ? -1 : 1))

export function userRows(pool: PoolView): UserRow[] {
  return named(pool.states.pool().context.users).map(([name, user]) => ({
    pool: pool.name,
    name,
    username: `${pool.name}-${name}`,
    ugid: null,
    registered: true,
    standalone: user.standalone,
    first_id: user.map.first,
    id_count: user.map.count,
  }))
}

export function idRangeRows(pool: PoolView): IdRangeRow[] {
  const { idRanges, users } = pool.states.pool().context
  return named(idRanges).map(([name, range]) => {
    const allocated = Object.values(users).filter((user) => user.range === name).length
    return {
      pool: pool.name,
      name,
      start_id: range.startId,
      last_id: range.startId + range.blockSize * range.blockCount - 1,
      block_size: range.blockSize,
      block_count: range.blockCount,
      allocated,
      free: range.blockCount - allocated,
    }
  })
}

export function repoRows(pool: PoolView): RepoRow[] {
  const { repositories } = pool.states.pool().context
  return named(repositories).map(([name, { url, enabled }]) => ({
    pool: pool.name,
    name,
    url,
    enabled,
  }))
}

/** Who takes the heads of the log; what was sent is not recorded. */
export function witnessRows(pool: PoolView): WitnessRow[] {
  const { witnesses = {} } = pool.states.pool().context.config
  return named(witnesses).map(([name, witness]) => ({
    pool: pool.name,
    name,
    kind: witness.kind,
    target: witnessText(witness),
    state: null,
    last_head: null,
    sent_at: null,
    failures: null,
    error: null,
  }))
}

export function trashRows(pool: PoolView): TrashRow[] {
  return Object.entries(pool.states.pool().context.trash).map(([name, entry]) => ({
    pool: pool.name,
    name,
    ctid: entry.ctid,
    stream: entry.ct,
    trashed_at: entry.trashedAt,
    expires_at: entry.trashedAt + TRASH_AGE_MS,
  }))
}
