/**
 * What became of the containers of an autostart plan, from the events of their own streams since it was made.
 *
 * The daemon asks before each start and when it goes on with a plan, `pool autostart queue` and `boot report` ask for
 * people. So what is started, what is shown and what is explained is one and the same.
 */
import type { Actor } from '../events/types/actor.ts'
import { actorName } from '../events/types/actor-name.ts'
import type { StoredEvent } from '../events/types/envelope.ts'
import type { EventData, EventType } from '../events/types/events.ts'
import { ctStream, type StreamId, type Ulid } from '../events/types/ids.ts'
import { actorOfEvent, type LogReader } from '../events/types/query.ts'
import { AUTOSTART_ATTEMPTS } from '../machines/decide/autostart.ts'
import { ask } from './ask.ts'

/** A plan, and where it ended: with its own end, the next plan, or the pool's next opening after the host died. */
export type Plan = {
  readonly id: string
  readonly seq: number
  readonly time: number
  readonly cts: readonly Ulid[]
  /** Nothing was asked to start at this import. */
  readonly off: boolean
}

export type Standing = {
  readonly is: 'waiting' | 'starting' | 'started' | 'failed' | 'skipped'
  readonly attempts: number
  /** Why it failed, the last time; why it was left out. */
  readonly why: string | null
  /** Of the last attempt: its command and its end. */
  readonly command: StoredEvent | null
  readonly end: StoredEvent | null
}

const WAITING: Standing = { is: 'waiting', attempts: 0, why: null, command: null, end: null }
/** What a container's stream can say about its start. */
const TOLD: readonly EventType[] = [
  'CommandAccepted',
  'CommandNoop',
  'CommandRefused',
  'OperationFinished',
  'CancelRequested',
  'EffectInDoubt',
  'EffectResumed',
  'EffectSucceeded',
  'CtConfigSet',
]
/** An admin who gives one of these has taken the container out of autostart's hands. */
const TAKEN_OVER = ['ct start', 'ct stop', 'ct restart', 'ct del']
/** More than any log has. */
const ALL = 10_000_000

export function planOf(event: StoredEvent): Plan {
  const { cts, off = false } = event.data as EventData<'AutostartPlanned'>
  return { id: event.id, seq: event.seq, time: event.t, cts, off }
}

/** The newest plan up to a position; null when there was none. */
export async function newestPlan(log: LogReader, to?: number): Promise<Plan | null> {
  const types = ['AutostartPlanned'] as const
  const [event] = await ask(log, { types, reverse: true, limit: 1, ...(to === undefined ? {} : { to }) })
  return event ? planOf(event) : null
}

/** How one container of a plan stands. */
export async function standingOf(log: LogReader, plan: Plan, id: Ulid): Promise<Standing> {
  const events = await ask(log, { stream: ctStream(id), types: TOLD, from: plan.seq, limit: ALL })
  return standing(plan, events)
}

/** How every container of a plan stands, or stood at a position. */
export async function standingsOf(
  log: LogReader,
  plan: Plan,
  to?: number,
): Promise<ReadonlyMap<Ulid, Standing>> {
  const streams = new Map<StreamId, StoredEvent[]>(plan.cts.map((id) => [ctStream(id), []]))
  const range = { from: plan.seq, ...(to === undefined ? {} : { to }) }
  for (const event of await ask(log, { types: TOLD, ...range, limit: ALL }))
    streams.get(event.stream)?.push(event)
  return new Map(plan.cts.map((id) => [id, standing(plan, streams.get(ctStream(id)) ?? [])]))
}

/** @param events  of the container's stream since the plan, oldest first. @pure */
export function standing(plan: Plan, events: readonly StoredEvent[]): Standing {
  let now = WAITING
  for (const event of events) now = next(plan, now, event)
  return now
}

function next(plan: Plan, now: Standing, event: StoredEvent): Standing {
  switch (event.type) {
    case 'CommandAccepted':
    case 'CommandNoop':
    case 'CommandRefused':
      return event.by === plan.id ? attempted(now, event) : byOthers(now, event)
    case 'OperationFinished':
      return event.op === now.command?.op ? ended(now, event) : now
    case 'CancelRequested':
      if (event.op !== now.command?.op || now.is !== 'starting') return now
      return { ...now, is: 'skipped', why: `${actorOfEvent(event)} cancelled its start` }
    case 'EffectInDoubt': {
      if (event.op !== now.command?.op || now.is !== 'starting') return now
      return { ...now, is: 'failed', why: `in doubt: ${(event.data as EventData<'EffectInDoubt'>).why}` }
    }
    case 'EffectResumed':
      return event.op === now.command?.op && now.end === null ? { ...now, is: 'starting', why: null } : now
    case 'EffectSucceeded': {
      // By a command that a plan before this one gave.
      const { kind } = event.data as EventData<'EffectSucceeded'>
      return kind === 'lxc.start' && now.is === 'waiting' ? { ...now, is: 'started', end: event } : now
    }
    case 'CtConfigSet': {
      const { autostart } = (event.data as EventData<'CtConfigSet'>).set
      if (now.is !== 'waiting' || autostart === undefined || autostart !== null) return now
      return { ...now, is: 'skipped', why: 'its autostart was taken away' }
    }
    default:
      return now
  }
}

function attempted(now: Standing, event: StoredEvent): Standing {
  const attempts = now.attempts + 1
  if (event.type === 'CommandAccepted')
    return { is: 'starting', attempts, why: null, command: event, end: null }
  if (event.type === 'CommandNoop')
    return { ...now, is: 'skipped', attempts, why: (event.data as EventData<'CommandNoop'>).why }
  const { message } = event.data as EventData<'CommandRefused'>
  return given(attempts, { ...now, why: message, command: event, end: event })
}

/** It is tried again, or given up. */
const given = (attempts: number, now: Standing): Standing => ({
  ...now,
  is: attempts < AUTOSTART_ATTEMPTS ? 'waiting' : 'failed',
  attempts,
})

function ended(now: Standing, event: StoredEvent): Standing {
  const { result, error } = event.data as EventData<'OperationFinished'>
  if (result === 'done') return { ...now, is: 'started', why: null, end: event }
  if (now.is === 'skipped' || now.end !== null) return now
  return given(now.attempts, { ...now, why: error, end: event })
}

/** Somebody else's command on a container that autostart has not started yet. */
function byOthers(now: Standing, event: StoredEvent): Standing {
  const { actor, command } = event.data as { actor: Actor; command: string }
  if (event.type === 'CommandRefused' || !TAKEN_OVER.includes(command)) return now
  if (now.is === 'started' || now.is === 'failed') return now
  return { ...now, is: 'skipped', why: `${actorName(actor)} gave the command: ${command}` }
}
