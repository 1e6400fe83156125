/** What all handlers share: finding the target, who asks, and how the answer waits. */
import type { Actor } from '../../events/types/actor.ts'
import type { CtState } from '../../machines/container/machine.ts'
import type { Asked } from '../../machines/decide/decision.ts'
import type { Call } from '../../rpc/call.ts'
import type { Meta, MethodName, MethodParams } from '../../rpc/methods.ts'
import type { Accepted, MethodResult } from '../../rpc/results.ts'
import { maskedDeep, withoutUserInfo } from '../../rpc/secrets.ts'
import type { Waiting } from '../bus.ts'
import type { Daemon } from '../daemon.ts'
import { CallError, notFound } from '../errors.ts'
import type { Pool } from '../pool.ts'

export type Handle<M extends MethodName> = (params: MethodParams<M>, call: Call) => Promise<MethodResult<M>>
export type HandlersOf<M extends MethodName> = { [K in M]: Handle<K> }

export const done = (op: string | null, warnings: string[] = []): Accepted => ({
  op,
  result: 'done',
  position: null,
  warnings,
})

export function actorOf(call: Call, meta: Meta | undefined): Actor {
  const claimed = {
    ...(meta?.sudoUser === undefined ? {} : { sudoUser: meta.sudoUser }),
    ...(meta?.sshClient === undefined ? {} : { sshClient: meta.sshClient }),
    ...(meta?.reason === undefined ? {} : { reason: withoutUserInfo(meta.reason) }),
  }
  return Object.keys(claimed).length === 0 ? { verified: call.actor } : { verified: call.actor, claimed }
}

type WithMeta = { meta?: Meta | undefined }

/** Everything but `meta` is recorded: no method of ours takes a secret as a parameter, and what looks like one goes. */
export function asked(
  daemon: Daemon,
  call: Call,
  command: string,
  params: WithMeta & Record<string, unknown>,
): Asked {
  const { meta, ...args } = params
  const known = Object.fromEntries(Object.entries(args).filter(([, value]) => value !== undefined))
  return {
    op: newId(daemon, meta, 'operation'),
    actor: actorOf(call, meta),
    cli: meta?.cli === undefined ? null : withoutUserInfo(meta.cli),
    key: meta?.key,
    command,
    args: maskedDeep(known) as Record<string, unknown>,
  }
}

/** A new id, or the word for it in a plan, which takes none. */
export const newId = (
  daemon: Pick<Daemon, 'ports'>,
  meta: Meta | undefined,
  what: 'operation' | 'run' | 'container',
): string => (meta?.dryRun ? `<${what}>` : daemon.ports.ids.ulid())

export function waiting(call: Call, meta: Meta | undefined): Waiting {
  return {
    noWait: meta?.noWait ?? false,
    dryRun: meta?.dryRun ?? false,
    accepted: (op) => call.operation(op),
    progress: (text, done, total) => call.progress(text, done ?? undefined, total),
  }
}

/** Work on a pool as a whole: with `noWait` it is answered as soon as it is accepted, and goes on. */
export function unlessWaited(
  call: Call,
  meta: Meta | undefined,
  work: (accepted: (op: string) => void) => Promise<Accepted>,
): Promise<Accepted> {
  if (!meta?.noWait) return work((op) => call.operation(op))
  return new Promise((resolve, reject) => {
    const accepted = (op: string): void => resolve({ op, result: 'accepted', position: null, warnings: [] })
    work(accepted).then(resolve, reject)
  })
}

export function refuseWhileStopping(daemon: Daemon): void {
  if (daemon.stopping) throw new CallError('unavailable', 'E_SHUTDOWN', 'osctld is shutting down')
}

/** `id` or `pool:id`: the pool that holds it, and its ctid. Absent everywhere: the first pool, which refuses. */
export function locate(daemon: Daemon, target: string): { pool: Pool; ctid: string } {
  const colon = target.indexOf(':')
  if (colon > 0) return { pool: daemon.pool(target.slice(0, colon)), ctid: target.slice(colon + 1) }
  for (const pool of daemon.pools.values())
    if (pool.journal.states.byCtid(target)) return { pool, ctid: target }
  return { pool: daemon.poolOr(undefined), ctid: target }
}

export function locateCt(daemon: Daemon, target: string): { pool: Pool; ct: CtState } {
  const { pool, ctid } = locate(daemon, target)
  const ct = pool.journal.states.byCtid(ctid)
  if (!ct) throw notFound('E_CT_NOT_FOUND', 'container not found')
  return { pool, ct }
}

/** The named pools, or all. */
export function poolsOf(daemon: Daemon, names: readonly string[] | undefined): Pool[] {
  if (!names || names.length === 0) return [...daemon.pools.values()]
  return names.map((name) => daemon.pool(name))
}

/** `name` or `pool:name` of something that lives on a pool. */
export function named(
  daemon: Daemon,
  target: string,
  has: (pool: Pool, name: string) => boolean,
): { pool: Pool; name: string } {
  const colon = target.indexOf(':')
  if (colon > 0) return { pool: daemon.pool(target.slice(0, colon)), name: target.slice(colon + 1) }
  for (const pool of daemon.pools.values()) if (has(pool, target)) return { pool, name: target }
  return { pool: daemon.poolOr(undefined), name: target }
}
