/**
 * Opening a pool's log: the store, its cache, and the journal folded from both; then the log is compared with the
 * heads that were kept of it. One that does not fit is read and not written: what it says may not be what happened,
 * and whatever were appended to it would bury the trace (DESIGN D16).
 */
import { type Broken, brokenText, worst } from '../audit/anchors.ts'
import type { Host, UsedElsewhere } from '../effects/host.ts'
import type { OpenedLog } from '../events/log/store.ts'
import type { CtState } from '../machines/container/machine.ts'
import type { Asked } from '../machines/decide/decision.ts'
import { Anchors } from './anchors.ts'
import { openedFrom } from './elsewhere.ts'
import { Journal } from './journal.ts'
import { type DaemonPorts, formatsOf, mintOf, type StateCache } from './ports.ts'
import { openingDrafts, type Previous, previousOf } from './session.ts'

export type OpenPoolLog = {
  readonly journal: Journal
  readonly cache: StateCache | null
  readonly anchors: Anchors
  /** What opening it said. */
  readonly opened: OpenedLog
  /** Anchors that it does not fit. */
  readonly broken: readonly Broken[]
}

/** A journal on the pool's log, folded, and the cache that its folding began with. */
export async function openJournal(
  ports: DaemonPorts,
  pool: string,
  dataset: string,
  create: boolean,
): Promise<OpenPoolLog> {
  const store = await ports.openPoolLog(pool, dataset, { create })
  const journal = new Journal(store, mintOf(ports), formatsOf(ports))
  const cache = await ports.openCache(pool, dataset).catch(() => null)
  const opened = await journal
    .open(async (head) => (cache ? await cache.load(head.seq) : null))
    .catch(async (error) => {
      await Promise.all([store.close(), cache?.close()])
      throw error
    })
  for (const { seq, segment, what } of opened.damage) {
    ports.logger.error({ pool, seq, segment }, `the log is damaged: ${what}`)
  }
  for (const note of opened.notes) ports.logger.warn({ pool }, `log: ${note}`)
  const anchors = new Anchors(ports, dataset)
  try {
    const broken = await anchors.compare(store)
    const why = distrust(opened, broken)
    if (why !== null) {
      journal.distrust(`${why}; osctl event recover ${pool} goes on without what is lost`)
      ports.logger.error({ pool }, `the log is read-only: ${why}`)
    }
    return { journal, cache, anchors, opened, broken }
  } catch (error) {
    await Promise.all([journal.close(), cache?.close()])
    throw error
  }
}

/**
 * Appends that the pool is open for commands.
 * @param taken  the host that it was taken from by force just now
 * @returns how the session before this one ended
 */
export async function appendOpened(
  pool: { readonly name: string; readonly dataset: string; readonly journal: Journal },
  host: Host,
  asked: Asked,
  taken: UsedElsewhere | null,
): Promise<Previous> {
  const { journal } = pool
  const bootId = host.bootId()
  const previous = previousOf(journal.states.pool(), bootId)
  const from = await openedFrom(journal.store, host, taken)
  await journal.submit((view) => ({
    drafts: openingDrafts(view, pool, { bootId, previous, from }, asked),
    extra: null,
  }))
  return previous
}

/**
 * Opens a log whose disk was away when the outcome of a commit had to be looked up, and looks at what happened
 * meanwhile. Idempotent.
 * @throws Unavailable while the disk is away, HostError
 */
export async function openedAgain(pool: {
  readonly journal: Journal
  lookForNews(ct: CtState): Promise<void>
}): Promise<void> {
  await pool.journal.reopen()
  for (const ct of [...pool.journal.states.cts()]) if (!ct.context.op) await pool.lookForNews(ct)
}

/** Why a log is not to be written, when that is something to recover from. */
function distrust({ readOnly, damage, head }: OpenedLog, broken: readonly Broken[]): string | null {
  if (readOnly !== null) return damage.length > 0 ? readOnly : null
  const is = worst(broken)
  return is && brokenText(is, head)
}
