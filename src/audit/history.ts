/** Commands with their ends, and what happened without a command, in the order in which it did. */
import type { Actor } from '../events/types/actor.ts'
import type { StoredEvent } from '../events/types/envelope.ts'
import { type EventData, type EventType, REBOOTS_CODE } from '../events/types/events.ts'
import { ctOfStream } from '../events/types/ids.ts'
import type { EventQuery, LogReader } from '../events/types/query.ts'
import type { HistoryRow } from '../rpc/results.ts'
import { ask } from './read.ts'
import { actorName } from './rows.ts'
import { ctidIn, type PoolView } from './view.ts'

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

/** Commands and happenings of one pool, oldest first; `limit` counts the newest. */
export async function history(
  pool: PoolView,
  log: LogReader,
  stream: EventQuery['stream'],
  limit: number,
): Promise<HistoryRow[]> {
  const where = stream === undefined ? {} : { stream }
  const events = await ask(log, { ...where, types: HISTORY, reverse: true, limit: limit * 2 })
  const ends = new Map<string, StoredEvent>()
  const rows: HistoryRow[] = []
  for (const event of events) {
    if (event.type === 'OperationFinished' && event.op !== undefined) ends.set(event.op, event)
    else rows.push(historyRow(pool, event, ends.get(event.op ?? '')))
  }
  return rows.slice(0, limit).reverse()
}

function historyRow(pool: PoolView, event: StoredEvent, end: StoredEvent | undefined): HistoryRow {
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
    target: ct === undefined ? argumentTarget(data.args) : (ctidIn(pool, ct) ?? argumentTarget(data.args)),
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

export function resultOf(
  pool: PoolView,
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
  const open = pool.states.of(event.stream)?.context.op
  const doubt = open?.id === event.op ? open?.pending?.inDoubt : null
  return {
    result: doubt ? 'in doubt' : open?.id === event.op ? 'running' : '-',
    error: doubt ?? null,
    duration: null,
  }
}
