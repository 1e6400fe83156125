/**
 * What a boot made of each container: what was expected of it, whether it started, and why not.
 *
 * From events alone: the openings of a pool tell its boots, `CtLost` what ran when a host died, the plans of autostart
 * what was to start, and each container's own events what became of it. So a boot of last month is explained as
 * today's is, and in a file as on the host.
 */
import type { StoredEvent } from '../events/types/envelope.ts'
import type { EventData } from '../events/types/events.ts'
import { ctOfStream, ctStream, type StreamId } from '../events/types/ids.ts'
import type { LogReader } from '../events/types/query.ts'
import type { BootContainer, BootListRow, BootReport } from '../rpc/boot-rows.ts'
import { ask } from './ask.ts'
import { type Plan, planOf, type Standing, standingsOf } from './autostart.ts'
import { namesOf } from './subjects.ts'
import type { PoolView } from './view.ts'

/** More than any log has. */
const ALL = 10_000_000

type Boot = {
  readonly id: string
  readonly opened: StoredEvent
  readonly sessions: number
  /** Last position of the boot; absent for the newest. */
  readonly to?: number
}

/** Boots that the log tells of, oldest first. */
async function bootsIn(log: LogReader): Promise<Boot[]> {
  const boots: Boot[] = []
  for (const opened of await ask(log, { stream: 'pool', types: ['PoolOpened'], limit: ALL })) {
    const { bootId } = opened.data as EventData<'PoolOpened'>
    const last = boots.at(-1)
    if (last?.id === bootId) boots[boots.length - 1] = { ...last, sessions: last.sessions + 1 }
    else {
      if (last) boots[boots.length - 1] = { ...last, to: opened.seq - 1 }
      boots.push({ id: bootId, opened, sessions: 1 })
    }
  }
  return boots
}

/** The newest boots, oldest first. */
export async function bootList(pool: PoolView, log: LogReader, limit: number): Promise<BootListRow[]> {
  const boots = await bootsIn(log)
  const rows = boots.map((boot, i) => ({ boot, n: i - boots.length + 1 })).slice(-limit)
  return await Promise.all(rows.map(({ boot, n }) => listRow(pool, log, boot, n)))
}

/**
 * @param which  `0` the newest, `-1` the one before, …, or the beginning of a boot id
 * @returns null when the log knows no such boot
 */
export async function bootReport(pool: PoolView, log: LogReader, which: string): Promise<BootReport | null> {
  const boots = await bootsIn(log)
  const at = /^-?\d{1,6}$/.test(which)
    ? boots.length - 1 + Math.min(0, Number(which))
    : boots.findLastIndex(({ id }) => id.startsWith(which.toLowerCase()))
  const boot = boots[at]
  return boot ? await report(pool, log, boot, at - boots.length + 1) : null
}

async function listRow(pool: PoolView, log: LogReader, boot: Boot, n: number): Promise<BootListRow> {
  const { id, opened, sessions } = boot
  const { events } = await log.read({ from: opened.s, to: opened.s, limit: 1 }).catch(() => ({ events: [] }))
  const session = events[0]?.type === 'SessionOpened' ? (events[0].data as EventData<'SessionOpened'>) : null
  return {
    pool: pool.name,
    boot: n === 0 ? 0 : n,
    boot_id: id,
    host: session?.host ?? '',
    time: opened.t,
    position: `${pool.name}:${opened.seq}`,
    previous: (opened.data as EventData<'PoolOpened'>).previous,
    sessions,
  }
}

async function report(pool: PoolView, log: LogReader, boot: Boot, n: number): Promise<BootReport> {
  const { opened, to } = boot
  const range = { from: opened.seq, ...(to === undefined ? {} : { to }) }
  const told = await ask(log, {
    types: ['PoolReady', 'AutostartPlanned', 'AutostartFinished', 'CtLost'],
    ...range,
    limit: ALL,
  })
  const of = (type: StoredEvent['type']): StoredEvent[] => told.filter((event) => event.type === type)
  const plans = of('AutostartPlanned').map(planOf)
  const finished = of('AutostartFinished')
  const lost = new Map(of('CtLost').map((event) => [event.stream, event]))
  const last = plans.at(-1)
  const end = last && finished.find(({ seq }) => seq > last.seq)
  const standings = await standingsIn(log, plans, to)
  const rows = await containers(pool, log, { boot, lost, standings, last, end })
  return {
    ...(await listRow(pool, log, boot, n)),
    autostart: !last ? 'none' : last.off ? 'off' : 'planned',
    result: last && last.cts.length > 0 ? resultOf(end, to) : null,
    took: end ? between(opened, end) : null,
    total: (of('PoolReady').at(-1)?.data as EventData<'PoolReady'> | undefined)?.containers ?? null,
    containers: rows,
  }
}

