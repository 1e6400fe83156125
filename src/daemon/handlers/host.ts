/** Handlers about the daemon and its host: ping, status, healthcheck, debug, shutdown. */

import { HostError } from '../../effects/host.ts'
import { ctidOf, streamOfCt } from '../../machines/fold.ts'
import { exists, lifeOf } from '../../machines/life.ts'
import { mermaid } from '../../machines/mermaid.ts'
import { PROTOCOL } from '../../rpc/protocol.ts'
import type { HealthRow, Status } from '../../rpc/results.ts'
import type { Daemon } from '../daemon.ts'
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
    status: async () => statusOf(daemon, pid),
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
  const datasets = new Map((await host.zfs.list(pool.dataset)).map((dataset) => [dataset.name, dataset]))
  const depth = pool.dataset.split('/').length + 2
  const known = new Set(pool.containers().map((ct) => `${pool.dataset}/ct/${ctidOf(ct)}`))
  for (const name of datasets.keys()) {
    if (name.startsWith(`${pool.dataset}/ct/`) && !known.has(name.split('/').slice(0, depth).join('/')))
      say('dataset', name, 'belongs to no container of the log', 'warning')
  }
  for (const ct of pool.containers()) {
    if (!exists(ct) || ['creating', 'undeleting'].includes(lifeOf(ct))) continue
    const ctid = ctidOf(ct)
    const dataset = datasets.get(`${pool.dataset}/ct/${ctid}`)
    if (!dataset) say('container', ctid, 'its dataset is missing')
    else if (dataset.guid !== ct.context.dataset)
      say('container', ctid, `its dataset is another one (guid ${dataset.guid}, not ${ct.context.dataset})`)
    const doubt = ct.context.op?.pending?.inDoubt
    if (doubt) say('operation', ct.context.op?.id ?? null, `${ctid} is in doubt: ${doubt}`)
    if (ct.context.op) continue
    const seen = await host.lxc.inspect(refOf(pool.name, ct))
    const runs = seen.state !== 'stopped'
    if (runs !== shouldRun(ct)) say('container', ctid, `is ${seen.state}, and should be ${lifeOf(ct)}`)
    if (pool.journal.fold.quarantined.has(streamOfCt(ct))) continue
  }
  return rows
}
