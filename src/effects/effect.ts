/**
 * The hands. An effect is one thing done to the host for one intent of the log.
 *
 * Every kind has the six parts of DESIGN D3; the table of kinds is typed so that a missing part does not
 * compile. The order around a crash: the intent is committed before `run` is called; the outcome is
 * committed after it returned. So a crash leaves an intent without outcome, and recovery then fences the
 * intent's cgroup, calls `probe`, and settles it: done with evidence, not started (run it), partial (run
 * it again where the kind says it can, else undo), unknown (in doubt, the admin decides).
 *
 * Invariants: `probe` changes nothing; `undo` removes only what this very intent made, told by its name
 * and recorded guid; `run` twice equals `run` once, or the kind's idempotence class says why not.
 */
import type { Evidence, IntentArgs, IntentKind } from '../events/types/intents.ts'
import type { ContainerSpec, Fence, Host } from './host.ts'

/** What a pool lends to an effect: names, and the container's present wanted state. */
export type EffectContext = {
  readonly host: Host
  readonly pool: string
  /** Full name of `<ds>`. */
  readonly dataset: string
  /** Mount point of `<ds>`. */
  readonly directory: string
  readonly intent: string
  readonly fence: Fence
  /** Wanted state of the container that the intent is about; throws for intents of the pool. */
  readonly container: () => ContainerSpec
}

export type Probe<K extends IntentKind> =
  | { is: 'done'; evidence: Evidence<K> }
  | { is: 'not-started' }
  | { is: 'partial'; what: string }
  | { is: 'unknown'; why: string }

/** A part that a kind does not have, and why that is right. */
export type None = { readonly none: string }
export const none = (why: string): None => ({ none: why })
export const isNone = (part: unknown): part is None =>
  typeof part === 'object' && part !== null && 'none' in part

/**
 * idempotent: run may be repeated as it is.
 * restart: run removes its own partial work first, so it may be repeated.
 * once: run must not be repeated unless the probe said not-started.
 */
export type Idempotence = 'idempotent' | 'restart' | 'once'

/** Evidence in which words in angle brackets stand for what is known only afterwards. */
export type Assumed<K extends IntentKind> = {
  readonly [F in keyof Evidence<K>]: Evidence<K>[F] | `<${string}>`
}

export type EffectKind<K extends IntentKind> = {
  readonly kind: K
  readonly idempotence: Idempotence
  run(args: IntentArgs<K>, context: EffectContext): Promise<Evidence<K>>
  readonly probe: ((args: IntentArgs<K>, context: EffectContext) => Promise<Probe<K>>) | None
  /** Undoes what the intent made; `evidence` null when it failed or its outcome is unknown. Idempotent. */
  readonly undo:
    | ((args: IntentArgs<K>, evidence: Evidence<K> | null, context: EffectContext) => Promise<void>)
    | None
  /** The outcome that a plan may expect; `<guid of step n>` stands for what is known only afterwards. */
  assume(args: IntentArgs<K>): Assumed<K>
  /** Another outcome after which other steps follow; absent where there is none. */
  otherwise?(args: IntentArgs<K>): { when: string; evidence: Assumed<K> } | null
  /**
   * Until when `op cancel` may stop it: before it has begun, or also while it runs (its processes are then killed, and
   * what it made is undone as after a failure). None: once it is asked for it must end by itself.
   */
  readonly cancel: 'before' | 'during' | None
  /** Attempts before a transient failure becomes final. */
  readonly attempts: number
  /** Effects with an equal key run one after another; null when they never meet. */
  lane(args: IntentArgs<K>): string | null
}

export type EffectTable = { readonly [K in IntentKind]: EffectKind<K> }
