/**
 * The command bus: from a request to its operation's end.
 *
 * Every command goes one way: gather facts (before this), decide and append, answer when the operation has
 * ended, or at once when the caller asked for that. The same idempotency key gives the same operation and
 * the same answer, also after a lost reply. Refusals are facts too, but a client that repeats them cannot
 * grow the log: at most 20 a minute a stream are written, then one sum of the rest (minute-limit.ts).
 */
import { LogError } from '../events/log/store.ts'
import type { StoredEvent } from '../events/types/envelope.ts'
import { type Fact, NOOPS_CODE } from '../events/types/events.ts'
import type { StreamId } from '../events/types/ids.ts'
import type { Draft } from '../machines/advance.ts'
import type { Asked, DecideView, Decision, Refusal } from '../machines/decide/decision.ts'
import type { Accepted } from '../rpc/results.ts'
import { CallError, Unavailable } from './errors.ts'
import type { Committed } from './journal.ts'
import { MinuteLimit } from './minute-limit.ts'
import { planOf } from './plan/plan.ts'
import type { UsersWith } from './plan/rehearse.ts'
import type { Pool } from './pool.ts'
import { quarantineRefusal } from './quarantine.ts'
import { Stalled } from './stalls.ts'

export type Waiting = {
  readonly noWait: boolean
  /** Only a plan is wanted. */
  readonly dryRun?: boolean
  /** Progress of the operation's effects. */
  readonly progress?:
    | ((text: string, done: number | null, total: number | null, op: string) => void)
    | undefined
  /** Told the operation's id as soon as it is committed. */
  readonly accepted?: ((op: string) => void) | undefined
}

export class Bus {
  readonly #limit = new MinuteLimit()
  readonly #users: UsersWith

  /** @param users  the host's users, as a plan would leave them */
  constructor(users: UsersWith) {
    this.#users = users
  }

  /**
   * Runs a command on a pool.
   * @throws CallError: refused, not-found, invalid, failed (with the operation's id), in-doubt, unavailable
   */
  async run(
    pool: Pool,
    asked: Asked,
    decide: (view: DecideView) => Decision,
    waiting: Waiting,
  ): Promise<Accepted> {
    if (waiting.dryRun) return await planOf(pool, asked, decide, this.#users)
    let decision: Decision
    let committed: Committed | null
    try {
      const submission = pool.journal.submit((view) => {
        const made = unlessQuarantined(pool, decide(view))
        const drafts = made.is === 'accepted' ? made.drafts : this.#limited(made, pool)
        return { drafts, extra: made }
      })
      const submitted = await pool.journal.stalls.guard(submission)
      decision = submitted.extra
      committed = submitted.committed
    } catch (error) {
      return await this.#unappended(error, pool, asked, waiting)
    }
    if (decision.is === 'refused') {
      const known = await this.known(pool, asked.key, waiting)
      if (known) return known
      throw callError(decision.refusal)
    }
    const position = committed === null ? null : `${pool.name}:${committed.first}`
    if (decision.is === 'noop') return { op: asked.op, result: 'noop', position, warnings: [] }
    // What needs nothing of the host ends in the commit that began it: there is nothing to wait for.
    const isOver = committed?.finished.some(({ op, result }) => op === asked.op && result === 'done')
    if (isOver) return { op: asked.op, result: 'done', position, warnings: [] }
    return await this.#follow(pool, decision.stream, asked.op, committed?.first ?? 0, waiting)
  }

  /** What changes nothing is written up to the limit; what is beyond is summed up when the minute is over. */
  #limited(decision: Exclude<Decision, { is: 'accepted' }>, pool: Pool): readonly Draft[] {
    const { stream, drafts } = decision
    if (drafts.length === 0) return []
    const code = decision.is === 'refused' ? decision.refusal.code : NOOPS_CODE
    const { clock } = pool.ports
    const verdict = this.#limit.admit(`${pool.name} ${stream}`, code, clock.wall())
    if (verdict === 'drop-first') this.#sumLater(pool, stream)
    return verdict === 'write' ? drafts : []
  }

