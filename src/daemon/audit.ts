/** Reading the log for people: events as rows, commands with their ends, operations that are over. */

import type { EventQuery, LogStore } from '../events/log/store.ts'
import type { Actor } from '../events/types/actor.ts'
import type { StoredEvent } from '../events/types/envelope.ts'
import type { EventData, EventType } from '../events/types/events.ts'
import { ctOfStream } from '../events/types/ids.ts'
import type { EventRow, HistoryRow, OpRow } from '../rpc/results.ts'
import type { Pool } from './pool.ts'
import { REBOOTS_CODE } from './reboots.ts'
import { actorName } from './rows.ts'

const COMMANDS: readonly EventType[] = ['CommandAccepted', 'CommandNoop', 'CommandRefused', 'RefusalsSummed']
/** Facts that tell what happened without a command, and belong to the history as well. */
const HAPPENINGS: readonly EventType[] = [
  'PoolOpened',
  'PoolReady',
  'PoolClosed',
  'CtExited',
  'CtRebooted',
  'CtAdopted',
  'CtLost',
  'EffectFenced',
  'EffectInDoubt',
]
const HISTORY: readonly EventType[] = [...COMMANDS, ...HAPPENINGS, 'OperationFinished']

/** All events that answer a query, at most `limit`, in the query's order. */
export async function ask(store: LogStore, query: EventQuery): Promise<StoredEvent[]> {
  const found: StoredEvent[] = []
  let cursor: EventQuery | null = query
  while (cursor && found.length < query.limit) {
    const slice = await store.query({ ...cursor, limit: query.limit - found.length })
    found.push(...slice.events)
    cursor =
      slice.next === null
        ? null
        : query.reverse
          ? { ...query, to: slice.next }
          : { ...query, from: slice.next }
  }
  return found
}

export function eventRow(pool: Pool, event: StoredEvent): EventRow {
  const { seq, t, stream, ver, type, id, op, by, data } = event
  const ct = ctOfStream(stream)
  return {
    position: `${pool.name}:${seq}`,
    pool: pool.name,
    seq,
    time: t,
    stream,
    target: ct === undefined ? null : pool.ctid(ct),
    ver,
    type,
    id,
    op: op ?? null,
    by: by ?? null,
    data,
  }
}

/** Commands and happenings of one pool, oldest first; `limit` counts the newest. */
export async function history(
  pool: Pool,
  stream: EventQuery['stream'],
  limit: number,
): Promise<HistoryRow[]> {
  const where = stream === undefined ? {} : { stream }
  const events = await ask(pool.journal.store, { ...where, types: HISTORY, reverse: true, limit: limit * 2 })
  const ends = new Map<string, StoredEvent>()
  const rows: HistoryRow[] = []
  for (const event of events) {
    if (event.type === 'OperationFinished' && event.op !== undefined) ends.set(event.op, event)
    else rows.push(historyRow(pool, event, ends.get(event.op ?? '')))
  }
  return rows.slice(0, limit).reverse()
}

function historyRow(pool: Pool, event: StoredEvent, end: StoredEvent | undefined): HistoryRow {
  const { seq, t, op, stream } = event
  const ct = ctOfStream(stream)
  const data = event.data as {
    command?: string
    cli?: string | null
    actor?: Actor
    args?: Record<string, unknown>
  }
  return {
    time: t,
    pool: pool.name,
    position: `${pool.name}:${seq}`,
    op: op ?? '',
    actor: COMMANDS.includes(event.type) ? actorName(data.actor) : 'system:monitor',
    target: ct === undefined ? argumentTarget(data.args) : (pool.ctid(ct) ?? argumentTarget(data.args)),
    command: data.cli ?? commandLine(event),
    ...resultOf(pool, event, end),
  }
}

/** A container that is gone is still named by what the command was given. */
function argumentTarget(args: Record<string, unknown> | undefined): string | null {
  const id = args?.['id'] ?? args?.['name']
  return typeof id === 'string' ? id : null
}

function commandLine(event: StoredEvent): string {
  const { command, args } = event.data as { command?: string; args?: Record<string, unknown> }
  if (command === undefined) return happening(event)
  const target = argumentTarget(args)
  return target === null ? command : `${command} ${target}`
}

