/**
 * Handlers of `event export` and `incident`: a log in pages of lines (src/rpc/portable.ts), so that neither end ever
 * holds it whole, and the loop is not held for longer than a page.
 */
import { bootReport } from '../../audit/boot-report.ts'
import { boots } from '../../audit/boots.ts'
import { subjects } from '../../audit/subjects.ts'
import { NO_HASH } from '../../events/log/chain.ts'
import type { StoredEvent } from '../../events/types/envelope.ts'
import type { EventData } from '../../events/types/events.ts'
import { ctStream, type StreamId } from '../../events/types/ids.ts'
import type { LogReader } from '../../events/types/query.ts'
import { BASELINE_SCHEMA, baselineOf, MACHINES_VERSION } from '../../machines/baseline.ts'
import { streamOfCt } from '../../machines/fold.ts'
import type { MethodParams } from '../../rpc/methods.ts'
import { EXPORT_FORMAT, eventLine, PART_PROOF, WHOLE_PROOF } from '../../rpc/portable.ts'
import type { ExportHeader, ExportPage, Incident } from '../../rpc/results.ts'
import type { Daemon } from '../daemon.ts'
import { notFound, refused } from '../errors.ts'
import type { Pool } from '../pool.ts'
import type { HandlersOf } from './context.ts'
import { healthOf, statusOf } from './host.ts'

const PAGE_EVENTS = 400
const PAGE_CHARS = 300_000
const BOOTS = 20

export function exportHandlers(
  daemon: Daemon,
  pid: number,
): HandlersOf<'export.open' | 'export.read' | 'replay.summary'> {
  return {
    'replay.summary': async () => {
      throw refused('E_NOT_REPLAYED', 'osctld has live pools: osctl replay FILE asks a file')
    },
    'export.open': async (params) => await open(daemon, pid, params),
    'export.read': async (params) => {
      const pool = daemon.pool(params.pool)
      if (params.part !== 'events') return await statesPage(daemon, pool, params)
      if (params.container === undefined) return await wholePage(pool.log, params.from, params.to)
      return await partPage(pool.log, ctStream(params.container), params.from, params.to)
    },
  }
}

async function open(
  daemon: Daemon,
  pid: number,
  { pool: name, ct, since }: MethodParams<'export.open'>,
): Promise<ExportHeader> {
  const pool = daemon.pool(name)
  const { host, version, clock } = daemon.ports
  const head = pool.log.head()
  const container = ct === undefined ? null : await containerOf(pool, ct)
  const incident = since === undefined ? null : await incidentOf(daemon, pool, pid, since)
  const first = since === undefined ? await firstOf(pool.log) : await firstSince(pool.log, since)
  return {
    osctl_log: EXPORT_FORMAT,
    pool: pool.name,
    guid: pool.guid,
    dataset: pool.dataset,
    directory: pool.directory,
    container,
    first,
    previous: await hashBefore(pool.log, first),
    head,
    exported_at: clock.wall(),
    host: host.hostName(),
    versions: { osctl: version, machines: MACHINES_VERSION, baseline_schema: BASELINE_SCHEMA },
    simulated: host.simulated,
    proves: container ? PART_PROOF : WHOLE_PROOF,
    incident,
  }
}

async function containerOf(pool: Pool, ct: string): Promise<NonNullable<ExportHeader['container']>> {
  const found = await subjects(pool, pool.log, { ct })
  const last = found.find(({ deleted_at }) => deleted_at === null) ?? found.at(-1)
  if (!last) throw notFound('E_CT_NOT_FOUND', `no container is or was called ${ct} on ${pool.name}`)
  return { id: last.stream, ctid: last.ctid }
}

async function incidentOf(daemon: Daemon, pool: Pool, pid: number, since: number): Promise<Incident> {
  return {
    since,
    status: statusOf(daemon, pid),
    health: await healthOf(daemon, [pool.name]),
    boots: await boots(pool.name, pool.log, BOOTS),
    boot: await bootReport(pool, pool.log, '0'),
  }
}

/** First event that was not pruned. */
async function firstOf(log: LogReader): Promise<number> {
  const { events } = await log.query({ limit: 1 })
  return events[0]?.seq ?? 1
}

/** The first event after the last that is older than `since`; the log's first when there is none. */
async function firstSince(log: LogReader, since: number): Promise<number> {
  const { events } = await log.query({ until: since - 1, reverse: true, limit: 1 })
  const last = events[0]?.seq
  if (last === undefined) return await firstOf(log)
  return Math.min(last + 1, log.head().seq)
}

/** What the event at `seq` is chained to. */
async function hashBefore(log: LogReader, seq: number): Promise<string> {
  if (seq <= 1) return NO_HASH.toString('hex')
  const place = await log.placeOf(seq - 1)
  if (place) return place.hash
  const { events } = await log.read({ from: seq, to: seq, limit: 1 })
  const opened = events[0]?.type === 'SegmentOpened' ? (events[0].data as EventData<'SegmentOpened'>) : null
  return opened?.previous?.head ?? NO_HASH.toString('hex')
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8')

async function wholePage(log: LogReader, from: number, to: number): Promise<ExportPage> {
  const { rows, next } = await log.raw({ from, to, limit: PAGE_EVENTS })
  const lines: string[] = []
  let chars = 0
  for (const [i, { body, hash }] of rows.entries()) {
    if (chars > PAGE_CHARS) return { lines, next: from + i }
    lines.push(eventLine(hex(hash), text(body)))
    chars += body.length
  }
  return { lines, next: next !== null && next <= to ? next : null }
}

/** Events of a container, of the pool and of the log, without the baselines of others, in one order. */
async function partPage(log: LogReader, stream: StreamId, from: number, to: number): Promise<ExportPage> {
  const slices = await Promise.all(
    (['log', 'pool', stream] as const).map((each) =>
      log.raw({ stream: each, from, to, limit: PAGE_EVENTS / 4 }),
    ),
  )
  const end = Math.min(to + 1, ...slices.flatMap(({ next }) => next ?? []))
  const events = slices
    .flatMap(({ rows }) => rows)
    .map(({ body, hash }) => ({ line: eventLine(hex(hash), text(body)), seq: seqOf(body) }))
    .filter(({ seq }) => seq < end)
    .sort((a, b) => a.seq - b.seq)
  const lines: string[] = []
  let expected = from
  for (const { line, seq } of events) {
    if (seq !== expected) lines.push(JSON.stringify({ previous: await hashBefore(log, seq) }))
    lines.push(line)
    expected = seq + 1
  }
  // The page after this one begins behind its last event, so that a gap in between is told.
  return { lines, next: end > to ? null : events.length > 0 ? expected : end }
}

const seqOf = (body: Uint8Array): number => (JSON.parse(text(body)) as StoredEvent).seq

/** States at a position, all of them from the `from`-th on, as many as a page takes. */
async function statesPage(
  daemon: Daemon,
  pool: Pool,
  { part, from, to }: MethodParams<'export.read'>,
): Promise<ExportPage> {
  if (to < 1) return { lines: [], next: null }
  const view = await daemon.past.poolAt(pool, to)
  const streams: StreamId[] = ['pool', ...[...view.states.kept()].map(streamOfCt)]
  const lines: string[] = []
  let chars = 0
  for (const [i, stream] of streams.entries()) {
    if (i < from) continue
    if (chars > PAGE_CHARS) return { lines, next: i }
    const state = view.states.of(stream)
    if (!state) continue
    const line = JSON.stringify({ at: part, stream, state: baselineOf(state) })
    lines.push(line)
    chars += line.length
  }
  return { lines, next: null }
}
