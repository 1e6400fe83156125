/** Handlers about the daemon and its host: ping, status, healthcheck, debug, shutdown. */

import { driftHealth } from '../../audit/drift-rows.ts'
import { HostError } from '../../effects/host.ts'
import { ctidOf } from '../../machines/fold.ts'
import { lifeOf } from '../../machines/life.ts'
import { mermaid } from '../../machines/mermaid.ts'
import { PROTOCOL } from '../../rpc/protocol.ts'
import type { HealthRow, Status } from '../../rpc/results.ts'
import type { Daemon } from '../daemon.ts'
import { reviewElsewhere } from '../elsewhere.ts'
import { oneLine } from '../errors.ts'
import { planned } from '../plan/plan.ts'
import { planShutdown } from '../plan/pools.ts'
import type { Pool } from '../pool.ts'
import { refOf, shouldRun } from '../reality.ts'
import { asked, type HandlersOf, poolsOf } from './context.ts'

export function hostHandlers(
  daemon: Daemon,
  pid: number,
): HandlersOf<'ping' | 'status' | 'healthcheck' | 'debug.machine' | 'shutdown'> {
  return {
    ping: async () => 'pong',
    status: async () => {
      await reviewElsewhere(daemon)
      return statusOf(daemon, pid)
    },
    healthcheck: async ({ pools }) => await healthOf(daemon, pools),
    'debug.machine': async ({ machine }) => mermaid(machine),
    shutdown: async (params, call) => {
      if (params.meta?.dryRun)
        return planned(
          await planShutdown(daemon, (op) => ({
            ...asked(daemon, call, 'shutdown', params),
            op,
            key: undefined,
          })),
        )
      const warnings: string[] = []
      await Promise.all(
        [...daemon.pools.keys()].map(async (name) => {
          const ask = asked(daemon, call, 'shutdown', params)
          const progress = (text: string): void => call.progress(`${name}: ${text}`)
          await daemon
            .export(name, { force: true, stopContainers: true }, ask, { progress })
            .catch((error) =>
              warnings.push(`${name}: ${error instanceof Error ? error.message : String(error)}`),
            )
        }),
      )
      return { op: null, result: 'done', position: null, warnings }
    },
  }
}

export function statusOf(daemon: Daemon, pid: number): Status {
  const { ports, startedAt, pools, problems } = daemon
  return {
    version: ports.version,
    protocol: PROTOCOL,
    simulated: ports.host.simulated,
    pid,
    uptimeSeconds: Math.round((ports.clock.wall() - startedAt) / 1000),
    pools: [...pools.keys()],
    problems: [...problems].map(([name, problem]) => `${name}: ${problem}`),
  }
}

/** Findings about the named pools, or all, and about those that could not be imported. */
export async function healthOf(daemon: Daemon, pools: readonly string[] | undefined): Promise<HealthRow[]> {
  await reviewElsewhere(daemon)
  const own = [...daemon.problems].map(
    ([name, problem]): HealthRow => ({ pool: name, entity: 'pool', id: null, problem, level: 'error' }),
  )
  const rows = await Promise.all(
    poolsOf(daemon, pools).map((pool) => health(daemon, pool).catch((error) => blind(pool, error))),
  )
  return [...own, ...rows.flat()]
}

/** A host that cannot be looked at is a finding, not an error. @throws what is not the host's */
function blind(pool: Pool, error: unknown): HealthRow[] {
  if (!(error instanceof HostError)) throw error
  return [{ pool: pool.name, entity: 'host', id: null, problem: oneLine(error.message), level: 'error' }]
}

/** Compares what the log says with what the host shows; changes nothing. */
async function health(daemon: Daemon, pool: Pool): Promise<HealthRow[]> {
  const rows: HealthRow[] = []
  const say = (
    entity: string,
    id: string | null,
    problem: string,
    level: HealthRow['level'] = 'error',
  ): void => {
    rows.push({ pool: pool.name, entity, id, problem, level })
  }
  const { host } = daemon.ports
  if (pool.journal.unavailable !== null) say('log', null, pool.journal.unavailable)
  for (const { stream, seq, why } of pool.journal.fold.quarantined.values())
    say('stream', stream, `quarantined at ${pool.name}:${seq}: ${why}`)
  for (const { name, target, error, failures } of pool.witnesses.rows())
    if (error !== null)
      say('witness', name, `${target} does not take heads: ${error} (${failures} attempts)`, 'warning')
  const facts = await host.zfs.pool(pool.name)
  if (!facts) say('zpool', pool.name, 'not imported in ZFS')
  else if (facts.health !== 'ONLINE') say('zpool', pool.name, `health is ${facts.health}`)
  for (const ct of pool.containers()) {
    const doubt = ct.context.op?.pending?.inDoubt
    if (doubt) say('operation', ct.context.op?.id ?? null, `${ctidOf(ct)} is in doubt: ${doubt}`)
  }
  rows.push(...(await differing(pool)))
  return rows
}

/** What a look at the host shows now, recorded as drift or not. */
async function differing(pool: Pool): Promise<HealthRow[]> {
  const { cts, pool: found } = await pool.drift.look()
  const rows = found.map((finding) => driftHealth(pool, null, finding))
  for (const [ct, findings] of cts) {
    rows.push(...findings.map((finding) => driftHealth(pool, ct, finding)))
    if (ct.context.op || !shouldRun(ct)) continue
    const { state } = await pool.ports.host.lxc.inspect(refOf(pool.name, ct))
    const problem = `is ${state}, and should be ${lifeOf(ct)}`
    if (state === 'stopped')
      rows.push({ pool: pool.name, entity: 'container', id: ctidOf(ct), problem, level: 'error' })
  }
  return rows
}
