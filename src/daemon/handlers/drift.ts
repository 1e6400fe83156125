/** Handlers of `drift …`. */
import type { Attribution } from '../../audit/attribution.ts'
import { driftRows } from '../../audit/drift-rows.ts'
import { zfsChangeRows } from '../../audit/zfs-change-rows.ts'
import { decideDrift } from '../../machines/decide/drift.ts'
import type { Call } from '../../rpc/call.ts'
import type { DriftRow } from '../../rpc/host-rows.ts'
import type { MethodParams } from '../../rpc/methods.ts'
import type { Accepted } from '../../rpc/results.ts'
import type { Daemon } from '../daemon.ts'
import { CallError, invalid, notFound } from '../errors.ts'
import type { Pool } from '../pool.ts'
import { asked, type HandlersOf, poolsOf, refuseWhileStopping, waiting } from './context.ts'

type Methods = 'drift.scan' | 'drift.changes' | 'drift.adopt' | 'drift.repair'

export function driftHandlers(daemon: Daemon): HandlersOf<Methods> {
  const settle =
    (type: 'drift.adopt' | 'drift.repair') => (params: MethodParams<'drift.adopt'>, call: Call) =>
      settled(daemon, type, params, call)
  return {
    'drift.scan': async ({ pools }) => {
      const wanted = poolsOf(daemon, pools)
      await Promise.all(wanted.map((pool) => pool.drift.scan()))
      return wanted.flatMap(driftRows)
    },
    'drift.changes': async ({ pools, since, all }) => {
      const found = await Promise.all(
        poolsOf(daemon, pools).map(async (pool) => zfsChangeRows(pool.name, await attribution(pool), all)),
      )
      return found.flat().filter(({ time }) => since === undefined || time >= since)
    },
    'drift.adopt': settle('drift.adopt'),
    'drift.repair': settle('drift.repair'),
  }
}

/** @throws CallError unavailable, HostError */
async function attribution({ name, dataset, log, journal, drift }: Pool): Promise<Attribution> {
  // ZFS would answer when the disk does.
  if (journal.unavailable?.startsWith('suspended'))
    throw new CallError('unavailable', 'E_POOL_UNAVAILABLE', `pool ${name} is ${journal.unavailable}`)
  return await drift.diary.attributed(dataset, log)
}

async function settled(
  daemon: Daemon,
  type: 'drift.adopt' | 'drift.repair',
  params: MethodParams<'drift.adopt'>,
  call: Call,
): Promise<Accepted> {
  refuseWhileStopping(daemon)
  const found = named(daemon, params.id)
  if (!found) {
    // It may be settled by now, by this very command.
    for (const pool of daemon.pools.values()) {
      const known = await daemon.bus.known(pool, params.meta?.key, waiting(call, params.meta))
      if (known) return known
    }
    throw notFound('E_DRIFT_NOT_FOUND', `no such drift: ${params.id} (osctl drift ls shows what there is)`)
  }
  const { pool, row } = found
  // What was noticed may be another matter by now; a plan records nothing.
  if (!params.meta?.dryRun) await pool.drift.scan()
  const now = driftRows(pool).find(({ stream, id }) => stream === row.stream && id === row.id)
  if (!now) throw notFound('E_DRIFT_GONE', `${row.id} is as the log says again: there is nothing to settle`)
  const name = now.stream === 'pool' ? poolDrift(pool, now) : now.kind
  const ask = asked(daemon, call, type.replace('.', ' '), params)
  const command = { type, stream: now.stream, drift: name } as const
  return await daemon.bus.run(
    pool,
    ask,
    (view) => decideDrift(view, command, ask),
    waiting(call, params.meta),
  )
}

/** The name of a pool's drift in its stream: its id without what is in front of it. */
function poolDrift(pool: Pool, { id }: DriftRow): string {
  const names = Object.keys(pool.states.pool().context.drift ?? {})
  return names.find((name) => id.endsWith(`/${name}`)) ?? ''
}

/** `ID`, or `POOL:ID`; null when there is none. @throws CallError invalid */
function named(daemon: Daemon, what: string): { pool: Pool; row: DriftRow } | null {
  const found = [...daemon.pools.values()].flatMap((pool) =>
    driftRows(pool)
      .filter(({ id }) => what === id || what === `${pool.name}:${id}`)
      .map((row) => ({ pool, row })),
  )
  const [first, ...others] = found
  if (!first) return null
  if (others.length > 0) {
    const names = found.map(({ pool, row }) => `${pool.name}:${row.id}`)
    throw invalid('E_DRIFT_AMBIGUOUS', `several pools have it: write ${names.join(' or ')}`)
  }
  return first
}
