/**
 * The operation of a container or a pool: one command on its way through its effects.
 *
 * At most one is active (DESIGN D7). It holds at most one pending intent, the steps that are done, in
 * order, for the compensation, and the error that made it turn round. Intents are numbered here.
 */
import { actorName } from '../events/types/actor-name.ts'
import type { FactOf } from '../events/types/events.ts'
import type { IntentKind, IntentRequest } from '../events/types/intents.ts'
import type { Seen, Wanted } from './step.ts'

export type PendingIntent = {
  readonly intent: string
  readonly kind: IntentKind
  readonly args: unknown
  readonly compensates: string | null
  readonly attempts: number
  /** Why recovery could not settle it; null while it is simply under way. */
  readonly inDoubt: string | null
}

export type DoneStep = {
  readonly intent: string
  readonly kind: IntentKind
  readonly args: unknown
  readonly evidence: unknown
}

export type Operation = {
  readonly id: string
  readonly command: string
  readonly startedAt: number
  /** Intents asked for so far. */
  readonly steps: number
  readonly pending: PendingIntent | null
  /** Steps whose work a compensation would undo, oldest first. */
  readonly done: readonly DoneStep[]
  /** Set once a step failed for good. */
  readonly error: string | null
  /** On whose word it is to go no further, since somebody asked for that. */
  readonly cancelled?: string | undefined
}

/** Kinds whose work a failed creation must undo; the rest leave nothing that is not inside these. */
export const COMPENSATED: readonly IntentKind[] = ['dataset.create', 'dataset.clone', 'image.receive']

export function begin(fact: FactOf<'CommandAccepted'> & Seen): Operation {
  return {
    id: fact.meta.op ?? fact.meta.id,
    command: fact.command,
    startedAt: fact.meta.t,
    steps: 0,
    pending: null,
    done: [],
    error: null,
  }
}

/** Who asks first is named; asking again changes nothing. */
export function cancelled(op: Operation | null, fact: FactOf<'CancelRequested'>): Operation | null {
  return op && { ...op, cancelled: op.cancelled ?? `cancelled by ${actorName(fact.actor)}` }
}

/** Gives a request its intent id: `<operation>.<n>`. Staging names are made of it. */
export function want(op: Operation | null, make: (intent: string) => IntentRequest): Wanted {
  if (!op) throw new Error('an intent outside of an operation')
  const intent = `${op.id}.${op.steps + 1}`
  return { ...make(intent), intent }
}

export function intended(op: Operation | null, fact: FactOf<'EffectIntended'>): Operation | null {
  if (!op) return op
  const pending: PendingIntent = {
    intent: fact.intent,
    kind: fact.kind as IntentKind,
    args: fact.args,
    compensates: fact.compensates,
    attempts: 1,
    inDoubt: null,
  }
  return { ...op, steps: op.steps + 1, pending }
}

/** Is this the outcome that the operation waits for? Late and foreign outcomes are not. */
export const isAwaited = (op: Operation | null, fact: Seen): boolean => {
  const pending = op?.pending
  return pending != null && 'intent' in fact && fact.intent === pending.intent
}

export function succeeded(op: Operation | null, fact: FactOf<'EffectSucceeded'>): Operation | null {
  if (!op?.pending) return op
  const { intent, kind, args, compensates } = op.pending
  const done = compensates
    ? op.done.filter((step) => step.intent !== compensates)
    : [...op.done, { intent, kind, args, evidence: fact.evidence }]
  return { ...op, pending: null, done }
}

/**
 * A failed step joins the steps to undo, without evidence: what it left behind is told by its name.
 * A compensation only fails when an admin says so (`op resolve`): its step is then given up.
 */
export function failed(op: Operation | null, fact: FactOf<'EffectFailed'>): Operation | null {
  if (!op?.pending) return op
  const { intent, kind, args, compensates } = op.pending
  const done = compensates
    ? op.done.filter((step) => step.intent !== compensates)
    : [...op.done, { intent, kind, args, evidence: null }]
  return { ...op, pending: null, done, error: op.error ?? fact.message }
}

export function retried(op: Operation | null, fact: FactOf<'EffectRetried'>): Operation | null {
  if (!op?.pending) return op
  return { ...op, pending: { ...op.pending, attempts: fact.attempt + 1 } }
}

export function doubted(op: Operation | null, why: string | null): Operation | null {
  if (!op?.pending) return op
  return { ...op, pending: { ...op.pending, inDoubt: why } }
}

/** The newest step that still has to be undone. */
export function nextToUndo(op: Operation | null): DoneStep | null {
  return op?.done.findLast((step) => COMPENSATED.includes(step.kind)) ?? null
}

/**
 * The region `op` of a machine: idle, working, or in doubt. Both machines have it, with actions and guards of these
 * names; what they do is above.
 */
export const operationRegion = {
  initial: 'idle',
  states: {
    idle: { on: { CommandAccepted: { target: 'working', actions: 'opBegin' } } },
    working: {
      on: {
        CancelRequested: { guard: 'ofThisOp', actions: 'opCancel' },
        EffectIntended: { guard: 'nonePending', actions: 'opIntend' },
        EffectSucceeded: { guard: 'awaited', actions: 'opSucceed' },
        EffectFailed: { guard: 'awaited', actions: 'opFail' },
        EffectRetried: { guard: 'awaited', actions: 'opRetry' },
        EffectResumed: { guard: 'awaited', actions: 'opResume' },
        EffectInDoubt: { guard: 'awaited', target: 'inDoubt', actions: 'opDoubt' },
        OperationFinished: { target: 'idle', actions: 'opEnd' },
      },
    },
    inDoubt: {
      on: {
        CancelRequested: { guard: 'ofThisOp', actions: 'opCancel' },
        EffectResumed: { guard: 'awaited', target: 'working', actions: 'opResume' },
        EffectSucceeded: { guard: 'awaited', target: 'working', actions: 'opSucceed' },
        EffectFailed: { guard: 'awaited', target: 'working', actions: 'opFail' },
        EffectInDoubt: { guard: 'awaited', actions: 'opDoubt' },
        OperationFinished: { target: 'idle', actions: 'opEnd' },
      },
    },
  },
} as const
