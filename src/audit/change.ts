/**
 * When a column of a container became what it is.
 *
 * Not by rules about which event sets which column: the stream is folded again, with the machine that made the
 * state, and the row before each event is compared with the row after it. So the answer holds for every column that
 * is state, those of later releases as well. It is folded from its newest baseline, and from an older one only as
 * long as nothing was found.
 */
import type { StoredEvent } from '../events/types/envelope.ts'
import { ctOfStream, type StreamId } from '../events/types/ids.ts'
import type { LogReader } from '../events/types/query.ts'
import type { CtState } from '../machines/container/machine.ts'
import { Fold } from '../machines/fold.ts'
import { exists } from '../machines/life.ts'
import type { CtRow } from '../rpc/results.ts'
import { ask } from './ask.ts'
import { sessionsOf } from './read.ts'
import { ctRow } from './rows.ts'
import type { PoolView } from './view.ts'

export type Change = {
  /** null: it was so before the oldest event that the log still has. */
  readonly event: StoredEvent | null
  readonly before: string
  readonly after: string
}

export type Course = {
  /** The newest change, or the newest to the wanted value; null when it never had that value. */
  readonly change: Change | null
  readonly present: string
  /** The newest change at all: since when the present value holds. */
  readonly newest: Change | null
}

/** A value as it is compared and shown; `-` for none. @pure */
export const shown = (value: unknown): string =>
  value === null || value === undefined || value === ''
    ? '-'
    : typeof value === 'object'
      ? JSON.stringify(value)
      : String(value)

/** Value of a column, of `running`, or of an attribute `vendor:key`; null when there is no such column. @pure */
export function valueIn(pool: PoolView, ct: CtState, column: string): string | null {
  if (column === 'running') return String(ct.context.run !== null)
  const row: CtRow = ctRow(pool, ct)
  if (column.includes(':')) return shown(row.attrs[column])
  if (!Object.hasOwn(row, column)) return null
  if (column === 'state' && !exists(ct)) return ct.context.identity ? 'gone' : '-'
  return shown(row[column as keyof CtRow])
}

/** Columns that can be asked for, besides attributes. */
export const columnsOf = (pool: PoolView): string[] => [
  ...Object.keys(ctRow(pool, pool.states.ct(''))).filter((name) => name !== 'attrs'),
  'running',
]

/** @param wanted  the value whose beginning is asked for; without it, the present one */
export async function courseOf(
  pool: PoolView,
  log: LogReader,
  stream: StreamId,
  column: string,
  wanted: string | undefined,
): Promise<Course> {
  const baselines = await ask(log, { stream, types: ['Baseline'], reverse: true, limit: 10_000 })
  const starts = [...baselines.map(({ seq }) => seq), 0]
  let [end, present, newest] = [undefined as number | undefined, '-', null as Change | null]
  for (const [i, start] of starts.entries()) {
    const events = await ask(log, {
      stream,
      from: start + (start === 0 ? 1 : 0),
      ...(end === undefined ? {} : { to: end - 1 }),
      limit: ALL,
    })
    const { changes, last } = await changesIn(pool, log, stream, column, events)
    if (i === 0) present = last
    newest ??= changes.at(-1) ?? null
    const change = changes.findLast(({ after }) => wanted === undefined || after === wanted)
    if (change) return { change, present, newest }
    end = start
  }
  return { change: null, present, newest }
}

const ALL = 10_000_000

/** Changes within events that begin with a baseline or with the stream itself. */
async function changesIn(
  pool: PoolView,
  log: LogReader,
  stream: StreamId,
  column: string,
  events: readonly StoredEvent[],
): Promise<{ changes: Change[]; last: string }> {
  const sessions = await sessionsOf(log, events)
  const fold = new Fold()
  const id = ctOfStream(stream) ?? ''
  const changes: Change[] = []
  let last = '-'
  for (const [i, event] of events.entries()) {
    fold.apply(event)
    // As its row was then: a run of an earlier boot was not unknown while that boot lasted.
    const then = {
      ...pool,
      states: fold.states,
      quarantined: fold.quarantined,
      bootId: sessions.get(event.s)?.bootId ?? pool.bootId,
    }
    const value = valueIn(then, fold.states.ct(id), column) ?? '-'
    const isBeginning = i === 0 && event.type === 'Baseline'
    if (value !== last && !isBeginning) changes.push({ event, before: last, after: value })
    last = value
  }
  return { changes, last }
}
