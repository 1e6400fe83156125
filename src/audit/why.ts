/**
 * Why something is as it is: from the event that made it so, back to the command and the person, or to the crash,
 * the reboot or the autostart.
 *
 * The first link is the event at which the column changed (change.ts). Each further one is what the link before names
 * as its cause: its operation's command, the event that it was a consequence of, the session that it belongs to, the
 * run that ended with it. The chain ends with somebody who acted of their own will, or where nothing is known.
 */
import type { Actor } from '../events/types/actor.ts'
import type { StoredEvent } from '../events/types/envelope.ts'
import type { EventData, EventType } from '../events/types/events.ts'
import { ctOfStream, ctStream, type StreamId } from '../events/types/ids.ts'
import { actorOfEvent, type EventQuery, type LogReader } from '../events/types/query.ts'
import { exists } from '../machines/life.ts'
import type { NotStarted, SubjectRow, Why, WhyLink } from '../rpc/results.ts'
import { ask } from './ask.ts'
import { planOf, standingOf } from './autostart.ts'
import { type Course, courseOf } from './change.ts'
import type { PoolView } from './view.ts'
import { inWords } from './words.ts'

export type WhyQuestion = {
  readonly subject: SubjectRow
  readonly column: string
  /** Why it has, or last had, this value; without it, the present one. */
  readonly value?: string | undefined
}

/** A chain is a few links long; one that is not is cut here. */
const MAX_LINKS = 20

export async function why(pool: PoolView, log: LogReader, question: WhyQuestion): Promise<Why> {
  const { subject, column, value } = question
  const stream = ctStream(subject.stream)
  const course = await courseOf(pool, log, stream, column, value)
  const first = course.change?.event ?? null
  const links = first === null ? [] : await chain(log, first)
  return {
    pool: pool.name,
    ctid: subject.ctid,
    stream: subject.stream,
    column,
    present: course.present,
    ...asked(course, value),
    links: links.map((step) => linkOf(pool, step)),
    not_started: first?.type === 'CtLost' ? await notStarted(pool, log, first) : null,
  }
}

/** Why nothing has started a container since its host's death stopped it; null when something has. */
async function notStarted(pool: PoolView, log: LogReader, lost: StoredEvent): Promise<NotStarted | null> {
  const { stream, seq } = lost
  const id = ctOfStream(stream) ?? ''
  const [planned] = await ask(log, { types: ['AutostartPlanned'], from: seq, limit: 1 })
  if (!planned || !exists(pool.states.ct(id))) return null
  const plan = planOf(planned)
  const told = (why: string): NotStarted => ({ what: `not started again: ${why}`, since: null, links: [] })
  if (plan.off) return told(inWords(planned))
  if (plan.cts.includes(id)) {
    const { is, why: reason } = await standingOf(log, plan, id)
    return is === 'started' ? null : told(reason === null ? is : `${is}: ${reason}`)
  }
  const set = await autostartSet(log, stream, seq)
  if (set === 'never') return told('no autostart, and nobody ever gave it one')
  if (set === null) return told('no autostart, from before anything that the log still tells')
  if ((set.data as EventData<'CtConfigSet'>).set.autostart !== null)
    return told('it could not be started when autostart was planned')
  const links = (await chain(log, set)).map((step) => linkOf(pool, step))
  return { ...told('no autostart'), since: set.t, links }
}

/** The last word on a container's autostart before a position; null when it is not in the log any more. */
async function autostartSet(
  log: LogReader,
  stream: StreamId,
  to: number,
): Promise<StoredEvent | 'never' | null> {
  const types = ['CtConfigSet', 'CtCreateRequested', 'CtUndeleteRequested'] as const
  const told = await ask(log, { stream, types, to, reverse: true, limit: 10_000 })
  const isWord = ({ type, data }: StoredEvent): boolean =>
    type === 'CtConfigSet' && (data as EventData<'CtConfigSet'>).set.autostart !== undefined
  return told.find(isWord) ?? (told.some(({ type }) => type === 'CtCreateRequested') ? 'never' : null)
}

function asked(
  { change, present, newest }: Course,
  value: string | undefined,
): Pick<Why, 'value' | 'since' | 'until'> {
  const since = change?.event?.t ?? null
  const isPresent = value === undefined || value === present
  return {
    value: value ?? present,
    since,
    until: isPresent || change === null ? null : endOf(change, newest),
  }
}

/** When a value that holds no more ended is not asked further than: not after the newest change. */
const endOf = (change: Course['change'], newest: Course['newest']): number | null =>
  change === newest ? null : (newest?.event?.t ?? null)

function linkOf(pool: PoolView, { event, isSign }: Step): WhyLink {
  return {
    position: `${pool.name}:${event.seq}`,
    time: event.t,
    what: isSign ? `the last that is known of the boot before: ${inWords(event)}` : inWords(event),
    type: event.type,
    actor: actorOfEvent(event),
    op: event.op ?? null,
  }
}

/** `isSign`: no cause of anything, but the last that is known of what ended. */
type Step = { readonly event: StoredEvent; readonly isSign: boolean }

