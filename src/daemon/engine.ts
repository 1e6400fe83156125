/**
 * The engine runs intents: an effect at a time for each operation, after the commit of its intent and
 * never before; and gives the outcome back to the journal.
 *
 * A transient failure is tried again after 100 ms, doubling up to 5 s, as often as the kind allows; each
 * attempt is counted in the log. Effects that would meet on the host share a lane and go one after
 * another. An intent that nobody awaits any more (its operation was superseded) is aborted and fenced, and
 * what it then answers is recorded as late and has no consequence.
 *
 * On a crash the engine's memory is gone and nothing is missed: the intents stand in the log.
 */

import { type EffectContext, type EffectKind, isNone } from '../effects/effect.ts'
import { type ContainerSpec, type Fence, HostError } from '../effects/host.ts'
import { LogError } from '../events/log/store.ts'
import type { Fact, FactOf } from '../events/types/events.ts'
import type { StreamId } from '../events/types/ids.ts'
import type { Evidence, FailureClass, IntentKind } from '../events/types/intents.ts'
import type { Requested } from '../machines/advance.ts'
import type { Operation, PendingIntent } from '../machines/operation.ts'
import { oneLine, Unavailable } from './errors.ts'
import type { Journal } from './journal.ts'

import { patiently } from './patience.ts'
import type { DaemonPorts } from './ports.ts'

export type ProgressListener = (
  stream: StreamId,
  op: string,
  done: number | null,
  total: number | null,
  text: string,
) => void

export type EnginePool = {
  readonly name: string
  readonly dataset: string
  readonly directory: string
  spec(stream: StreamId): ContainerSpec
  /** Resolves when the host state that every effect relies on is in place: users and their id maps. */
  prepared(): Promise<void>
}

const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 5000
/** Looks at what a failure left, before it is in doubt. */
const LOOKS = 5

type Running = { readonly stream: StreamId; readonly abort: AbortController; readonly done: Promise<void> }

export class Engine {
  readonly #ports: DaemonPorts
  readonly #journal: Journal
  readonly #pool: EnginePool
  readonly #running = new Map<string, Running>()
  readonly #lanes = new Map<string, Promise<void>>()
  readonly #progress = new Set<ProgressListener>()
  #stopped = false

  constructor(ports: DaemonPorts, journal: Journal, pool: EnginePool) {
    this.#ports = ports
    this.#journal = journal
    this.#pool = pool
  }

  onProgress(listener: ProgressListener): () => void {
    this.#progress.add(listener)
    return () => this.#progress.delete(listener)
  }

  runs(intent: string): boolean {
    return this.#running.has(intent)
  }

  /** Starts an intent whose commit is on disk. Returns at once. */
  start({ stream, wanted }: Requested): void {
    if (this.#stopped || this.#running.has(wanted.intent)) return
    const abort = new AbortController()
    const done = this.#laned(wanted.kind, wanted.args, () => this.#run(stream, wanted.intent, abort.signal))
      .catch((error) =>
        this.#ports.logger.error(
          { intent: wanted.intent, error: String(error) },
          'an effect could not be settled',
        ),
      )
      .finally(() => this.#running.delete(wanted.intent))
    this.#running.set(wanted.intent, { stream, abort, done })
  }

  /** Takes up an intent that the log left open. */
  resume(stream: StreamId, pending: PendingIntent): void {
    const { intent, kind, args } = pending
    this.start({ stream, wanted: { intent, kind, args } as Requested['wanted'] })
  }

  async #laned(kind: IntentKind, args: unknown, run: () => Promise<void>): Promise<void> {
    const lane = this.#kind(kind).lane(args as never)
    if (lane === null) return await run()
    const before = this.#lanes.get(lane) ?? Promise.resolve()
    const mine = before.then(run, run)
    this.#lanes.set(lane, mine)
    try {
      await mine
    } finally {
      if (this.#lanes.get(lane) === mine) this.#lanes.delete(lane)
    }
  }

  #kind<K extends IntentKind>(kind: K): EffectKind<K> {
    return this.#ports.effects[kind] as unknown as EffectKind<K>
  }

