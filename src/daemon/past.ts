/**
 * The daemon's pools as they were (src/audit/past.ts): which of them a moment concerns, and when the folding gives
 * way to others.
 *
 * Folding runs in the daemon's own loop, in pieces: after some milliseconds (pace.ts) the rest waits until everything else had its
 * turn, so that `ping` is answered throughout. One moment is folded at a time; others wait for it. Nothing that is
 * folded here reaches the live machines, the engine or the log.
 *
 * A crash costs the answer.
 */
import { type Moment, type Pace, type PastSource, poolAt, positionOf } from '../audit/past.ts'
import type { PoolMoment } from '../audit/view.ts'
import type { At } from '../rpc/methods.ts'
import { invalid } from './errors.ts'
import { paceOf } from './pace.ts'
import type { Pool } from './pool.ts'
import type { Clock } from './ports.ts'

export class Past {
  readonly #clock: Clock
  readonly #pools: ReadonlyMap<string, Pool>
  readonly #named: (name: string) => Pool
  #last: Promise<unknown> = Promise.resolve()

  /** @param named  the imported pool of a name; throws when there is none */
  constructor(clock: Clock, pools: ReadonlyMap<string, Pool>, named: (name: string) => Pool) {
    this.#clock = clock
    this.#pools = pools
    this.#named = named
  }

  /**
   * The named pools, or all, at a moment; as they are now without one. A pool whose log began later is left out.
   * @throws CallError when the position says nothing, or of another pool
   */
  async pools(names: readonly string[] | undefined, at: At | undefined): Promise<PoolMoment[]> {
    if (at === undefined) return this.#imported(names)
    const { pools, moment } = this.#meant(names, at)
    const found: PoolMoment[] = []
    for (const pool of pools) {
      const view = await this.#alone(() => this.#at(pool, moment))
      if (view) found.push(view)
    }
    return found
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
    const now = (pool: Pool): Moment => ({ seq: pool.log.head().seq })
    const { pools, moment } = this.#meant(names, from)
    const end = to === undefined ? null : this.#meant(names, to)
    const common = end === null ? pools : pools.filter((pool) => end.pools.includes(pool))
    if (common.length < pools.length && end?.pools.length === 1 && pools.length === 1)
      throw invalid('E_POSITION', 'the two positions are of different pools')
    const found: { before: PoolMoment | null; after: PoolMoment }[] = []
    for (const pool of common) {
      const one = await this.#alone(() => this.#at(pool, moment))
      const other = await this.#alone(() => this.#at(pool, end?.moment ?? now(pool)))
      const isForward = (one?.log.head().seq ?? 0) <= (other?.log.head().seq ?? 0)
      const [before, after] = isForward ? [one, other] : [other, one]
      if (after) found.push({ before, after })
    }
    return found
  }

  /** A pace of its own for what goes on with the answers. */
  pace(): Pace {
    return paceOf(this.#clock)
  }

  #imported(names: readonly string[] | undefined): Pool[] {
    return names && names.length > 0 ? names.map(this.#named) : [...this.#pools.values()]
  }

  #meant(names: readonly string[] | undefined, at: At): { pools: Pool[]; moment: Moment } {
    const pools = this.#imported(names)
    if ('time' in at) return { pools, moment: at }
    const { name, seq } = parsePosition(at.position, [...this.#pools.keys()])
    const [pool] = name === null ? pools : [this.#named(name)]
    if (!pool || pools.includes(pool)) return { pools: pool ? [pool] : [], moment: { seq } }
    throw invalid(
      'E_POSITION',
      `${at.position} is a position of pool ${pool.name}, not of ${names?.join(', ')}`,
    )
  }

  async #at(pool: Pool, moment: Moment): Promise<PoolMoment | null> {
    const log = pool.journal.store
    const seq = await positionOf(pool.name, log, moment)
    if (seq === null) return null
    const { checkpoints } = pool
    const source: PastSource = {
      log,
      checkpoint: async (upTo) => (await checkpoints?.load(upTo)) ?? null,
      ...(checkpoints ? { keep: (kept) => checkpoints.keep(kept) } : {}),
    }
    return await poolAt(pool, source, seq, this.pace())
  }

  async #alone<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#last
    const mine = before.then(work, work)
    this.#last = mine.catch(() => {})
    return await mine
  }
}

/** `SEQ` or `POOL:SEQ`. @throws CallError when it is neither, or a bare SEQ that several pools have */
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
