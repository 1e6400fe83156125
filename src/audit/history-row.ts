/** One line of a history: a command with its end, a session, or what happened without anybody. */
import type { Actor } from '../events/types/actor.ts'
import { actorName } from '../events/types/actor-name.ts'
import type { StoredEvent } from '../events/types/envelope.ts'
import { type EventData, NOOPS_CODE, REBOOTS_CODE } from '../events/types/events.ts'
import { ACTOR_TYPES } from '../events/types/query.ts'
import type { HistoryRow } from '../rpc/results.ts'
import { formatTime } from '../rpc/time.ts'
import type { SessionSeen } from './read.ts'
import type { PoolView } from './view.ts'
import { commandText } from './zfs-change-rows.ts'

export const HAPPENED = 'system:monitor'

/** What a row is made of besides its event. */
export type RowContext = {
  readonly pool: PoolView
  /** `OperationFinished` of the command, or `CtSessionEnded` of the session. */
  readonly end: StoredEvent | undefined
  /** Name of the container that the event is about. */
  readonly name: string | undefined
  /** Where and in which boot it happened, null when the log does not tell. */
  readonly session: SessionSeen | null
}

/** @pure */
export function historyRow(event: StoredEvent, { pool, end, name, session }: RowContext): HistoryRow {
  const { seq, t, m, op, stream, data } = event
  const { actor, args, cli } = data as {
    actor?: Actor
    args?: Record<string, unknown>
    cli?: string | null
  }
  const claimed = actor && 'claimed' in actor ? actor.claimed : undefined
  return {
    time: t,
    pool: pool.name,
    position: `${pool.name}:${seq}`,
    op: op ?? '',
    actor: ACTOR_TYPES.includes(event.type) ? actorName(actor) : HAPPENED,
    target: name ?? argumentTarget(args),
    command: cli ?? commandLine(event),
    ...resultOf(pool, event, end),
    reason: claimed?.reason ?? null,
    stream,
    type: event.type,
    host: session?.host ?? null,
    boot: session?.bootId ?? null,
    mono: m,
  }
}

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
    case 'CancelRequested':
      return 'op cancel'
    case 'PoolOpened':
      return opening(event.data as EventData<'PoolOpened'>)
    case 'PoolReady':
      return `pool ready: ${data['containers']} containers, ${data['adopted']} adopted, ${data['lost']} lost, ${data['exited']} exited, ${data['settled']} operations settled, ${data['inDoubt']} in doubt`
    case 'AutostartFinished':
      return autostartEnd(event.data as EventData<'AutostartFinished'>)
    case 'PoolExportFailed': {
      const { left } = event.data as EventData<'PoolExportFailed'>
      if (left.length === 0) return 'the pool stays open: its export was called off'
      return `the pool stays open: ${containers(left.length)} would not stop`
    }
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
    case 'DriftNoticed':
      return noticed(event.data as EventData<'DriftNoticed'>)
    case 'DriftGone':
      return `as the log says again: ${data['drift']}`
    case 'CtSessionOpened':
      return `ct ${data['how']}: ${data['program']}`
    case 'EffectFenced':
      return `recovery stopped a leftover helper (${data['processes']} processes)`
    case 'HeadKept':
      return `kept the head ${data['pool']}:${data['seq']} of ${data['host'] ?? 'another host'}`
    case 'EffectInDoubt':
      return `in doubt: ${data['why']}`
    case 'RefusalsSummed':
      if (data['code'] === REBOOTS_CODE)
        return `rebooted ${data['count']} more times from inside, not recorded one by one`
      if (data['code'] === NOOPS_CODE)
        return `${data['count']} more commands that changed nothing, not recorded one by one`
      return `${data['count']} more refusals (${data['code']})`
    default:
      return event.type
  }
}

function noticed({ drift, seen, expected, found }: EventData<'DriftNoticed'>): string {
  const by = found.by && !seen.includes(found.by.command) ? `; by ${commandText(found.by)}` : ''
  return `changed by hand: ${drift}: ${seen}; expected: ${expected}${by}`
}

function opening({ previous, from }: EventData<'PoolOpened'>): string {
  const words = {
    none: 'pool imported',
    closed: 'pool imported',
    'daemon-died': 'osctld restarted, pool reopened',
    'host-died': 'pool imported after the host died',
  }
  if (!from) return words[previous]
  const who = `${from.host} (host id ${from.hostId ?? 'unknown'})`
  if (from.forced) {
    const until = from.usedAt === undefined ? '' : ` until ${formatTime(from.usedAt)}`
    return `pool imported by force from ${who}, which had it${until} and did not export it`
  }
  return previous === 'closed'
    ? `pool imported from ${who}, which had exported it`
    : `pool imported from ${who}, which had it and did not close its log`
}

const containers = (n: number): string => `${n} ${n === 1 ? 'container' : 'containers'}`

function autostartEnd({ result, failed, left }: EventData<'AutostartFinished'>): string {
  if (result !== 'done') return `autostart ${result}: ${containers(left.length)} not started`
  return failed.length > 0 ? `autostart done: ${containers(failed.length)} did not start` : 'autostart done'
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
  if (event.type === 'CtSessionOpened') return sessionResult(event, end)
  if (event.type !== 'CommandAccepted') return { result: '-', error: null, duration: null }
  if (end) {
    const { result, error } = end.data as EventData<'OperationFinished'>
    return { result, error, duration: between(event, end) }
  }
  const open = pool.states.of(event.stream)?.context.op
  const doubt = open?.id === event.op ? open?.pending?.inDoubt : null
  return {
    result: doubt ? 'in doubt' : open?.id === event.op ? 'running' : '-',
    error: doubt ?? null,
    duration: null,
  }
}

function sessionResult(
  event: StoredEvent,
  end: StoredEvent | undefined,
): Pick<HistoryRow, 'result' | 'error' | 'duration'> {
  if (!end) return { result: '-', error: null, duration: null }
  const { status } = end.data as EventData<'CtSessionEnded'>
  const result = status === 0 ? 'done' : `exit ${status}`
  return { result, error: null, duration: between(event, end) }
}

/** By the monotonic clock; over a boot in between, where that begins anew, by the wall clock. */
function between(start: StoredEvent, end: StoredEvent): number {
  const ms = start.s === end.s || end.m >= start.m ? Math.round((end.m - start.m) / 1000) : end.t - start.t
  return Math.max(0, ms)
}
