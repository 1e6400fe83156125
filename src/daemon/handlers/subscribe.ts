/** Following the log: `monitor`, `history -f`. */

import { conditionsOf, positionOf, streamOfWord, typesOf } from '../../audit/serve/conditions.ts'
import type { EventQuery } from '../../events/types/query.ts'
import type { Daemon } from '../daemon.ts'
import { Subscription } from '../subscription.ts'
import type { HandlersOf } from './context.ts'

export function subscribeHandlers(daemon: Daemon): HandlersOf<'event.subscribe'> {
  return {
    'event.subscribe': async ({ pools, from, after, since, ct, stream, types, ...conditions }, call) => {
      const known = { ...from }
      for (const word of after ?? []) {
        const { pool, seq } = positionOf(daemon, word, pools)
        known[pool.name] = seq
      }
      // A pool that the subscriber has a position of may be about to be imported again.
      for (const name of pools ?? []) if (!(name in known)) daemon.pool(name)
      const colon = ct?.lastIndexOf(':') ?? -1
      const own = ct !== undefined && colon > 0 ? [ct.slice(0, colon)] : undefined
      const query: Omit<EventQuery, 'limit'> = {
        ...conditionsOf(conditions),
        ...(types === undefined ? {} : { types: typesOf(types) }),
        ...(stream === undefined ? {} : { stream: streamOfWord(stream) }),
      }
      const options = {
        pools: own ?? pools ?? null,
        from: known,
        since: since ?? null,
        wanted: { query, ct: ct?.slice(colon + 1) ?? null },
      }
      return { positions: await new Subscription(daemon, options, call).start() }
    },
  }
}
