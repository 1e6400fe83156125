/** The words that shell completion offers, over all pools. */
import { ctidOf } from '../machines/fold.ts'
import type { Pool } from './pool.ts'

export function namesOf(pools: readonly Pool[]): Readonly<Record<'ct' | 'pool' | 'repo' | 'user', string[]>> {
  const contexts = pools.map((pool) => pool.journal.states.pool().context)
  return {
    ct: pools.flatMap((pool) => pool.containers().map(ctidOf)),
    pool: pools.map((pool) => pool.name),
    repo: [...new Set(contexts.flatMap(({ repositories }) => Object.keys(repositories)))],
    user: [...new Set(contexts.flatMap(({ users }) => Object.keys(users)))],
  }
}
