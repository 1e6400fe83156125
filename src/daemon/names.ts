/** The words that shell completion offers, over all pools. */
import type { EventType } from '../events/types/events.ts'
import { ctidOf } from '../machines/fold.ts'
import type { Pool } from './pool.ts'

/** Events after which shell completion offers other names. */
export const RENAMING: readonly EventType[] = [
  'CtCreateRequested',
  'CtUndeleteRequested',
  'TrashRestored',
  'TrashAdded',
  'DriftAdopted',
  'UserDeleted',
  'RepositoryAdded',
  'RepositoryDeleted',
]

export function namesOf(pools: readonly Pool[]): Readonly<Record<'ct' | 'pool' | 'repo' | 'user', string[]>> {
  const contexts = pools.map((pool) => pool.journal.states.pool().context)
  return {
    ct: pools.flatMap((pool) => pool.containers().map(ctidOf)),
    pool: pools.map((pool) => pool.name),
    repo: [...new Set(contexts.flatMap(({ repositories }) => Object.keys(repositories)))],
    user: [...new Set(contexts.flatMap(({ users }) => Object.keys(users)))],
  }
}