/** What happened without a command, in words. @pure */
export function happening(event: Pick<StoredEvent, 'type' | 'data'>): string {
  const data = event.data as Record<string, unknown>
  switch (event.type) {
    case 'PoolOpened':
      return {
        none: 'pool imported',
        closed: 'pool imported',
        'daemon-died': 'osctld restarted, pool reopened',
        'host-died': 'pool imported after the host died',
      }[(event.data as EventData<'PoolOpened'>).previous]
    case 'PoolReady':
      return `pool ready: ${data['containers']} containers, ${data['adopted']} adopted, ${data['lost']} lost, ${data['exited']} exited, ${data['settled']} operations settled, ${data['inDoubt']} in doubt`
    case 'PoolClosed':
      return 'pool exported'
    case 'CtExited':
      return data['target'] === 'reboot'
        ? 'rebooted from inside'
        : data['target'] === 'crash'
          ? 'died'
          : 'shut down from inside'
    case 'CtRebooted':
      return 'runs again after reboot'
    case 'CtAdopted':
      return 'adopted: still running after osctld restarted'
    case 'CtLost':
      return 'stopped: the host died'
    case 'EffectFenced':
      return `recovery stopped a leftover helper (${data['processes']} processes)`
    case 'EffectInDoubt':
      return `in doubt: ${data['why']}`
    case 'RefusalsSummed':
      if (data['code'] === REBOOTS_CODE)
        return `rebooted ${data['count']} more times from inside, not recorded one by one`
      return `${data['count']} more refusals (${data['code']})`
    default:
      return event.type
  }
}

function resultOf(
  pool: Pool,
  event: StoredEvent,
  end: StoredEvent | undefined,
): Pick<HistoryRow, 'result' | 'error' | 'duration'> {
  const data = event.data as { message?: string; why?: string }
  if (event.type === 'CommandRefused')
    return { result: 'refused', error: data.message ?? null, duration: null }
  if (event.type === 'CommandNoop') return { result: 'no change', error: null, duration: null }
  if (event.type !== 'CommandAccepted') return { result: '-', error: null, duration: null }
  if (end) {
    const { result, error } = end.data as EventData<'OperationFinished'>
    return { result, error, duration: Math.max(0, Math.round((end.m - event.m) / 1000)) }
  }
  const open = pool.journal.states.of(event.stream)?.context.op
  const doubt = open?.id === event.op ? open?.pending?.inDoubt : null
  return {
    result: doubt ? 'in doubt' : open?.id === event.op ? 'running' : '-',
    error: doubt ?? null,
    duration: null,
  }
}

/** An operation from its events, whether it is over or not. Null when the log has none of that id. */
export async function operation(pool: Pool, op: string): Promise<OpRow | null> {
  const events = await ask(pool.journal.store, { op, limit: 10_000 })
  const accepted = events.find((event) => event.type === 'CommandAccepted')
  if (!accepted) return null
  const { command, actor, cli } = accepted.data as EventData<'CommandAccepted'>
  const end = events.find((event) => event.type === 'OperationFinished')
  const { result, error } = resultOf(pool, accepted, end)
  const ct = ctOfStream(accepted.stream)
  const steps = stepsOf(events)
  return {
    pool: pool.name,
    op,
    target: ct === undefined ? null : pool.ctid(ct),
    command: cli ?? command,
    actor: actorName(actor),
    started: accepted.t,
    state: result,
    step: steps.findLast((step) => step.state === 'running' || step.state === 'in doubt')?.kind ?? null,
    steps,
    problem: error,
  }
}

function stepsOf(events: readonly StoredEvent[]): OpRow['steps'] {
  const steps = new Map<string, OpRow['steps'][number]>()
  for (const event of events) {
    const data = event.data as Record<string, string | undefined>
    const intent = data['intent'] ?? ''
    const step = steps.get(intent)
    if (event.type === 'EffectIntended') {
      const undoing = data['compensates'] ? `undo of ${data['compensates']}` : null
      steps.set(intent, {
        intent,
        kind: data['kind'] ?? '',
        state: 'running',
        detail: undoing,
        args: data['args'],
      })
    } else if (step) {
      steps.set(intent, { ...step, ...stepChange(event.type, data) })
    }
  }
  return [...steps.values()]
}

function stepChange(type: EventType, data: Record<string, unknown>): { state?: string; detail?: string } {
  switch (type) {
    case 'EffectSucceeded':
      return { state: 'done', ...(data['by'] === 'run' ? {} : { detail: `found done by ${data['by']}` }) }
    case 'EffectFailed':
      return { state: 'failed', detail: String(data['message']) }
    case 'EffectRetried':
      return { state: 'running', detail: `attempt ${Number(data['attempt']) + 1}: ${data['message']}` }
    case 'EffectInDoubt':
      return { state: 'in doubt', detail: String(data['why']) }
    case 'EffectResumed':
      return { state: 'running', detail: `run again: ${data['why']}` }
    case 'EffectFenced':
      return { detail: `fenced, ${data['processes']} processes killed` }
    default:
      return {}
  }
}