const resultOf = (end: StoredEvent | undefined, to: number | undefined): string =>
  end ? (end.data as EventData<'AutostartFinished'>).result : to === undefined ? 'under way' : 'interrupted'

/** Of each container by the last plan that names it, at the end of the boot. */
async function standingsIn(
  log: LogReader,
  plans: readonly Plan[],
  to: number | undefined,
): Promise<ReadonlyMap<StreamId, Standing>> {
  const found = new Map<StreamId, Standing>()
  for (const [i, plan] of plans.entries()) {
    const next = plans[i + 1]
    const end = next ? next.seq - 1 : to
    for (const [id, standing] of await standingsOf(log, plan, end)) found.set(ctStream(id), standing)
  }
  return found
}

type Found = {
  readonly boot: Boot
  readonly lost: ReadonlyMap<StreamId, StoredEvent>
  readonly standings: ReadonlyMap<StreamId, Standing>
  readonly last: Plan | undefined
  readonly end: StoredEvent | undefined
}

/** Those of the plans first, in their order, then those that ran and were not to start again. */
async function containers(pool: PoolView, log: LogReader, found: Found): Promise<BootContainer[]> {
  const streams = [...new Set([...found.standings.keys(), ...found.lost.keys()])]
  const names = await namesOf(pool, log, streams)
  return await Promise.all(
    streams.map(async (stream) => {
      const lost = found.lost.get(stream)
      const standing = found.standings.get(stream)
      const wasRebooting = lost !== undefined && standing !== undefined && (await rebooted(log, lost))
      return {
        pool: pool.name,
        id: names.get(stream) ?? ctOfStream(stream) ?? '',
        stream: ctOfStream(stream) ?? '',
        expected: wasRebooting ? 'rebooting' : standing ? 'autostart' : 'ran',
        ran: lost !== undefined,
        ...(standing ? started(standing, found) : stayed(found)),
      }
    }),
  )
}

/** It was in the middle of a reboot from inside when its host died. */
async function rebooted(log: LogReader, { stream, seq }: StoredEvent): Promise<boolean> {
  const types = ['CtExited', 'CtRebooted', 'CtStartRequested', 'CtRestartRequested'] as const
  const [before] = await ask(log, { stream, types, to: seq - 1, reverse: true, limit: 1 })
  return before?.type === 'CtExited' && (before.data as EventData<'CtExited'>).target === 'reboot'
}

type Outcome = Pick<BootContainer, 'result' | 'attempts' | 'took' | 'after' | 'problem'>

const RESULTS = { started: 'started', starting: 'starting', failed: 'failed', skipped: 'left alone' } as const

function started({ is, attempts, why, command, end }: Standing, { boot, last, end: over }: Found): Outcome {
  const times = {
    took: command && end && command !== end ? between(command, end) : null,
    after: end ? between(boot.opened, end) : null,
  }
  if (is !== 'waiting') return { result: RESULTS[is], attempts, ...times, problem: why }
  const ended = last && over ? `autostart was ${(over.data as EventData<'AutostartFinished'>).result}` : null
  const cut = boot.to === undefined ? ended : (ended ?? 'the host died before it was started')
  const problem = [cut, why].filter((each) => each !== null).join('; ')
  return { result: cut === null ? 'waiting' : 'stopped', attempts, ...times, problem: problem || null }
}

/** It ran, and no plan names it. */
function stayed({ last }: Found): Outcome {
  const problem = !last
    ? 'nothing was decided yet'
    : last.off
      ? 'nothing was to start by itself (osctl.autostart=0 or --no-autostart)'
      : 'it ran, and has no autostart'
  return { result: 'stopped', attempts: 0, took: null, after: null, problem }
}

/** ms from one event to another of the same boot, by the monotonic clock. */
const between = (from: StoredEvent, to: StoredEvent): number =>
  Math.max(0, Math.round((to.m - from.m) / 1000))
