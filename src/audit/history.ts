/**
 * Who did what: commands with their ends, sessions, and what happened without a command.
 *
 * A row begins with an event, its *anchor*: the command, the session's beginning, the happening. Anchors are asked
 * for by the condition that names the fewest (a container, an operation, failures, an actor), the newest first, a
 * page at a time, until enough rows are found; their ends are asked for by operation. So the cost follows what is
 * printed, not how long the log is.
 */

import { isNamed } from '../events/types/actor-name.ts'
import type { StoredEvent } from '../events/types/envelope.ts'
import type { EventType } from '../events/types/events.ts'
import type { StreamId } from '../events/types/ids.ts'
import {
  ACTOR_TYPES,
  actorOfEvent,
  type EventQuery,
  HAPPENINGS,
  isFailure,
  type LogReader,
} from '../events/types/query.ts'
import type { HistoryRow } from '../rpc/results.ts'
import { ask, askPage, type Page } from './ask.ts'
import { HAPPENED, historyRow } from './history-row.ts'
import { sessionsOf } from './read.ts'
import { namesOf } from './subjects.ts'
import type { PoolView } from './view.ts'

/** Events that a row begins with. */
export const ANCHORS: readonly EventType[] = [...ACTOR_TYPES, ...HAPPENINGS]

export type HistoryFilter = {
  /** Only of these streams. */
  readonly streams?: readonly StreamId[] | undefined
  /** Who answers to one of these names (`isNamed`). */
  readonly actors?: readonly string[] | undefined
  /** Wall clock, ms since the epoch, inclusive. */
  readonly since?: number | undefined
  readonly until?: number | undefined
  /** Refused, failed, undone, in doubt, died. */
  readonly failed?: boolean | undefined
  readonly op?: string | undefined
  /** The newest of all that there are. */
  readonly limit: number
}

const PAGE = 2000

/** Rows of one pool, oldest first. */
export async function history(pool: PoolView, log: LogReader, filter: HistoryFilter): Promise<HistoryRow[]> {
  const parts = await Promise.all(sources(filter).map((source) => newest(pool, log, source, filter)))
  const bySeq = new Map(parts.flat().map((found) => [found.seq, found.row]))
  return [...bySeq]
    .sort(([a], [b]) => a - b)
    .slice(-filter.limit)
    .map(([, row]) => row)
}

/** Queries whose answers together hold every anchor, or lead to it. */
function sources(filter: HistoryFilter): EventQuery[] {
  const { streams, actors, since, until, failed, op, limit } = filter
  const common = {
    reverse: true,
    limit: Math.min(PAGE, Math.max(limit, 100)),
    ...(since === undefined ? {} : { since }),
    ...(until === undefined ? {} : { until }),
    ...(op === undefined ? {} : { op }),
  }
  const byStream: EventQuery[] = streams?.map((stream) => ({ ...common, stream })) ?? [common]
  if (failed) return byStream.flatMap((query) => failures(query, actors))
  if (!actors) return byStream.map((query) => ({ ...query, types: ANCHORS }))
  const happened = isNamed(HAPPENED, actors) ? byStream.map((query) => ({ ...query, types: HAPPENINGS })) : []
  return [...byStream.map((query) => ({ ...query, actors })), ...happened]
}

/** Whose failures are asked for: his refusals say so themselves, of operations only the command does. */
function failures(query: EventQuery, actors: readonly string[] | undefined): EventQuery[] {
  if (!actors) return [{ ...query, failed: true }]
  const happened = isNamed(HAPPENED, actors) ? [{ ...query, failed: true, types: HAPPENINGS } as const] : []
  return [
    { ...query, failed: true, actors, types: ['CommandRefused'] },
    { ...query, failed: true, types: ['OperationFinished', 'EffectInDoubt'] },
    ...happened,
  ]
}

type Found = { readonly seq: number; readonly row: HistoryRow }

/** The newest rows that a source leads to and that pass. */
async function newest(
  pool: PoolView,
  log: LogReader,
  source: EventQuery,
  filter: HistoryFilter,
): Promise<Found[]> {
  const found: Found[] = []
  let page: Promise<Page> | null = askPage(log, source)
  while (page && found.length < filter.limit) {
    const { events, next }: Page = await page
    // The log answers the next question while this answer is read; it may turn out not to be needed.
    page = next === null ? null : askPage(log, { ...source, to: next })
    page?.catch(() => undefined)
    const anchors = (await anchorsOf(log, events, filter.actors)).filter((event) =>
      isBy(event, filter.actors),
    )
    found.push(...(await rowsOf(pool, log, anchors, events)).filter(({ row }) => passes(row, filter)))
  }
  return found
}

