/**
 * Deciding: what a command becomes, given the present states. Pure; every fact from outside (a free id
 * block's rivals, an image's index entry, a new ULID) was gathered beforehand and is in the command.
 *
 * The outcome is one of three: facts to append, nothing to do (success), or a refusal. Refusals carry the
 * reference's text first, then the state and the commands that it allows, on the same line.
 */
import type { Actor } from '../../events/types/actor.ts'
import type { Fact } from '../../events/types/events.ts'
import { ctStream, type StreamId } from '../../events/types/ids.ts'
import type { CtState } from '../container/machine.ts'
import type { Draft, View } from '../draft.ts'
import { exists, lifeOf, phaseOf } from '../life.ts'
import type { PoolState } from '../pool/machine.ts'
import { handles, type Seen } from '../step.ts'

/** Who asks, what was typed, and the id that the operation will have. */
export type Asked = {
  readonly op: string
  readonly actor: Actor
  readonly cli: string | null
  readonly key: string | undefined
  readonly command: string
  /** The parsed parameters, secrets masked. */
  readonly args: Record<string, unknown>
  /** The event that made the daemon ask. */
  readonly by?: string | undefined
}

export type Refusal = {
  readonly code: string
  readonly kind: 'refused' | 'not-found' | 'invalid'
  /** For the log: the text with the state that refused. */
  readonly message: string
  /** The reference's text alone, where `message` says more. */
  readonly text?: string
  readonly state?: string
  readonly possible?: readonly string[]
}

export type Decision =
  | { readonly is: 'accepted'; readonly stream: StreamId; readonly drafts: readonly Draft[] }
  | {
      readonly is: 'noop'
      readonly stream: StreamId
      readonly drafts: readonly Draft[]
      readonly why: string
    }
  | {
      readonly is: 'refused'
      readonly stream: StreamId
      readonly drafts: readonly Draft[]
      readonly refusal: Refusal
    }

export type DecideView = View & { byCtid(ctid: string): CtState | undefined }

const commandData = ({ command, args, actor, cli }: Asked) => ({ command, args: args as never, actor, cli })

const because = ({ by }: Asked): { by?: string } => (by === undefined ? {} : { by })

export function accept(stream: StreamId, asked: Asked, facts: readonly (Fact | Draft)[]): Decision {
  const command: Draft = {
    stream,
    fact: { type: 'CommandAccepted', ...commandData(asked) },
    id: asked.op,
    op: asked.op,
    key: asked.key,
    ...because(asked),
  }
  const drafts = facts.map(
    (fact): Draft => ({ op: asked.op, by: asked.op, ...('stream' in fact ? fact : { stream, fact }) }),
  )
  return { is: 'accepted', stream, drafts: [command, ...drafts] }
}

export function noop(stream: StreamId, asked: Asked, why: string): Decision {
  const draft: Draft = {
    stream,
    id: asked.op,
    op: asked.op,
    key: asked.key,
    ...because(asked),
    fact: { type: 'CommandNoop', ...commandData(asked), why },
  }
  return { is: 'noop', stream, drafts: [draft], why }
}

export function refuse(stream: StreamId, asked: Asked, refusal: Refusal): Decision {
  const { code, message } = refusal
  const draft: Draft = {
    stream,
    id: asked.op,
    op: asked.op,
    ...because(asked),
    fact: { type: 'CommandRefused', ...commandData(asked), code, message },
  }
  return { is: 'refused', stream, drafts: [draft], refusal }
}

/** Commands as an admin types them, with a fact that each needs to be legal. */
const CT_COMMANDS: readonly [string, Fact][] = [
  ['start', { type: 'CtStartRequested', run: '', timeoutSeconds: 1 }],
  ['stop', { type: 'CtStopRequested', mode: 'stop', timeoutSeconds: 1 }],
  [
    'restart',
    { type: 'CtRestartRequested', mode: 'stop', timeoutSeconds: 1, startTimeoutSeconds: 1, run: '' },
  ],
  ['freeze', { type: 'CtFreezeRequested' }],
  ['unfreeze', { type: 'CtThawRequested' }],
  ['del', { type: 'CtDeleteRequested', trash: '', force: false }],
  ['set', { type: 'CtConfigSet', set: {}, old: {} }],
]

const probeMeta = { id: '', t: 0, op: null }

/** Would the machine handle the fact now? @pure */
export const can = (state: CtState | PoolState, fact: Fact): boolean =>
  handles(state.machine, state, { ...fact, meta: probeMeta } as Seen)

/**
 * The commands that a container's state allows now, as one types them; with an operation under way, the
 * ones that supersede it, and those that settle it when it is in doubt.
 * @pure
 */
export function possible(ct: CtState): string[] {
  if (!exists(ct)) return ['new']
  const { op } = ct.context
  const names = CT_COMMANDS.filter(([, fact]) => can(ct, fact)).map(([name]) => name)
  if (!op) return names.map((name) => (name === 'del' && lifeOf(ct) !== 'stopped' ? 'del -f' : name))
  const kills = names.includes('stop') ? ['stop --kill'] : []
  return op.pending?.inDoubt ? ['op retry', 'op resolve', ...kills] : kills
}

/** `text (state: …; possible: …)` on one line. @pure */
export function ctRefusal(ct: CtState, code: string, text: string): Refusal {
  const state = phaseOf(ct)
  const legal = possible(ct)
  const message = `${text} (state: ${state}; possible: ${legal.length > 0 ? legal.join(', ') : 'nothing until the operation ends'})`
  return { code, kind: 'refused', message, text, state, possible: legal }
}

/** A container that is busy names the operation that holds it, as the reference does its lock holder. */
export function busyRefusal(pool: string, ct: CtState): Refusal {
  const { op, identity } = ct.context
  const holder = op?.pending?.inDoubt
    ? `${op.command}, in doubt since: ${op.pending.inDoubt}`
    : `${op?.command}`
  const way = op?.pending?.inDoubt ? `see osctl op show ${op.id}` : `osctl op show ${op?.id}`
  return ctRefusal(ct, 'E_BUSY', `container ${pool}:${identity?.ctid} is held by '${holder}' (${way})`)
}

export const streamOf = (ct: CtState): StreamId => ctStream(ct.context.identity?.id ?? '')
export const lifeName = (ct: CtState | PoolState): string => lifeOf(ct)
