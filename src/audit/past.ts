/**
 * States of a pool as they were: the log folded up to a position, beside the live machines.
 *
 * **A moment is a position.** Clocks jump, positions do not. A time therefore means the last event whose wall time is
 * not later: of all events up to that time the one with the highest position. What is answered is what the log knew
 * then; a daemon that was dead knew no more.
 *
 * **How.** Folding begins at the nearest place below where whole states are known: a checkpoint, else the baselines
 * that the position's segment opens with. It reads in slices and asks `pace` between pieces of work whether others
 * are to run. A baseline changes no state, so a position among the baselines of a segment's opening is the moment
 * after them, where all states are there again.
 */
import type { StoredEvent } from '../events/types/envelope.ts'
import type { EventData } from '../events/types/events.ts'
import type { StreamId } from '../events/types/ids.ts'
import type { EventQuery, LogReader, ReadQuery } from '../events/types/query.ts'
import { type Baseline, baselineOf } from '../machines/baseline.ts'
import { Fold, streamOfCt } from '../machines/fold.ts'
import { RpcError } from '../rpc/errors.ts'
import { ask } from './ask.ts'
import type { PoolMoment, PoolView } from './view.ts'

/** States of all streams at one position; the state is a `Baseline` as JSON text. */
export type Checkpoint = {
  readonly seq: number
  readonly states: readonly { readonly stream: StreamId; readonly ver: number; readonly state: string }[]
}

/** Called after each piece of work; a promise when it is time that others run. */
export type Pace = () => Promise<void> | undefined

/** States that a fold came by: all of them, or those that changed since the checkpoint at `base`; null is gone. */
export type Kept = {
  readonly seq: number
  readonly base: number | null
  readonly states: readonly {
    readonly stream: StreamId
    readonly ver: number
    readonly state: string | null
  }[]
}

export type PastSource = {
  readonly log: LogReader
  /** The newest checkpoint not above `upTo`, null when there is none. */
  checkpoint(upTo: number): Promise<Checkpoint | null>
  /** Told of states about every CHECKPOINT_EVENTS events where there is no checkpoint. */
  keep?(kept: Kept): Promise<void>
  /** Instead of CHECKPOINT_EVENTS. */
  readonly every?: number
}

/** Between two checkpoints; folding as many takes a tenth of a second. */
export const CHECKPOINT_EVENTS = 10_000

/** A time is ms since the epoch. */
export type Moment = { readonly time: number } | { readonly seq: number }

const SLICE_EVENTS = 400
const PIECE_EVENTS = 32

/** The position that a moment means; null before the log began. @throws RpcError when there is no such position */
export async function positionOf(pool: string, log: LogReader, moment: Moment): Promise<number | null> {
  if ('time' in moment) {
    const [last] = await ask(log, { until: moment.time, reverse: true, limit: 1 })
    return last?.seq ?? null
  }
  const head = log.head().seq
  const { seq } = moment
  if (seq >= 1 && seq <= head) return seq
  throw new RpcError(`no event ${pool}:${seq} (the log goes to ${head})`, {
    kind: 'not-found',
    code: 'E_EVENT_NOT_FOUND',
  })
}

/**
 * The fold of a log up to and with `seq`.
 *
 * @throws RpcError when the position is in a segment that is gone; LogError when one cannot be read
 */
export async function foldAt(source: PastSource, seq: number, pace: Pace): Promise<Fold> {
  const { log } = source
  const place = await log.placeOf(seq)
  if (!place)
    throw new RpcError(`event ${seq} is not in the log any more: its segment was pruned`, {
      kind: 'not-found',
      code: 'E_EVENT_PRUNED',
    })
  const fold = new Fold()
  const known = await source.checkpoint(seq)
  const isUsable = known !== null && known.seq >= place.segmentFirst - 1
  if (isUsable) await seat(fold, known, pace)
  const from = isUsable ? known.seq + 1 : place.segmentFirst
  let last = await foldRange(fold, source, { from, to: seq, base: isUsable ? known.seq : null }, pace)
  while (last && isOpening(last)) {
    const { events } = await log.read({ from: last.seq + 1, limit: SLICE_EVENTS })
    const rest = events.findIndex((event) => !isOpening(event))
    for (const event of rest < 0 ? events : events.slice(0, rest)) fold.apply(event)
    last = rest < 0 ? events.at(-1) : undefined
    await pace()
  }
  fold.seq = seq
  return fold
}

