/**
 * Answers from the log: rows, histories, operations, as an admin reads them.
 *
 * **What.** Pure functions over states (`PoolView`) and over events (`LogReader`). They do not know whether the states
 * are today's or those of last Tuesday, nor whether the log is the open one of a pool or a file on another machine:
 * the daemon asks them, and so does `osctl-replay`.
 *
 * **Why so.** An answer about the past must be what the same command would have printed then, so there must be one
 * place that makes it.
 *
 * **Invariants.** Nothing here changes anything, and nothing is asked of a host. What can only be measured (pids of
 * helpers, bytes used) is not in a row of this folder; whoever can measure it adds it.
 *
 * **A crash** costs the answer.
 */
import type { StreamId } from '../events/types/ids.ts'
import type { LogReader } from '../events/types/query.ts'
import type { Quarantine, States } from '../machines/fold.ts'

/** One pool at one moment. */
export type PoolView = {
  readonly name: string
  readonly guid: string | null
  /** Full name of `<ds>`. */
  readonly dataset: string
  /** Where `<ds>` is mounted. */
  readonly directory: string
  /** Of the host that had the pool at that moment. */
  readonly bootId: string
  readonly states: States
  readonly quarantined: ReadonlyMap<StreamId, Quarantine>
}

/** A pool at a moment, and its log up to then. */
export type PoolMoment = PoolView & { readonly log: LogReader }

/** The ctid of a container of this view, by its own id; null when the view does not know it. */
export const ctidIn = (pool: Pick<PoolView, 'states'>, id: string): string | null =>
  pool.states.ct(id).context.identity?.ctid ?? null