/** Steps from an effect to its cause, newest first. */
async function chain(log: LogReader, first: StoredEvent): Promise<Step[]> {
  const steps: Step[] = []
  const queue: Step[] = [{ event: first, isSign: false }]
  for (let step = queue.shift(); step && steps.length < MAX_LINKS; step = queue.shift()) {
    const { event, isSign } = step
    if (steps.some((known) => known.event.seq === event.seq)) continue
    steps.push(step)
    if (isSign) continue
    const ended = event.type === 'PoolOpened' && (event.data as EventData<'PoolOpened'>).previous !== 'closed'
    queue.push(...(await causesOf(log, event)).map((cause) => ({ event: cause, isSign: ended })))
  }
  return steps.sort((a, b) => b.event.seq - a.event.seq)
}

async function causesOf(log: LogReader, event: StoredEvent): Promise<StoredEvent[]> {
  const { op, by, id, type } = event
  const behind = CAUSES[type]
  if (behind) return await behind(log, event)
  const cause = op !== undefined && op !== id ? op : by !== id ? by : undefined
  const found = cause === undefined ? null : await log.byId(cause)
  return [...(await failureBefore(log, event)), ...(found ? [found] : [])]
}

/** An operation that turned round did so for the failure of one of its steps. */
async function failureBefore(log: LogReader, { op, seq, type }: StoredEvent): Promise<StoredEvent[]> {
  if (op === undefined || type === 'EffectFailed' || type === 'EffectInDoubt') return []
  return await ask(log, { op, types: ['EffectFailed'], to: seq - 1, limit: 1 })
}

/** What stands behind events whose cause is no operation and no event that they name. */
const CAUSES: Partial<Record<EventType, (log: LogReader, event: StoredEvent) => Promise<StoredEvent[]>>> = {
  CommandAccepted: behindCommand,
  CtExited: behindExit,
  CtRebooted: async (log, event) => await last(log, event, { stream: event.stream, types: ['CtExited'] }),
  CtLost: opening,
  CtAdopted: opening,
  AutostartPlanned: async (log, event) =>
    event.op === undefined ? await opening(log, event) : await commandOf(log, event.op),
  PoolOpened: beforeSession,
  PoolClosed: async (log, event) =>
    await last(log, event, { stream: 'pool', types: ['PoolExportRequested'] }),
}

const commandOf = async (log: LogReader, op: string): Promise<StoredEvent[]> => {
  const command = await log.byId(op)
  return command ? [command] : []
}

/** The newest event before another that fulfils this. */
async function last(log: LogReader, event: StoredEvent, query: Partial<EventQuery>): Promise<StoredEvent[]> {
  return await ask(log, { ...query, to: event.seq - 1, reverse: true, limit: 1 })
}

async function opening(log: LogReader, event: StoredEvent): Promise<StoredEvent[]> {
  return await last(log, event, { stream: 'pool', types: ['PoolOpened'] })
}

/** What the daemon did of its own accord it did for something. */
async function behindCommand(log: LogReader, event: StoredEvent): Promise<StoredEvent[]> {
  if (event.by !== undefined) return await commandOf(log, event.by)
  const { actor } = event.data as { actor: Actor }
  if (!('system' in actor)) return []
  const behind: Partial<Record<typeof actor.system, EventType>> = {
    autostart: 'AutostartPlanned',
    shutdown: 'PoolExportRequested',
    boot: 'PoolOpened',
  }
  const type = behind[actor.system]
  return type === undefined ? [] : await last(log, event, { stream: 'pool', types: [type] })
}

/** Who was inside when it ended, and who had started what ended. */
async function behindExit(log: LogReader, event: StoredEvent): Promise<StoredEvent[]> {
  const { run } = event.data as EventData<'CtExited'>
  const [inside, start] = await Promise.all([
    sessionsAt(log, event),
    startOf(log, event.stream, run, event.seq),
  ])
  return [...inside, ...start]
}

/** Sessions end a moment after the container that they are in. */
const SESSION_GRACE_MS = 10_000
/** Older sessions are not looked for. */
const SESSIONS = 50

async function sessionsAt(log: LogReader, { stream, seq, t }: StoredEvent): Promise<StoredEvent[]> {
  const opened = await ask(log, {
    stream,
    types: ['CtSessionOpened'],
    to: seq,
    reverse: true,
    limit: SESSIONS,
  })
  const first = opened.at(-1)
  if (!first) return []
  const ended = await ask(log, {
    stream,
    types: ['CtSessionEnded'],
    from: first.seq,
    until: t - SESSION_GRACE_MS,
    limit: 1000,
  })
  const over = new Set(ended.map(({ data }) => (data as EventData<'CtSessionEnded'>).session))
  return opened.filter(({ data }) => !over.has((data as EventData<'CtSessionOpened'>).session))
}

async function startOf(
  log: LogReader,
  stream: StreamId,
  run: string,
  before: number,
): Promise<StoredEvent[]> {
  const starts = await ask(log, {
    stream,
    types: ['CtStartRequested', 'CtRestartRequested'],
    to: before,
    reverse: true,
    limit: SESSIONS,
  })
  const start = starts.find(({ data }) => (data as { run?: string }).run === run)
  const command = start?.op === undefined ? null : await log.byId(start.op)
  return command ? [command] : []
}

/** The last sign of life of the session before this one. */
async function beforeSession(log: LogReader, event: StoredEvent): Promise<StoredEvent[]> {
  const { previous } = event.data as EventData<'PoolOpened'>
  if (previous === 'none') return []
  if (previous === 'closed') return await last(log, event, { stream: 'pool', types: ['PoolClosed'] })
  const { events } = await log.read({ from: Math.max(1, event.s - 1), to: event.s - 1, limit: 1 })
  return [...events]
}
