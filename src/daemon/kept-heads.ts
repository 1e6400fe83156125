/**
 * Being a witness: heads of other pools' logs, each kept as an event of a pool's own log. There they are as durable as
 * anything here, in a chain that its own witnesses vouch for, and read by `witness heads`.
 *
 * The other side is not trusted. A head that does not fit the newest one that was kept of its log (it ends earlier, or
 * another event stands there) is kept all the same, since it is what somebody said, and the one who sends it is told:
 * so a rollback of a log is seen by the witness as soon as the next head comes. Twenty a minute are kept of each log.
 *
 * Heads that are kept are no reason to anchor one's own: two hosts that witness each other would never be idle.
 */
import { ask } from '../audit/ask.ts'
import type { Actor } from '../events/types/actor.ts'
import type { StoredEvent } from '../events/types/envelope.ts'
import type { EventData, FactOf } from '../events/types/events.ts'
import type { KeptRow } from '../rpc/proof.ts'
import { refused } from './errors.ts'
import type { Pool } from './pool.ts'

const A_MINUTE = 20
const MINUTE_MS = 60_000
/** Newest heads that are looked through for one of the same log. */
const LOOKED_THROUGH = 10_000
/** Newest heads among which those of one log are searched for. */
const MOST_HEADS = 100_000
/** Logs whose newest head is remembered. */
const MOST_LOGS = 1000

export type OfferedHead = Omit<EventData<'HeadKept'>, 'actor'>
type Newest = { readonly seq: number; readonly hash: string }

export class KeptHeads {
  readonly #newest = new Map<string, Newest | null>()
  readonly #windows = new Map<string, { since: number; count: number }>()

  /**
   * Keeps a head.
   * @returns what is wrong with it in the light of what was kept before; null when nothing is
   * @throws CallError refused: too many; Unavailable
   */
  async keep(pool: Pool, offered: OfferedHead, actor: Actor): Promise<string | null> {
    this.#admit(offered.guid, pool.ports.clock.wall())
    const before = await this.#before(pool, offered.guid)
    const fact: FactOf<'HeadKept'> = { type: 'HeadKept', ...offered, actor }
    await pool.journal.note('log', fact)
    const { seq, hash } = offered
    if (before && seq < before.seq)
      return `its end is lost, or an older copy was put in its place: event ${before.seq} was its head before`
    if (before && seq === before.seq && hash !== before.hash)
      return `it is another log than before: event ${seq} is not the one that stood there`
    this.#remember(`${pool.name} ${offered.guid}`, { seq, hash })
    return null
  }

  #admit(guid: string, now: number): void {
    const window = this.#windows.get(guid)
    if (!window || now - window.since >= MINUTE_MS || now < window.since) {
      if (this.#windows.size >= MOST_LOGS) this.#windows.clear()
      this.#windows.set(guid, { since: now, count: 1 })
      return
    }
    if (window.count >= A_MINUTE)
      throw refused('E_TOO_MANY', `more than ${A_MINUTE} heads of this log came in a minute`)
    window.count += 1
  }

  /** The furthest head that was kept of this log. */
  async #before(pool: Pool, guid: string): Promise<Newest | null> {
    const key = `${pool.name} ${guid}`
    const known = this.#newest.get(key)
    if (known !== undefined) return known
    const heads = await ask(pool.journal.store, { types: ['HeadKept'], reverse: true, limit: LOOKED_THROUGH })
    let newest: Newest | null = null
    for (const { data } of heads) {
      const { guid: of, seq, hash } = data as EventData<'HeadKept'>
      if (of === guid && (newest === null || seq > newest.seq)) newest = { seq, hash }
    }
    this.#remember(key, newest)
    return newest
  }

  #remember(key: string, newest: Newest | null): void {
    if (this.#newest.size >= MOST_LOGS) this.#newest.clear()
    this.#newest.set(key, newest)
  }
}

/** Heads that these pools keep, of all logs or of one (its pool's name or guid): the newest of each, oldest first. */
export async function keptRows(
  pools: readonly Pool[],
  of: string | undefined,
  limit: number,
): Promise<KeptRow[]> {
  const rows: KeptRow[] = []
  for (const pool of pools) {
    const query = {
      types: ['HeadKept'],
      reverse: true,
      limit: of === undefined ? limit : MOST_HEADS,
    } as const
    const found = (await ask(pool.journal.store, query)).map((event) => keptRow(pool.name, event))
    const wanted = found.filter((row) => of === undefined || row.pool === of || row.guid === of)
    rows.push(...wanted.slice(0, limit).reverse())
  }
  return rows
}

function keptRow(keeper: string, { seq: position, t, data }: StoredEvent): KeptRow {
  const { pool, guid, host, seq, hash, time } = data as EventData<'HeadKept'>
  return { keeper, position: `${keeper}:${position}`, kept_at: t, pool, guid, host, seq, hash, time }
}
