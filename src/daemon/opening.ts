/** Opening a pool's log: the store, its cache, and the journal folded from both. */
import { Journal } from './journal.ts'
import { type DaemonPorts, mintOf, type StateCache } from './ports.ts'

/** A journal on the pool's log, folded, and the cache that its folding began with. */
export async function openJournal(
  ports: DaemonPorts,
  pool: string,
  dataset: string,
  create: boolean,
): Promise<{ journal: Journal; cache: StateCache | null }> {
  const store = await ports.openPoolLog(pool, dataset, { create })
  const journal = new Journal(store, mintOf(ports))
  const cache = await ports.openCache(pool, dataset).catch(() => null)
  const opened = await journal
    .open(async (head) => (cache ? await cache.load(head) : null))
    .catch(async (error) => {
      await Promise.all([store.close(), cache?.close()])
      throw error
    })
  for (const { seq, segment, what } of opened.damage) {
    ports.logger.error({ pool, seq, segment }, `the log is damaged: ${what}`)
  }
  for (const note of opened.notes) ports.logger.warn({ pool }, `log: ${note}`)
  return { journal, cache }
}
