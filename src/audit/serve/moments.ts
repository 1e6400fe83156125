/**
 * Pools as they were (src/audit/past.ts): which of them a moment concerns, one fold after the other.
 *
 * Folding goes on in pieces, and gives way to others as `pace` says. What was folded last is remembered: it is often
 * asked about again, in pages or for another column.
 */
import type { LogReader } from '../../events/types/query.ts'
import type { At } from '../../rpc/methods.ts'
import { type Moment, type Pace, type PastSource, poolAt, positionOf } from '../past.ts'
import type { PoolMoment } from '../view.ts'
import { type Holder, invalid, notFound, poolsOf } from './holder.ts'

const RECENT = 2

export class Moments<P extends PoolMoment> {
  readonly #holder: Holder<P>
  readonly #source: (pool: P) => PastSource
  /** A pace of its own for each piece of work. */
  readonly pace: () => Pace
  readonly #recent = new WeakMap<LogReader, readonly PoolMoment[]>()
  #last: Promise<unknown> = Promise.resolve()

  constructor(holder: Holder<P>, source: (pool: P) => PastSource, pace: () => Pace) {
    this.#holder = holder
    this.#source = source
    this.pace = pace
  }

  /**
   * The named pools, or all, at a moment; as they are now without one. A pool whose log began later is left out.
   * @throws RpcError when the position says nothing, or of another pool
   */
  async pools(names: readonly string[] | undefined, at: At | undefined): Promise<PoolMoment[]> {
    if (at === undefined) return poolsOf(this.#holder, names)
    const { pools, moment } = this.#meant(names, at)
    const found: PoolMoment[] = []
    for (const pool of pools) {
      const view = await this.#at(pool, moment)
      if (view) found.push(view)
    }
    return found
  }

  /**
   * Whoever holds the pools, as it was at a moment: with the pools that had a log then.
   * @throws RpcError as `pools`
   */
  async holder(names: readonly string[] | undefined, at: At | undefined): Promise<Holder> {
    if (at === undefined) return this.#holder
    const pools = new Map((await this.pools(names, at)).map((pool) => [pool.name, pool]))
    const found = (pool: PoolMoment | undefined, what: string): PoolMoment => {
      if (pool) return pool
      throw notFound('E_NO_LOG_THEN', `${what} had no log at that time`)
    }
    return {
      pools,
      pool: (name) => found(pools.get(name), `pool ${name}`),
      poolOr: (name) =>
        name === undefined
          ? found(pools.values().next().value, 'no pool')
          : found(pools.get(name), `pool ${name}`),
    }
  }

  /**
   * The named pools at two moments, in the order of their positions; without `to`, the later one is now.
   * `before` is null for a pool whose log began in between.
   */
  async between(
    names: readonly string[] | undefined,
    from: At,
    to: At | undefined,
  ): Promise<{ before: PoolMoment | null; after: PoolMoment }[]> {
    const now = (pool: P): Moment => ({ seq: pool.log.head().seq })
    const { pools, moment } = this.#meant(names, from)
    const end = to === undefined ? null : this.#meant(names, to)
    const common = end === null ? pools : pools.filter((pool) => end.pools.includes(pool))
    if (common.length < pools.length && end?.pools.length === 1 && pools.length === 1)
      throw invalid('E_POSITION', 'the two positions are of different pools')
    const found: { before: PoolMoment | null; after: PoolMoment }[] = []
    for (const pool of common) {
      const one = await this.#at(pool, moment)
      const other = await this.#at(pool, end?.moment ?? now(pool))
      const isForward = (one?.log.head().seq ?? 0) <= (other?.log.head().seq ?? 0)
      const [before, after] = isForward ? [one, other] : [other, one]
      if (after) found.push({ before, after })
    }
    return found
  }

  /** A pool at one of its positions. */
  poolAt(pool: P, seq: number): Promise<PoolMoment> {
    return this.#alone(() => this.#fold(pool, seq))
  }

  #meant(names: readonly string[] | undefined, at: At): { pools: P[]; moment: Moment } {
    const pools = poolsOf(this.#holder, names)
    if ('time' in at) return { pools, moment: at }
    const { name, seq } = parsePosition(at.position, [...this.#holder.pools.keys()])
    const [pool] = name === null ? pools : [this.#holder.pool(name)]
    if (!pool || pools.includes(pool)) return { pools: pool ? [pool] : [], moment: { seq } }
    throw invalid(
      'E_POSITION',
      `${at.position} is a position of pool ${pool.name}, not of ${names?.join(', ')}`,
    )
  }

  async #at(pool: P, moment: Moment): Promise<PoolMoment | null> {
    const seq = await positionOf(pool.name, pool.log, moment)
    return seq === null ? null : await this.poolAt(pool, seq)
  }

  async #fold(pool: P, seq: number): Promise<PoolMoment> {
    const recent = this.#recent.get(pool.log) ?? []
    const known = recent.find((view) => view.log.head().seq === seq)
    if (known) return known
    const view = await poolAt(pool, this.#source(pool), seq, this.pace())
    this.#recent.set(pool.log, [view, ...recent].slice(0, RECENT))
    return view
  }

  async #alone<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#last
    const mine = before.then(work, work)
    this.#last = mine.catch(() => {})
    return await mine
  }
}

/** `SEQ` or `POOL:SEQ`. @throws RpcError when it is neither, or a bare SEQ that several pools have */
export function parsePosition(
  position: string,
  pools: readonly string[],
): { name: string | null; seq: number } {
  const match = /^(?:(.+):)?(\d{1,15})$/.exec(position)
  if (!match) throw invalid('E_POSITION', `not a position: ${position} (POOL:SEQ, or SEQ with one pool)`)
  if (match[1] === undefined && pools.length > 1) {
    const known = pools.join(', ')
    throw invalid('E_POSITION', `several pools are imported: write POOL:${position} (${known})`)
  }
  return { name: match[1] ?? null, seq: Number(match[2]) }
}
