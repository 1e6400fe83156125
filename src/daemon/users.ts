/**
 * The users of all pools together: the host's passwd and subuid entries are made of them, and their id
 * blocks must not meet, whichever pools are imported at a time.
 */
import type { IdBlock } from '../events/types/config.ts'
import type { DecideView } from '../machines/decide/decision.ts'
import type { Pool } from './pool.ts'
import type { DaemonPorts } from './ports.ts'

const usersOf = (view: DecideView): [string, IdBlock][] =>
  Object.entries(view.pool().context.users).map(([name, { map }]) => [name, map])
const blocksOf = (view: DecideView): IdBlock[] => usersOf(view).map(([, map]) => map)
const overlap = (a: IdBlock, b: IdBlock): boolean =>
  a.first < b.first + b.count && b.first < a.first + a.count

export class HostUsers {
  readonly #ports: DaemonPorts
  readonly #pools: ReadonlyMap<string, Pool>
  #sync: Promise<void> = Promise.resolve()
  /** Id blocks of pools that were exported: kept for their return. */
  readonly #away = new Map<string, IdBlock[]>()

  constructor(ports: DaemonPorts, pools: ReadonlyMap<string, Pool>) {
    this.#ports = ports
    this.#pools = pools
  }

  arrived(pool: string): void {
    this.#away.delete(pool)
  }

  left(pool: Pool): void {
    this.#away.set(pool.name, blocksOf(pool.journal.states))
  }

  /** Id blocks of all pools but this one, as of now and with what is on its way to their logs. */
  foreignBlocks(except: Pool): IdBlock[] {
    const others = [...this.#pools.values()].filter((pool) => pool !== except)
    const away = [...this.#away].flatMap(([name, blocks]) => (name === except.name ? [] : blocks))
    return [...away, ...others.flatMap((pool) => blocksOf(pool.journal.deciding))]
  }

  /** A pool from elsewhere may bring ids that are taken here: its containers run, and the admin is told. */
  shared(pool: Pool): string | null {
    const foreign = this.foreignBlocks(pool)
    const names = usersOf(pool.journal.states)
      .filter(([, map]) => foreign.some((block) => overlap(block, map)))
      .map(([name]) => name)
    return names.length === 0 ? null : `users that share host ids with another pool: ${names.join(', ')}`
  }

  /** The users that the host is to have; those of one pool by other states than its present ones. */
  wantedWith(
    other: string | null,
    states: DecideView | null,
  ): { pool: string; name: string; map: IdBlock }[] {
    return [...this.#pools.values()].flatMap((pool) =>
      usersOf(states !== null && pool.name === other ? states : pool.journal.states).map(([name, map]) => ({
        pool: pool.name,
        name,
        map,
      })),
    )
  }

  /** Brings the host's users in line with all pools. */
  sync(): Promise<void> {
    const sync = async (): Promise<void> => {
      await this.#ports.host.materialise.users(this.wantedWith(null, null))
    }
    this.#sync = this.#sync.then(sync, sync)
    return this.#sync
  }

  /** The same where nobody waits for it: an effect that needs the users tries again. */
  async trySync(): Promise<void> {
    await this.sync().catch((error) =>
      this.#ports.logger.warn({ error: String(error) }, 'the users of the host are not in line'),
    )
  }

  /** What an effect waits for: the users as of the newest change. */
  prepared(): Promise<void> {
    return this.#sync.catch(() => this.sync())
  }
}
