/**
 * osctl-replay: a log read without a daemon, on any machine.
 *
 * **What.** The sections of a file, or of a snapshot of a log's dataset, as pools that answer the read-only methods of
 * the protocol by the very functions that the daemon answers them with. States are those at the log's end, or with
 * `--at` those of any moment in it.
 *
 * **Why so.** `osctl replay FILE ct ls` must print what `osctl ct ls` printed, so `osctl` talks to this program over a
 * pipe as it talks to the daemon over a socket. It is a bundle of its own: node:sqlite instead of a native module,
 * nothing of a host, so that it runs wherever Node does.
 *
 * **Invariants.** Nothing is written beside what is read. Every event is verified before it is asked for; what stands
 * behind the first that does not fit is not shown. What is measured on a host is answered as unknown.
 *
 * **A crash** costs the answer.
 */
import { type PastSource, poolAt } from '../audit/past.ts'
import { type Holder, notFound } from '../audit/serve/holder.ts'
import { Moments } from '../audit/serve/moments.ts'
import type { PoolMoment } from '../audit/view.ts'
import { baselineOf, canonical } from '../machines/baseline.ts'
import { ctidOf } from '../machines/fold.ts'
import type { ReplaySummary } from '../rpc/results.ts'
import type { Section } from './file.ts'

const noPause = (): undefined => undefined

export type ArchivedPool = PoolMoment & { readonly section: Section }

export class Archive implements Holder<ArchivedPool> {
  readonly pools: ReadonlyMap<string, ArchivedPool>
  readonly moments: Moments<ArchivedPool>
  /** The file or directory. */
  readonly source: string

  private constructor(source: string, pools: ReadonlyMap<string, ArchivedPool>) {
    this.source = source
    this.pools = pools
    this.moments = new Moments(
      this,
      ({ section }) => sourceOf(section),
      () => noPause,
    )
  }

  static async of(source: string, sections: readonly Section[]): Promise<Archive> {
    const pools = new Map<string, ArchivedPool>()
    for (const section of sections) {
      const { pool } = section.header
      // Two exports of one pool in a file, one behind the other.
      const name = pools.has(pool) ? `${pool}.${pools.size + 1}` : pool
      pools.set(name, { ...(await atEnd(section, name)), section })
    }
    return new Archive(source, pools)
  }

  pool(name: string): ArchivedPool {
    const pool = this.pools.get(name)
    if (pool) return pool
    throw notFound(
      'E_POOL_NOT_FOUND',
      `no pool ${name} in ${this.source} (there are: ${[...this.pools.keys()].join(', ')})`,
    )
  }

  poolOr(name: string | undefined): ArchivedPool {
    return this.pool(name ?? this.pools.keys().next().value ?? '')
  }

  summary(): ReplaySummary[] {
    return [...this.pools.values()].map((pool) => summaryOf(this.source, pool))
  }
}

function sourceOf({ header, log, start }: Section): PastSource {
  const states = [...start].map(([stream, state]) => ({ stream, ver: 0, state }))
  const seq = header.first - 1
  return { log, checkpoint: async (upTo) => (states.length > 0 && seq <= upTo ? { seq, states } : null) }
}

async function atEnd(section: Section, name: string): Promise<PoolMoment> {
  const { header, log } = section
  const facts = { name, guid: header.guid, dataset: header.dataset, directory: header.directory }
  const head = log.head()
  if (log.events === 0)
    throw notFound('E_LOG_EMPTY', `pool ${name}: ${log.fault?.what ?? 'there are no events'}`)
  return { ...(await poolAt(facts, sourceOf(section), head.seq, noPause)), log }
}

function summaryOf(source: string, pool: ArchivedPool): ReplaySummary {
  const { header, log, end } = pool.section
  const cts = [...pool.states.cts()]
  const differing = [...end].filter(([stream, text]) => {
    const state = pool.states.of(stream)
    return !state || canonical(baselineOf(state)) !== text
  })
  return {
    source,
    pool: pool.name,
    guid: header.guid,
    host: header.host,
    container: header.container?.ctid ?? null,
    exported_at: header.exported_at === 0 ? null : header.exported_at,
    osctl: header.versions.osctl,
    simulated: header.simulated,
    events: log.events,
    segments: pool.section.segments ?? log.segments,
    first: log.first,
    head: log.head(),
    spans: log.spans,
    containers: cts.map(ctidOf),
    running: cts.filter(({ context }) => context.run !== null).map(ctidOf),
    chain: log.fault ? 'broken' : log.gaps > 0 ? 'partial' : 'verified',
    first_bad: log.fault && { seq: log.fault.seq, what: log.fault.what },
    gaps: log.gaps,
    proves: header.proves,
    quarantined: [...pool.quarantined.values()].map(({ stream, seq, why }) => `${stream} at ${seq}: ${why}`),
    states: log.fault || end.size === 0 ? null : differing.length === 0 ? 'equal' : 'differ',
    incident: header.incident,
  }
}