  #operation(stream: StreamId): Operation | null {
    return this.#journal.states.of(stream)?.context.op ?? null
  }

  async #run(stream: StreamId, intent: string, signal: AbortSignal): Promise<void> {
    let pause = FIRST_PAUSE_MS
    for (;;) {
      const pending = this.#awaited(stream, intent)
      if (!pending) return
      const why = this.#cancels(stream, pending)
      if (why !== null) {
        const kept = new AbortController().signal
        return await this.#settle(
          stream,
          intent,
          await this.#verified(stream, pending, cancelled(pending, why), kept),
        )
      }
      // The pool may have been let go of in a pause: whoever imports it next settles this.
      if (signal.aborted || this.#stopped) return
      const outcome = await this.#attempt(stream, pending, signal)
      if (this.#stopped) return
      if (outcome.type !== 'EffectFailed') return await this.#settle(stream, intent, outcome)
      // What was cancelled while it ran is settled as such, whatever it said.
      if (this.#cancels(stream, pending) !== null) continue
      const again = outcome.class === 'transient' && pending.attempts < this.#kind(pending.kind).attempts
      if (!again)
        return await this.#settle(stream, intent, await this.#verified(stream, pending, outcome, signal))
      const retried: Fact = {
        type: 'EffectRetried',
        intent,
        attempt: pending.attempts,
        class: 'transient',
        message: outcome.message,
      }
      await this.#settle(stream, intent, retried)
      await this.#ports.clock.sleep(pause, signal).catch(() => {})
      pause = Math.min(pause * 2, LONGEST_PAUSE_MS)
    }
  }

  /** Why an operation goes no further than here; null when it does, or must. */
  #cancels(stream: StreamId, { intent, kind, compensates }: PendingIntent): string | null {
    if (compensates || isNone(this.#kind(kind).cancel)) return null
    const op = this.#operation(stream)
    return op?.id === operationOf(intent) ? (op.cancelled ?? null) : null
  }

  /**
   * The log says that the operation goes no further: what can be stopped while it runs is stopped, else it ends before
   * its next step.
   */
  async cancel({ intent, kind }: PendingIntent, why: string): Promise<void> {
    if (this.#kind(kind).cancel !== 'during') return
    this.#running.get(intent)?.abort.abort(new HostError('E_ABORTED', 'cancelled', why))
    await this.#ports.host.fence(intent).catch(() => 0)
  }

  #awaited(stream: StreamId, intent: string): PendingIntent | null {
    const pending = this.#operation(stream)?.pending ?? null
    return pending?.intent === intent ? pending : null
  }

  /** Runs the effect once and says what became of it. Never throws. */
  async #attempt(stream: StreamId, pending: PendingIntent, signal: AbortSignal): Promise<Fact> {
    const { intent, kind, args, compensates } = pending
    try {
      if (!compensates) await this.#pool.prepared()
      const context = this.context(stream, intent, signal)
      if (compensates) await this.#undo(stream, pending, context)
      const evidence = compensates ? {} : await this.#kind(kind).run(args as never, context)
      return { type: 'EffectSucceeded', intent, kind, evidence: evidence as never, by: 'run' }
    } catch (error) {
      const { failure, message } = classify(error)
      if (compensates && failure !== 'transient')
        return { type: 'EffectInDoubt', intent, why: `cannot be undone: ${message}` }
      return { type: 'EffectFailed', intent, kind, class: failure, message, by: 'run' }
    }
  }

  /**
   * A host may report a failure of what it has done all the same, and a failed start may leave a part of it:
   * before a failure is final, what is there is looked at, as recovery would.
   */
  async #verified(
    stream: StreamId,
    pending: PendingIntent,
    failed: FactOf<'EffectFailed'>,
    signal: AbortSignal,
  ): Promise<Fact> {
    const { intent, kind, args, compensates } = pending
    const { probe, undo, idempotence } = this.#kind(kind)
    if (compensates || isNone(probe)) return failed
    const context = this.context(stream, intent, signal)
    const look = async (): Promise<Fact> => {
      const seen = await probe(args as never, context)
      if (seen.is === 'done')
        return { type: 'EffectSucceeded', intent, kind, evidence: seen.evidence as never, by: 'probe' }
      if (seen.is === 'partial' && idempotence === 'once' && !isNone(undo))
        await undo(args as never, null, context)
      return failed
    }
    try {
      return await patiently(this.#ports.clock, LOOKS, look, {
        signal,
        passes: (error) => error instanceof HostError,
      })
    } catch (error) {
      if (signal.aborted) return failed
      return {
        type: 'EffectInDoubt',
        intent,
        why: `${failed.message}; and what is there cannot be seen: ${classify(error).message}`,
      }
    }
  }

  async #undo(stream: StreamId, pending: PendingIntent, context: EffectContext): Promise<void> {
    const step = this.#operation(stream)?.done.find((done) => done.intent === pending.compensates)
    const { undo } = this.#kind(pending.kind)
    if (isNone(undo)) return
    const undone = { ...context, intent: pending.compensates ?? pending.intent }
    await undo(pending.args as never, (step?.evidence ?? null) as Evidence<IntentKind> as never, undone)
  }

  /**
   * Appends the outcome; when nobody awaits it any more, as a late one. A log that takes no changes now (full,
   * suspended) is asked again until it does: only the next daemon's probe could find out what this one knows.
   */
  async #settle(stream: StreamId, intent: string, outcome: Fact): Promise<void> {
    if (
      outcome.type === 'EffectFailed' &&
      outcome.class === 'transient' &&
      this.#compensates(stream, intent)
    ) {
      outcome = { type: 'EffectInDoubt', intent, why: `cannot be undone: ${outcome.message}` }
    }
    let pause = FIRST_PAUSE_MS
    while (!this.#stopped) {
      try {
        await this.#append(stream, intent, outcome)
        return
      } catch (error) {
        if (!(error instanceof LogError) && !(error instanceof Unavailable)) throw error
        this.#ports.logger.warn({ intent, error: error.message }, 'an outcome could not be recorded yet')
      }
      await this.#ports.clock.sleep(pause)
      pause = Math.min(pause * 2, LONGEST_PAUSE_MS)
    }
  }

  async #append(stream: StreamId, intent: string, outcome: Fact): Promise<void> {
    await this.#journal.submit((view) => {
      const state = stream === 'pool' ? view.pool() : view.ct(stream.slice('ct:'.length))
      const awaited = state.context.op?.pending?.intent === intent
      const fact: Fact = awaited ? outcome : { type: 'EffectLate', intent, outcome: outcome.type }
      return { drafts: [{ stream, fact }], extra: null }
    })
  }

  #compensates(stream: StreamId, intent: string): boolean {
    return this.#awaited(stream, intent)?.compensates != null
  }

  context(stream: StreamId, intent: string, signal: AbortSignal): EffectContext {
    const op = operationOf(intent)
    const fence: Fence = {
      intent,
      signal,
      progress: (done, total, text) => {
        for (const listener of this.#progress) listener(stream, op, done, total, text)
      },
    }
    const { name, dataset, directory } = this.#pool
    return {
      host: this.#ports.host,
      pool: name,
      dataset,
      directory,
      intent,
      fence,
      container: () => this.#pool.spec(stream),
    }
  }

  /** Aborts and fences intents of a stream that its operation does not await any more. */
  async abandon(stream: StreamId): Promise<void> {
    // The next operation may begin while an intent of the last one is fenced: each is looked at in its turn.
    for (const [intent, running] of [...this.#running]) {
      if (running.stream !== stream || this.#awaited(stream, intent)) continue
      running.abort.abort(new HostError('E_ABORTED', 'cancelled', 'superseded'))
      await this.#ports.host.fence(intent).catch(() => 0)
    }
  }

  /** Resolves when no effect runs; for tests and export. */
  async idle(): Promise<void> {
    while (this.#running.size > 0)
      await Promise.all([...this.#running.values()].map((running) => running.done))
  }

  /** The pool leaves the host, and what runs for it ends: whoever imports it next settles that, as after a crash. */
  letGo(): void {
    this.#stopped = true
    const why = new HostError('E_ABORTED', 'cancelled', 'the pool was let go of')
    for (const { abort } of this.#running.values()) abort.abort(why)
  }

  /** The daemon goes: effects on their way go on without it, and recovery finds what became of them. */
  stop(): void {
    this.#stopped = true
  }
}

const operationOf = (intent: string): string => intent.split('.')[0] ?? intent

const cancelled = ({ intent, kind }: PendingIntent, message: string): FactOf<'EffectFailed'> => ({
  type: 'EffectFailed',
  intent,
  kind,
  class: 'cancelled',
  message,
  by: 'run',
})

/** What an error means to the engine; anything that is not a HostError is a defect, and permanent. */
export function classify(error: unknown): { failure: FailureClass; message: string } {
  if (error instanceof HostError) return { failure: error.failure, message: oneLine(error.message) }
  return {
    failure: 'permanent',
    message: `internal error: ${oneLine(error instanceof Error ? error.message : String(error))}`,
  }
}
