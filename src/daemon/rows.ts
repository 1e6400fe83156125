/** Answers of the daemon, made from committed states alone: no process is forked and no file is read. */

import type { ContainerSpec } from '../effects/host.ts'
import type { Actor } from '../events/types/actor.ts'
import type { CtState } from '../machines/container/machine.ts'
import { lifeOf, phaseOf } from '../machines/life.ts'
import type { Operation } from '../machines/operation.ts'
import type { CtRow, IdRangeRow, OpRow, PoolRow, RepoRow, TrashRow, UserRow } from '../rpc/results.ts'
import { ctIdOf, ctidOf, streamOfCt } from './fold.ts'
import type { Pool } from './pool.ts'
import { TRASH_AGE_MS } from './trash.ts'

export const lxcPath = (pool: string): string => `/run/osctl/pools/${pool}/containers`
export const cgroupOf = (spec: Pick<ContainerSpec, 'pool' | 'user' | 'ctid'>): string =>
  `osctl/pool.${spec.pool}/group.default/user.${spec.user}/ct.${spec.ctid}`

/** The reference's word for a state; `error` for a container that nobody can act on without an admin. */
export function stateWord(pool: Pool, ct: CtState): string {
  if (pool.journal.fold.quarantined.has(streamOfCt(ct)) || ct.context.op?.pending?.inDoubt) return 'error'
  const life = lifeOf(ct)
  // Until recovery has looked, what ran before the host died is neither known to run nor to be stopped.
  const bootId = ct.context.run?.evidence?.bootId
  if (bootId !== undefined && bootId !== pool.ports.host.bootId()) return 'unknown'
  if (life === 'creating') return 'staged'
  if (life === 'thawing') return 'freezing'
  return life
}

function problemOf(pool: Pool, ct: CtState): string | null {
  const quarantine = pool.journal.fold.quarantined.get(streamOfCt(ct))
  if (quarantine) return `quarantined at ${pool.name}:${quarantine.seq}: ${quarantine.why}`
  return ct.context.op?.pending?.inDoubt ?? null
}

export function ctRow(pool: Pool, ct: CtState): CtRow {
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
    problem: problemOf(pool, ct),
    created_at: createdAt,
    started_at: run?.startedAt ?? null,
  }
}

export async function poolRow(pool: Pool): Promise<PoolRow> {
  const state = pool.journal.states.pool()
  const { users, config } = state.context
  const cts = pool.containers()
  const facts = await pool.ports.host.zfs.pool(pool.name).catch(() => null)
  const head = pool.journal.head()
  const unsafe = facts && facts.unsafe.length > 0 ? facts.unsafe.join('; ') : null
  const unavailable = pool.journal.unavailable
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
    log: unavailable?.startsWith('suspended')
      ? 'suspended'
      : unavailable !== null
        ? 'read-only'
        : unsafe
          ? 'degraded'
          : 'ok',
    log_head: `${head.seq}:${head.hash.slice(0, 16)}`,
    health: facts?.health ?? 'unknown',
    problem: unavailable ?? unsafe,
    attrs: config.attrs,
  }
}

export function userRows(pool: Pool): UserRow[] {
  return Object.entries(pool.journal.states.pool().context.users).map(([name, user]) => ({
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

export function idRangeRows(pool: Pool): IdRangeRow[] {
  const { idRanges, users } = pool.journal.states.pool().context
  return Object.entries(idRanges).map(([name, range]) => {
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

export function repoRows(pool: Pool): RepoRow[] {
  const { repositories } = pool.journal.states.pool().context
  return Object.entries(repositories).map(([name, { url, enabled }]) => ({
    pool: pool.name,
    name,
    url,
    enabled,
  }))
}

export function trashRows(pool: Pool): TrashRow[] {
  return Object.entries(pool.journal.states.pool().context.trash).map(([name, entry]) => ({
    pool: pool.name,
    name,
    ctid: entry.ctid,
    stream: entry.ct,
    trashed_at: entry.trashedAt,
    expires_at: entry.trashedAt + TRASH_AGE_MS,
  }))
}

/** Who, in a word: the login that was kept over su and sudo, else the uid; `system:…` for the daemon itself. */
export function actorName(actor: Actor | undefined): string {
  if (!actor) return '-'
  if ('system' in actor) return `system:${actor.system}`
  const { verified, claimed } = actor
  const who = claimed?.sudoUser ?? `uid ${verified.loginuid ?? verified.uid}`
  return claimed?.sshClient ? `${who} from ${claimed.sshClient}` : who
}

/** An open operation, from the state that holds it. */
export function openOpRow(pool: Pool, target: string | null, op: Operation, actor: string): OpRow {
  const { pending } = op
  const state = pending?.inDoubt ? 'in doubt' : pending && pending.attempts > 1 ? 'retrying' : 'running'
  const done = op.done.map((step) => ({
    intent: step.intent,
    kind: step.kind,
    state: step.evidence === null ? 'failed' : 'done',
    detail: null,
    args: step.args,
  }))
  const current = pending
    ? [{ intent: pending.intent, kind: pending.kind, state, detail: pending.inDoubt, args: pending.args }]
    : []
  return {
    pool: pool.name,
    op: op.id,
    target,
    command: op.command,
    actor,
    started: op.startedAt,
    state,
    step: pending?.kind ?? null,
    steps: [...done, ...current],
    problem: pending?.inDoubt ?? op.error,
  }
}