  #sumLater(pool: Pool, stream: StreamId): void {
    const of = `${pool.name} ${stream}`
    let facts: readonly Fact[] | null = null
    pool.inBackground('the number of refusals could not be recorded', async () => {
      await pool.pause(this.#limit.rest(of, pool.ports.clock.wall()))
      facts ??= this.#limit.sum(of)
      const drafts = facts.map((fact) => ({ stream, fact }))
      await pool.journal.submit(() => ({ drafts, extra: null }))
    })
  }

  async #unappended(error: unknown, pool: Pool, asked: Asked, waiting: Waiting): Promise<Accepted> {
    if (error instanceof Unavailable)
      throw new CallError(
        'unavailable',
        'E_POOL_UNAVAILABLE',
        `pool ${pool.name} takes no changes: ${error.message}`,
      )
    if (error instanceof Stalled) {
      const later = 'whether the command is recorded shows when it answers (osctl history)'
      throw new CallError('in-doubt', 'E_POOL_SUSPENDED', `pool ${pool.name} is ${error.message}; ${later}`)
    }
    if (error instanceof LogError && error.code === 'E_LOG_DUPLICATE' && asked.key !== undefined) {
      const known = await this.known(pool, asked.key, waiting)
      if (known) return known
    }
    if (error instanceof LogError) {
      throw new CallError('unavailable', error.code, `pool ${pool.name} takes no changes: ${error.message}`)
    }
    throw error
  }

  /**
   * The answer to a command that this pool's log already has under its idempotency key; null without one.
   * @throws as `run`
   */
  async known(pool: Pool, key: string | undefined, waiting: Waiting): Promise<Accepted | null> {
    const event = key === undefined ? null : await pool.journal.store.byKey(key)
    if (!event?.op) return null
    const { op, seq, stream, type } = event
    if (type === 'CommandNoop') return { op, result: 'noop', position: `${pool.name}:${seq}`, warnings: [] }
    return await this.#follow(pool, stream, op, seq, waiting)
  }

  /** Takes up an operation that somebody else gave the command for. @throws as `run` */
  async attach(pool: Pool, event: StoredEvent, waiting: Waiting): Promise<Accepted> {
    const { op = event.id, seq, stream, type } = event
    if (type === 'CommandNoop') return { op, result: 'noop', position: `${pool.name}:${seq}`, warnings: [] }
    return await this.#follow(pool, stream, op, seq, waiting)
  }

  async #follow(pool: Pool, stream: StreamId, op: string, seq: number, waiting: Waiting): Promise<Accepted> {
    const position = `${pool.name}:${seq}`
    waiting.accepted?.(op)
    if (waiting.noWait) return { op, result: 'accepted', position, warnings: [] }
    const quiet = waiting.progress
      ? pool.engine.onProgress((from, of, done, total, text) => {
          if (from === stream && of === op) waiting.progress?.(text, done, total, op)
        })
      : () => {}
    try {
      const { result, error } = await pool.ended(op, stream)
      if (result === 'done') return { op, result: 'done', position, warnings: [] }
      const kind = result === 'in doubt' ? 'in-doubt' : 'failed'
      const way = result === 'in doubt' ? ` (in doubt: osctl op show ${op}, then op retry or op resolve)` : ''
      throw new CallError(kind, kind === 'failed' ? 'E_FAILED' : 'E_IN_DOUBT', `${error ?? 'failed'}${way}`, {
        op,
      })
    } finally {
      quiet()
    }
  }
}

/** What cannot be followed is not decided upon. */
function unlessQuarantined(pool: Pool, decision: Decision): Decision {
  const { stream } = decision
  const refusal = quarantineRefusal(pool, stream)
  return refusal ? { is: 'refused', stream, drafts: [], refusal } : decision
}

export function callError({ kind, code, message, text, state, possible }: Refusal): CallError {
  return new CallError(kind, code, text ?? message, {
    ...(state === undefined ? {} : { state }),
    ...(possible === undefined ? {} : { possible: [...possible] }),
  })
}
