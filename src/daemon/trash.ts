/**
 * Emptying the trash: entries older than seven days, sooner when the pool runs out of space (the oldest
 * first, until a tenth is free), never more often than hourly, and by the guid that was recorded when the
 * container was deleted. `trash-bin prune` empties it at once.
 */

import type { Asked } from '../machines/decide/decision.ts'
import { decidePool } from '../machines/decide/pool.ts'
import { lifeOf } from '../machines/life.ts'
import { TRASH_AGE_MS, type TrashEntry } from '../machines/pool/context.ts'
import type { Bus } from './bus.ts'
import type { Pool } from './pool.ts'
import type { DaemonPorts } from './ports.ts'

const ROUND_MS = 3600 * 1000
const FREE_SHARE = 0.1
/** Under pressure this many of the oldest go in a round. */
const PRESSURE_BATCH = 4

/** Entries to destroy now, and why. @pure */
export function due(
  trash: Readonly<Record<string, TrashEntry>>,
  now: number,
  space: { freeBytes: number; sizeBytes: number } | null,
): { names: string[]; why: 'age' | 'space' } {
  const oldest = Object.entries(trash).sort(([, a], [, b]) => a.trashedAt - b.trashedAt)
  const aged = oldest.filter(([, entry]) => now - entry.trashedAt >= TRASH_AGE_MS).map(([name]) => name)
  if (aged.length > 0 || !space || space.sizeBytes === 0) return { names: aged, why: 'age' }
  if (space.freeBytes / space.sizeBytes >= FREE_SHARE) return { names: [], why: 'age' }
  return { names: oldest.slice(0, PRESSURE_BATCH).map(([name]) => name), why: 'space' }
}

/** What the emptying needs of the daemon. */
type Owner = {
  readonly ports: DaemonPorts
  readonly pools: ReadonlyMap<string, Pool>
  readonly bus: Bus
  asked(actor: 'trash', command: string, args: Record<string, unknown>): Asked
}

export class Trash {
  readonly #daemon: Owner
  readonly #abort = new AbortController()

  constructor(daemon: Owner) {
    this.#daemon = daemon
  }

  start(): void {
    void this.#rounds()
  }

  stop(): void {
    this.#abort.abort()
  }

  async #rounds(): Promise<void> {
    const { clock, logger } = this.#daemon.ports
    for (;;) {
      try {
        await clock.sleep(ROUND_MS, this.#abort.signal)
      } catch {
        return
      }
      for (const pool of this.#daemon.pools.values()) {
        await this.round(pool).catch((error) =>
          logger.warn({ pool: pool.name, error: String(error) }, 'the trash was not emptied'),
        )
      }
    }
  }

  /** One look at one pool's trash. */
  async round(pool: Pool): Promise<void> {
    const state = pool.journal.states.pool()
    if (lifeOf(state) !== 'active' || state.context.op || Object.keys(state.context.trash).length === 0)
      return
    const { host, clock } = this.#daemon.ports
    const { names, why } = due(state.context.trash, clock.wall(), await host.zfs.pool(pool.name))
    if (names.length === 0) return
    const asked = this.#daemon.asked('trash', 'trash-bin prune', { pool: pool.name })
    const command = { type: 'trash.prune', names, why } as const
    await this.#daemon.bus.run(pool, asked, (view) => decidePool(view, command, asked), { noWait: false })
  }
}
