/** Handlers about logs as a whole: are they whole, the ones that were kept elsewhere, and if not? Of which format? */
import { type Anchor, type Broken, brokenText, firstBad, worst } from '../../audit/anchors.ts'
import type { Damage, VerifyReport } from '../../events/log/store.ts'
import type { KeptHead } from '../../rpc/heads.ts'
import type { VerifyRow } from '../../rpc/proof.ts'
import { compareAll } from '../anchors.ts'
import type { Daemon } from '../daemon.ts'
import { invalid, notFound, refused } from '../errors.ts'
import { recoveryPlan } from '../log-recovery.ts'
import type { Pool } from '../pool.ts'
import { quarantineRows, retryQuarantined } from '../quarantine.ts'
import { prune, segmentRows, wouldPrune } from '../segments.ts'
import { formatRow, upgrade } from '../upgrade.ts'
import { asked, type HandlersOf, poolsOf, refuseWhileStopping, waiting } from './context.ts'

type ProofMethods =
  | 'pool.formats'
  | 'pool.upgrade'
  | 'event.verify'
  | 'event.segments'
  | 'event.quarantine'
  | 'event.quarantine-retry'
  | 'event.prunable'
  | 'event.prune'
  | 'event.recovery'
  | 'event.recover'

export function proofHandlers(daemon: Daemon): HandlersOf<ProofMethods> {
  return {
    'pool.formats': async ({ pools }) => poolsOf(daemon, pools).map(formatRow),
    'pool.upgrade': async (params, call) => {
      refuseWhileStopping(daemon)
      const ask = asked(daemon, call, 'pool upgrade', params)
      const { name, meta } = params
      return await daemon.sole(name, () => upgrade(daemon.bus, daemon.pool(name), ask, waiting(call, meta)))
    },
    'event.quarantine': async ({ pools }) => poolsOf(daemon, pools).flatMap(quarantineRows),
    'event.quarantine-retry': async ({ pool: name, stream }) => {
      const pool = daemon.pool(name)
      const found = [...pool.quarantined.keys()].find((id) => id === stream)
      if (!found)
        throw notFound('E_NOT_QUARANTINED', `${stream} is not quarantined (osctl event quarantine ls)`)
      const why = await retryQuarantined(pool, found)
      if (why !== null) throw refused('E_QUARANTINED', `it is quarantined still: ${why}`)
      return { op: null, result: 'done', position: null, warnings: [] }
    },
    'event.segments': async ({ pools }) =>
      (await Promise.all(poolsOf(daemon, pools).map(segmentRows))).flat(),
    'event.prunable': async ({ pool, meta: _meta, ...wanted }) => await wouldPrune(daemon.pool(pool), wanted),
    'event.prune': async (params, call) => {
      refuseWhileStopping(daemon)
      const ask = asked(daemon, call, 'event prune', params)
      return await prune(daemon.bus, daemon.pool(params.pool), params.upTo, ask, waiting(call, params.meta))
    },
    'event.recovery': async ({ pool }) => recoveryPlan(daemon.pool(pool)),
    'event.recover': async (params, call) => {
      refuseWhileStopping(daemon)
      const op = await daemon.recover(params.pool, params.from, asked(daemon, call, 'event recover', params))
      return { op, result: 'done', position: null, warnings: [] }
    },
    'event.verify': async ({ pools: names, full, against }) => {
      const pools = poolsOf(daemon, names)
      if (pools.length > 1 && against?.some(({ guid }) => guid === undefined)) {
        const which = pools.map(({ name }) => name).join(', ')
        throw invalid('E_POOL', `several pools are imported: name the one that the head is of (${which})`)
      }
      if (against && against.length > 0 && !pools.some((pool) => against.some((head) => isOf(pool, head)))) {
        throw invalid('E_HEAD', 'none of the heads is of an imported pool (they are told apart by guid)')
      }
      return await Promise.all(pools.map((pool) => verify(pool, full, against ?? null)))
    },
  }
}

const isOf = (pool: Pool, { guid }: KeptHead): boolean => guid === undefined || guid === pool.guid

async function verify(pool: Pool, full: boolean, heads: readonly KeptHead[] | null): Promise<VerifyRow> {
  const { store, fold } = pool.journal
  const given = (heads ?? []).filter((head) => isOf(pool, head)).map(anchorOf)
  const kept = await pool.found.anchors.kept()
  const report = await store.verify({ full })
  const broken = worst(await compareAll(store, [...kept, ...given]))
  const quarantined = [...fold.quarantined.values()].map(
    ({ stream, seq, why }) => `${stream} is quarantined at ${pool.name}:${seq}: ${why}`,
  )
  return {
    pool: pool.name,
    result: report.damage.length > 0 ? 'damaged' : broken ? broken.is : 'ok',
    head: `${report.head.seq}:${report.head.hash}`,
    events: report.checked,
    segments: report.segments,
    pruned: report.pruned?.last ?? null,
    anchors: kept.length + given.length,
    first_bad: firstOf(report, broken),
    problems: [
      ...report.damage.map((damage) => damageText(pool.name, damage)),
      ...(broken ? [brokenText(broken, report.head)] : []),
      ...quarantined,
    ],
  }
}

const anchorOf = ({ seq, hash, time }: KeptHead): Anchor => ({
  seq,
  hash,
  where: time === undefined ? 'the head given' : `the head kept at ${new Date(time).toISOString()}`,
})

const damageText = (pool: string, { seq, segment, what }: Damage): string =>
  `segment ${segment}${seq === null ? '' : `, ${pool}:${seq}`}: ${what}`

function firstOf({ damage, head }: VerifyReport, broken: Broken | null): number | null {
  const places = damage.flatMap(({ seq }) => (seq === null ? [] : [seq]))
  if (broken) places.push(firstBad(broken, head))
  return places.length === 0 ? null : Math.min(...places)
}