const isOpening = ({ type }: StoredEvent): boolean => type === 'Baseline' || type === 'SegmentOpened'

async function seat(fold: Fold, { states }: Checkpoint, pace: Pace): Promise<void> {
  for (const [i, { stream, ver, state }] of states.entries()) {
    fold.seat(stream, JSON.parse(state) as Baseline)
    fold.versions.set(stream, ver)
    if (i % PIECE_EVENTS === 0) await pace()
  }
}

/** @returns the last event that was folded */
async function foldRange(
  fold: Fold,
  { log, keep, every = CHECKPOINT_EVENTS }: PastSource,
  { from, to, base }: { from: number; to: number; base: number | null },
  pace: Pace,
): Promise<StoredEvent | undefined> {
  let last: StoredEvent | undefined
  let next: number | null = from
  let rest = { from, base }
  const changed = new Set<StreamId>()
  while (next !== null && next <= to) {
    const slice: Awaited<ReturnType<LogReader['read']>> = await log.read({
      from: next,
      to,
      limit: SLICE_EVENTS,
    })
    for (const [i, event] of slice.events.entries()) {
      fold.apply(event)
      changed.add(event.stream)
      if (i % PIECE_EVENTS === 0) await pace()
    }
    last = slice.events.at(-1) ?? last
    next = slice.next
    if (!keep || !last || last.seq - rest.from < every || isOpening(last)) continue
    if (fold.quarantined.size === 0) {
      await keep({
        seq: last.seq,
        base: rest.base,
        states: await statesOf(fold, rest.base === null ? null : changed, pace),
      })
      rest = { from: last.seq + 1, base: last.seq }
      changed.clear()
    }
  }
  return last
}

/** @param changed  only these streams; null for all that live */
async function statesOf(
  { states, versions }: Fold,
  changed: ReadonlySet<StreamId> | null,
  pace: Pace,
): Promise<Kept['states']> {
  const texts: Kept['states'][number][] = []
  const kept = new Set<StreamId>(['pool', ...[...states.kept()].map(streamOfCt)])
  for (const stream of changed ?? kept) {
    const state = states.of(stream)
    if (!state) continue
    const isThere = kept.has(stream)
    texts.push({
      stream,
      ver: versions.get(stream) ?? 0,
      state: isThere ? JSON.stringify(baselineOf(state)) : null,
    })
    await pace()
  }
  return texts
}

/** A pool at a position of its log, with its log up to there. */
export async function poolAt(
  pool: Pick<PoolView, 'name' | 'guid' | 'dataset' | 'directory'>,
  source: PastSource,
  seq: number,
  pace: Pace,
): Promise<PoolMoment> {
  const { states, quarantined } = await foldAt(source, seq, pace)
  const session = await sessionAt(source.log, seq)
  const { context } = states.pool()
  return {
    name: pool.name,
    guid: session?.poolGuid ?? pool.guid,
    dataset: context.dataset ?? pool.dataset,
    directory: pool.directory,
    bootId: session?.bootId ?? context.bootId ?? '',
    states,
    quarantined,
    log: logUpTo(source.log, seq, (await source.log.placeOf(seq))?.hash ?? ''),
  }
}

/** Constants of the session that an event belongs to. */
async function sessionAt(log: LogReader, seq: number): Promise<EventData<'SessionOpened'> | null> {
  const event = await eventAt(log, seq)
  const session = event && event.s > 0 ? await eventAt(log, event.s).catch(() => null) : null
  return session?.type === 'SessionOpened' ? (session.data as EventData<'SessionOpened'>) : null
}

async function eventAt(log: LogReader, seq: number): Promise<StoredEvent | null> {
  const { events } = await log.read({ from: seq, to: seq, limit: 1 })
  return events.find((event) => event.seq === seq) ?? null
}

/** The same log as it was when `seq` was its end. */
export function logUpTo(log: LogReader, seq: number, hash: string): LogReader {
  const cut = <Q extends ReadQuery | EventQuery>(query: Q): Q => ({
    ...query,
    to: Math.min(query.to ?? seq, seq),
  })
  return {
    read: (query) => log.read(cut(query)),
    query: (query) => log.query(cut(query)),
    raw: (query) => log.raw(cut(query)),
    byId: async (id) => {
      const event = await log.byId(id)
      return event && event.seq <= seq ? event : null
    },
    placeOf: async (at) => (at <= seq ? await log.placeOf(at) : null),
    head: () => ({ seq, hash }),
  }
}
