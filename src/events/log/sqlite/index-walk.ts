/**
 * Checking an index against the table: it finds each event that it must hold, and it holds no entry more. SQLite
 * compares, a window of events at a time, which takes a third of what asking for each event from here takes.
 */
import type { Placed } from './catalog.ts'
import { ACTOR, FAILURE, HAS_ACTOR } from './indexes.ts'
import { isPast, type Segment } from './segment.ts'

type Index = {
  readonly name: string
  /** What it sorts by before `seq`, as SQL. */
  readonly keys: readonly string[]
  /** Which events it holds, as SQL. */
  readonly only: string
}

const OF_EVERY: readonly Index[] = [
  { name: 'events_stream_ver', keys: ['stream', 'ver'], only: 'true' },
  { name: 'events_id', keys: ['id'], only: 'true' },
  { name: 'events_key', keys: ['key'], only: 'key IS NOT NULL' },
]
const OF_SEALED: readonly Index[] = [
  { name: 'events_op', keys: ['op'], only: 'op IS NOT NULL' },
  { name: 'events_type', keys: ['type'], only: 'true' },
  { name: 'events_t', keys: ['t'], only: 'true' },
]
/** A segment that an older release sealed may be without these. */
const OF_SOME: readonly Index[] = [
  { name: 'events_actor', keys: [ACTOR], only: HAS_ACTOR },
  { name: 'events_failure', keys: [], only: FAILURE },
]

/** Those that a segment has, or must have. */
export const indexesOf = (segment: Segment): readonly Index[] =>
  segment.isSealed
    ? [...OF_EVERY, ...OF_SEALED, ...OF_SOME.filter(({ name }) => segment.hasIndex(name))]
    : OF_EVERY

/** So many events are compared at a time. */
const WINDOW = 1024

/** Of the events of a window that the index must hold: how many there are, and the first that it does not find. */
function comparison({ name, keys, only }: Index): string {
  const named = keys.map((key, i) => `, ${key} AS key${i}`).join('')
  const same = keys.map((key, i) => `AND ${key} = it.key${i}`).join(' ')
  return `SELECT count(*) AS held, min(CASE WHEN NOT EXISTS (
      SELECT 1 FROM events INDEXED BY ${name} WHERE ${only} ${same} AND seq = it.seq
    ) THEN it.seq END) AS lost
    FROM (SELECT seq${named} FROM events NOT INDEXED WHERE seq BETWEEN ? AND ? AND ${only}) AS it`
}

/** Where a window ends: a damaged row may claim any seq, so events are counted, not numbers. */
const WINDOW_END = `SELECT seq FROM events NOT INDEXED WHERE seq BETWEEN ? AND ? ORDER BY seq LIMIT 1 OFFSET ${WINDOW - 1}`

/** Entries up to a seq, counted no further than to a limit: later ones came while this verification went on. */
const census = ({ name, only }: Index): string =>
  `SELECT count(*) FROM (SELECT 1 FROM events INDEXED BY ${name} WHERE ${only} AND seq <= ? LIMIT ?)`

export class IndexWalk {
  isDone = false
  readonly #segment: Segment
  readonly #last: number
  readonly #index: Index
  #seq: number
  #held = 0

  constructor({ segment, last }: Placed, index: Index) {
    this.#segment = segment
    // A damaged row may claim a seq beyond which numbers have gaps.
    this.#last = Math.min(last, Number.MAX_SAFE_INTEGER - 1)
    this.#index = index
    this.#seq = segment.first
  }

  /** @returns the first fault of the index */
  step(deadline: number): string | null {
    const [segment, last] = [this.#segment, this.#last]
    const { name } = this.#index
    const compare = segment.prepared(comparison(this.#index))
    const windowEnd = segment.prepared(WINDOW_END).pluck()
    while (this.#seq <= last) {
      const to = (windowEnd.get(this.#seq, last) as number | undefined) ?? last
      const { held, lost } = compare.get(this.#seq, to) as { held: number; lost: number | null }
      if (lost !== null) return `index ${name} does not find event ${lost}`
      this.#held += held
      this.#seq = to + 1
      if (isPast(deadline)) return null
    }
    this.isDone = true
    const entries = segment
      .prepared(census(this.#index))
      .pluck()
      .get(last, this.#held + 1) as number
    return entries === this.#held
      ? null
      : `index ${name} has ${entries > this.#held ? 'too many' : entries} entries for ${this.#held} events`
  }
}
