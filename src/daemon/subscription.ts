/**
 * A subscription: the events of some pools in one order, without a gap, at the pace of whoever reads them.
 *
 * It is a pump. It runs when a commit is told, when the client has read what it was sent, and when a log has
 * answered, and then gives out what is next as long as that is at hand: of several pools the earliest, by the
 * monotonic clock within a boot, else by the wall clock. It never holds anything that the log does not hold.
 *
 * Pools come and go: one that is imported while the subscription lasts is followed from its opening on, or from the
 * position that the subscriber has of it.
 */
import type { Call } from '../rpc/call.ts'
import { isEarlier } from '../rpc/order.ts'
import type { Daemon, PoolWatcher } from './daemon.ts'
import { Feed, positionAt, positionBeforeOpening, type Wanted } from './feed.ts'
import type { Pool } from './pool.ts'

export type SubscriptionOptions = {
  /** Only these pools; null: all, also those to come. */
  readonly pools: readonly string[] | null
  /** Position after which each pool's events are wanted. */
  readonly from: Readonly<Record<string, number>>
  /** For pools without a position: events from this time on, ms since the epoch; null: from now on. */
  readonly since: number | null
  readonly wanted: Wanted
}

export class Subscription {
  readonly #daemon: Daemon
  readonly #options: SubscriptionOptions
  readonly #call: Call
  readonly #feeds = new Map<string, Feed>()
  readonly #positions: Record<string, number>
  #isWaiting = false

  constructor(daemon: Daemon, options: SubscriptionOptions, call: Call) {
    this.#daemon = daemon
    this.#options = options
    this.#call = call
    this.#positions = { ...options.from }
  }

  /** @returns the position of each pool that it begins after */
  async start(): Promise<Record<string, number>> {
    const { since } = this.#options
    const pools = [...this.#daemon.pools.values()].filter((pool) => this.#isWanted(pool))
    const told: PoolWatcher = (pool, is) => (is === 'there' ? this.#arrived(pool) : this.#left(pool))
    this.#daemon.watchers.add(told)
    this.#call.signal.addEventListener('abort', () => {
      this.#daemon.watchers.delete(told)
      for (const feed of this.#feeds.values()) feed.close()
      this.#feeds.clear()
    })
    for (const pool of pools) {
      const now = pool.journal.fold.seq
      this.#join(pool, this.#positions[pool.name] ?? (since === null ? now : await positionAt(pool, since)))
    }
    const positions = Object.fromEntries([...this.#feeds].map(([name, { position }]) => [name, position]))
    this.#pump()
    return positions
  }

  #isWanted({ name }: Pool): boolean {
    return this.#options.pools?.includes(name) ?? true
  }

  #join(pool: Pool, position: number): void {
    if (this.#call.signal.aborted) return
    const feed = new Feed(pool, position, this.#options.wanted, () => this.#pump())
    this.#feeds.set(pool.name, feed)
  }

  #arrived(pool: Pool): void {
    if (!this.#isWanted(pool)) return
    pool.inBackground('a pool could not be followed', async () => {
      const opening = await positionBeforeOpening(pool)
      this.#join(pool, this.#feeds.get(pool.name)?.position ?? this.#positions[pool.name] ?? opening)
      this.#pump()
    })
  }

  #left({ name }: Pool): void {
    this.#feeds.get(name)?.close()
    this.#pump()
  }

  /** Gives out what is at hand. Waits for one thing at a time: the client, or a log. */
  #pump(): void {
    while (!this.#isWaiting && !this.#call.signal.aborted) {
      if (this.#call.isFull) return this.#after(this.#call.drained(), null)
      const behind = [...this.#feeds.values()].find((feed) => feed.isBehind)
      if (behind) return this.#after(behind.read(), behind)
      const feed = this.#earliest()
      const item = feed?.peek()
      if (!feed || !item) return this.#forgetOver()
      feed.take()
      this.#call.notify(
        item.state === undefined ? { event: item.row } : { event: item.row, state: item.state },
      )
    }
  }

  /** Whoever was slower than a pool that has gone goes on where it was when the pool is back. */
  #forgetOver(): void {
    for (const [name, feed] of this.#feeds) {
      if (!feed.isOver) continue
      this.#positions[name] = feed.position
      this.#feeds.delete(name)
    }
  }

  #earliest(): Feed | null {
    let [earliest, first] = [null as Feed | null, null as ReturnType<Feed['peek']>]
    for (const feed of this.#feeds.values()) {
      const item = feed.peek()
      if (item && (first === null || isEarlier(item.row, first.row))) [earliest, first] = [feed, item]
    }
    return earliest
  }

  /** @param of  whose log is read */
  #after(wait: Promise<void>, of: Feed | null): void {
    this.#isWaiting = true
    const goOn = (): void => {
      this.#isWaiting = false
      this.#pump()
    }
    wait.then(goOn, (error: unknown) => {
      // A log that is closed in the middle of an answer went with its pool; any other must not be passed over.
      if (of?.isOver) return goOn()
      this.#call.end(`the log cannot be read: ${error instanceof Error ? error.message : String(error)}`)
    })
  }
}
