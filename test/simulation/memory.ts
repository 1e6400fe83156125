/**
 * What an admin saw at some moments, and what `--at` those moments answers afterwards: the same, column by column,
 * but for what is measured and not recorded.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Pool } from '../../src/daemon/pool.ts'
import { LogError } from '../../src/events/log/store.ts'
import type { Random } from './random.ts'
import type { World } from './world.ts'

/** Answered from states at once, so that asking them changes nothing in the life that is looked at. */
const QUESTIONS = [
  'ct.list',
  'ct.list',
  'ct.list',
  'pool.list',
  'user.list',
  'id-range.list',
  'repo.list',
  'trash.list',
  'witness.list',
] as const
type Question = (typeof QUESTIONS)[number]
type Seen = { readonly method: Question; readonly pool: string; readonly seq: number; readonly rows: unknown }

const MEASURED: Partial<Record<Question, readonly string[]>> = {
  'pool.list': ['log', 'health', 'problem'],
  'witness.list': ['state', 'last_head', 'sent_at', 'failures', 'error'],
}
/** Lives make hundreds of moments; this many are remembered of each. */
const MOST = 6

/** Null while its log is on its way to be opened again. */
function headOf({ journal }: Pool): number | null {
  try {
    return journal.head().seq
  } catch (error) {
    if (error instanceof LogError) return null
    throw error
  }
}

export class Memory {
  readonly #world: World
  readonly #chance: Random
  readonly #seen: Seen[] = []
  compared = 0

  constructor(world: World, chance: Random) {
    this.#world = world
    this.#chance = chance
  }

  /** Looks at a pool as it is now, and remembers. */
  async look(): Promise<void> {
    const world = this.#world
    if (!world.isUp || world.daemon.pools.size === 0) return
    const pool = this.#chance.pick([...world.daemon.pools.values()])
    // Between a daemon's start and its first event the log still tells of the boot before.
    if (pool.states.pool().context.bootId !== pool.bootId) return
    const method = this.#chance.pick(QUESTIONS)
    const seq = headOf(pool)
    if (seq === null) return
    const request = await world.call(method, this.#params(method, pool.name))
    if (!request.answered || request.error || !world.isUp || headOf(pool) !== seq) return
    if (this.#seen.length === MOST) this.#seen.splice(this.#chance.below(MOST), 1)
    this.#seen.push({ method, pool: pool.name, seq, rows: structuredClone(request.result) })
  }

  /** Asks again about all of it. @returns answers that differ */
  async recall(): Promise<string[]> {
    const world = this.#world
    const wrong: string[] = []
    for (const { method, pool, seq, rows } of this.#seen) {
      if (!world.isUp || !world.daemon.pools.has(pool)) continue
      const position = `${pool}:${seq}`
      const again = await world.call(method, { ...this.#params(method, pool), at: { position } })
      if (!again.answered) continue
      this.compared += 1
      const then = recorded(method, rows)
      const now = again.error ? null : recorded(method, again.result)
      if (again.error || !isDeepStrictEqual(now, then))
        wrong.push(
          `${method} --at ${position} answers ${JSON.stringify(again.error ?? now)}, then it was ${JSON.stringify(then)}`,
        )
    }
    return wrong
  }

  #params(method: Question, pool: string): { pools: string[] } | { names: string[] } {
    return method === 'pool.list' ? { names: [pool] } : { pools: [pool] }
  }
}

function recorded(method: Question, rows: unknown): unknown {
  const measured = MEASURED[method] ?? []
  return (rows as Record<string, unknown>[]).map((row) =>
    Object.fromEntries(Object.entries(row).filter(([name]) => !measured.includes(name))),
  )
}
