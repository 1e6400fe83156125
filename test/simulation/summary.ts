/** What an admin would compare: the state of a pool in words, without ids, times and pids. */
import type { Pool } from '../../src/daemon/pool.ts'
import { canonical } from '../../src/machines/baseline.ts'
import type { CtState } from '../../src/machines/container/machine.ts'
import { lifeOf } from '../../src/machines/life.ts'
import type { World } from './world.ts'

export type Summary = {
  readonly pools: Readonly<
    Record<string, { containers: Record<string, CtSummary>; trash: string[]; format: number }>
  >
}
type CtSummary = {
  life: string
  settings: unknown
  published: boolean
  user: string | undefined
  files: number | null
}

const sorted = (names: readonly string[]): string[] => [...names].sort()

function summaryOf(world: World, pool: Pool): Summary['pools'][string] {
  const { states } = pool.journal
  const containers: Record<string, CtSummary> = {}
  for (const ct of states.cts()) containers[ct.context.identity?.ctid ?? ''] = container(world, pool, ct)
  const trash = sorted(Object.values(states.pool().context.trash).map(({ ctid }) => ctid))
  return { containers, trash, format: pool.journal.format.number }
}

function container(world: World, pool: Pool, ct: CtState): CtSummary {
  const { identity, settings, dataset } = ct.context
  const files = world.machine.state.datasets[`${pool.dataset}/ct/${identity?.ctid}`]?.files
  return {
    life: lifeOf(ct),
    settings,
    published: dataset !== null,
    user: identity?.user,
    files: files ? Object.keys(files).length : null,
  }
}

export function summary(world: World): Summary {
  const pools = [...world.daemon.pools.values()]
  return { pools: Object.fromEntries(pools.map((pool) => [pool.name, summaryOf(world, pool)])) }
}

/** The same after the host died: what ran without autostart is stopped, what has autostart runs. */
export function afterPowerCut(before: Summary, except: readonly string[] = []): Summary {
  const after = structuredClone(before)
  for (const { containers } of Object.values(after.pools)) {
    for (const [ctid, ct] of Object.entries(containers)) {
      if (except.includes(ctid)) continue
      const { autostart } = ct.settings as { autostart: unknown }
      if (autostart !== null) ct.life = 'running'
      else if (ct.life !== 'stopped') ct.life = 'stopped'
    }
  }
  return after
}

export const textOf = (value: Summary): string => canonical(value)