const isBy = (event: StoredEvent, actors: HistoryFilter['actors']): boolean =>
  actors === undefined || isNamed(actorOfEvent(event) ?? HAPPENED, actors)

function passes({ result, type }: HistoryRow, { failed }: HistoryFilter): boolean {
  return !failed || FAILED.has(result) || !ACTOR_TYPES.includes(type as EventType)
}

const FAILED: ReadonlySet<string> = new Set(['failed', 'undone', 'refused', 'in doubt'])

/** Anchors among the events, and these people's of the operations whose ends or doubts are among them. */
async function anchorsOf(
  log: LogReader,
  events: readonly StoredEvent[],
  actors: HistoryFilter['actors'],
): Promise<StoredEvent[]> {
  const anchors = events.filter(({ type }) => ANCHORS.includes(type))
  const known = new Set(anchors.map(({ seq }) => seq))
  const ops = events
    .filter(
      (event) => isFailure(event) && (event.type === 'OperationFinished' || event.type === 'EffectInDoubt'),
    )
    .flatMap(({ op }) => (op === undefined ? [] : [op]))
  const to = events.reduce((most, { seq }) => Math.max(most, seq), 0)
  const commands = await inParts(ops, (ids) =>
    ask(log, {
      ids,
      types: ['CommandAccepted'],
      to,
      reverse: true,
      limit: ids.length,
      ...(actors ? { actors } : {}),
    }),
  )
  return [...anchors, ...commands.filter(({ seq }) => !known.has(seq))]
}

/** @param known  events at hand, among which some of the ends may be */
async function rowsOf(
  pool: PoolView,
  log: LogReader,
  anchors: readonly StoredEvent[],
  known: readonly StoredEvent[],
): Promise<Found[]> {
  if (anchors.length === 0) return []
  const first = anchors.reduce((least, { seq }) => Math.min(least, seq), Number.MAX_SAFE_INTEGER)
  const [ends, names, sessions] = await Promise.all([
    endsOf(log, anchors, known, first),
    namesOf(
      pool,
      log,
      anchors.map(({ stream }) => stream),
    ),
    sessionsOf(log, anchors),
  ])
  return anchors.map((event) => {
    const end = ends.get(keyOf(event) ?? '')
    const row = historyRow(event, {
      pool,
      end,
      name: names.get(event.stream),
      session: sessions.get(event.s) ?? null,
    })
    return { seq: event.seq, row }
  })
}

/** What a beginning and its end have in common. */
function keyOf({ type, op, data }: StoredEvent): string | undefined {
  if (type === 'CtSessionOpened' || type === 'CtSessionEnded') return (data as { session?: string }).session
  return type === 'CommandAccepted' || type === 'OperationFinished' ? op : undefined
}

async function endsOf(
  log: LogReader,
  anchors: readonly StoredEvent[],
  known: readonly StoredEvent[],
  from: number,
): Promise<ReadonlyMap<string, StoredEvent>> {
  const ended = known.filter(({ type }) => type === 'OperationFinished')
  const isEnded = new Set(ended.map(({ op }) => op))
  const ops = anchors.flatMap(({ type, op }) =>
    type === 'CommandAccepted' && op !== undefined && !isEnded.has(op) ? [op] : [],
  )
  const sessions = anchors.filter(({ type }) => type === 'CtSessionOpened')
  const streams = new Set(sessions.map(({ stream }) => stream))
  const found = await Promise.all([
    ended,
    inParts(ops, (part) => ask(log, { ops: part, types: ['OperationFinished'], from, limit: part.length })),
    ...[...streams].map((stream) => ask(log, { stream, types: ['CtSessionEnded'], from, limit: 100_000 })),
  ])
  return new Map(found.flat().map((event) => [keyOf(event) ?? '', event]))
}

/** So many operations are asked for at a time. */
const OPS = 250

async function inParts(
  ops: readonly string[],
  askFor: (part: readonly string[]) => Promise<StoredEvent[]>,
): Promise<StoredEvent[]> {
  const parts: string[][] = []
  for (let at = 0; at < ops.length; at += OPS) parts.push(ops.slice(at, at + OPS))
  return (await Promise.all(parts.map(askFor))).flat()
}
