/**
 * Reading across the row of segments as if it were one log.
 */
import type { Place } from '../../types/query.ts'
import { KEY_LIFETIME_MS, type Known } from '../draft.ts'
import { type EventQuery, LogError, type ReadQuery } from '../store.ts'
import type { Placed } from './catalog.ts'
import type { Columns } from './columns.ts'
import { refusal } from './connection.ts'
import type { Opening } from './opening.ts'
import { querySegment } from './query.ts'
import { isPast, type RawEvent, type Segment, type Slice } from './segment.ts'
import type { Subject } from './verify.ts'

type Window = { from: number; to: number; reverse: boolean; limit: number }

export class Reader {
  readonly #opening: Pick<Opening, 'catalog' | 'segment'>
  readonly #columns: Columns | null

  /** @param columns  of the open segment */
  constructor(opening: Pick<Opening, 'catalog' | 'segment'>, columns: Columns | null) {
    this.#opening = opening
    this.#columns = columns
  }

  /** Events in order. A segment that is missing or unreadable in the middle is an error, never a gap. */
  read(query: ReadQuery, head: number, deadline: number): Slice {
    const { stream } = query
    return this.#across(this.#window(query, head), deadline, true, (segment, window) =>
      segment.read({ ...window, stream }, deadline),
    )
  }

  /** As `read`, each body followed by its hash. */
  raw(query: ReadQuery, head: number, deadline: number): Slice {
    const window = this.#window({ ...query, limit: query.limit * 2 }, head)
    return this.#across(window, deadline, true, (segment, part) =>
      segment.read({ ...part, stream: query.stream, withHashes: true }, deadline),
    )
  }

  query(query: EventQuery, head: number, deadline: number): Slice {
    return this.#across(this.#window(query, head), deadline, false, (segment, window) =>
      querySegment(segment, this.#columns, { ...query, limit: window.limit }, window, deadline),
    )
  }

  at(seq: number, head: number): RawEvent | undefined {
    if (seq > head) return undefined
    return this.#holding(seq)?.segment.at(seq)
  }

  placeOf(seq: number, head: number): Place | null {
    const segment = seq > head ? undefined : this.#holding(seq)?.segment
    const row = segment?.at(seq)
    return segment && row ? { segmentFirst: segment.first, hash: row.hash.toString('hex') } : null
  }

  /** null where there is no event that can be read. */
  hashAt(seq: number, head: number): string | null {
    try {
      return this.at(seq, head)?.hash.toString('hex') ?? null
    } catch (error) {
      if (refusal(error).code === 'E_LOG_DAMAGED') return null
      throw error
    }
  }

  byId(id: string, head: number): Buffer | null {
    for (const { segment } of this.#newestFirst(head)) {
      const seq = segment.idSeq(id)
      if (seq !== undefined && seq <= head) return segment.at(seq)?.body ?? null
    }
    return null
  }

  byKey(key: string, head: number): Buffer | null {
    const { segment: open } = this.#opening
    let since = 0
    for (const { segment } of this.#newestFirst(head)) {
      const found = segment.keyed(key)
      if (found && found.seq <= head && found.t >= since) return segment.at(found.seq)?.body ?? null
      if (segment === open) since = segment.lastTime() - KEY_LIFETIME_MS
      if (segment !== open && segment.lastTime() < since) return null
    }
    return null
  }

  known(): Known {
    const { segment, catalog } = this.#opening
    return {
      hasId: (id) => segment?.idSeq(id) !== undefined,
      hasKey: (key, since) => {
        if (segment?.keyed(key)) return true
        for (const sealed of catalog.newestFirst()) {
          if (sealed.segment.lastTime() < since) return false
          const found = sealed.segment.keyed(key)
          if (found && found.t >= since) return true
        }
        return false
      },
      endedAt: (stream) => catalog.endedAt(stream),
    }
  }

  /** What verify goes through: the open segment, and before it every sealed one, or its damage. */
  subjects(all: boolean, head: number): Subject[] {
    const { segment, catalog } = this.#opening
    const numbers = catalog.numbers()
    const newest = segment?.number ?? (numbers.at(-1) ?? 0) + 1
    const sealed = all
      ? range((catalog.pruned?.segment ?? 0) + 1, newest).map((number) => catalog.sealed(number))
      : []
    return segment ? [...sealed, { segment, last: head }] : sealed
  }

  /** What was pruned is not there to be read, and not missed. */
  #window(query: Pick<EventQuery, 'from' | 'to' | 'reverse' | 'limit'>, head: number): Window {
    const { pruned } = this.#opening.catalog
    return {
      from: Math.max((pruned?.last ?? 0) + 1, query.from ?? 1),
      to: Math.min(head, query.to ?? head),
      reverse: query.reverse ?? false,
      limit: query.limit,
    }
  }

  #across(window: Window, deadline: number, strict: boolean, part: Part): Slice {
    const bodies: Buffer[] = []
    let { from, to } = window
    while (from <= to && bodies.length < window.limit) {
      const edge = window.reverse ? to : from
      const placed = this.#holding(edge) ?? this.#nearest(edge, window.reverse)
      if (!placed) break
      const { segment, last } = placed
      if (strict && !isWithin(edge, placed)) {
        if (bodies.length === 0) throw missing(edge)
        return { bodies, next: edge }
      }
      const range = { from: Math.max(from, segment.first), to: Math.min(to, last) }
      const slice = part(segment, { ...range, reverse: window.reverse, limit: window.limit - bodies.length })
      for (const body of slice.bodies) bodies.push(body)
      if (slice.next !== null) return { bodies, next: slice.next }
      if (window.reverse) to = segment.first - 1
      else from = last + 1
      if (isPast(deadline)) break
    }
    return {
      bodies,
      next: from <= to && this.#hasMore(from, to, window.reverse) ? (window.reverse ? to : from) : null,
    }
  }

  #hasMore(from: number, to: number, reverse: boolean): boolean {
    const placed = this.#nearest(reverse ? to : from, reverse)
    return placed !== undefined && placed.segment.first <= to && placed.last >= from
  }

  *#newestFirst(head: number): Generator<Placed> {
    const { segment, catalog } = this.#opening
    if (segment) yield { segment, last: head }
    yield* catalog.newestFirst()
  }

  #holding(seq: number): Placed | undefined {
    const { segment, catalog } = this.#opening
    if (segment && seq >= segment.first) return { segment, last: Number.MAX_SAFE_INTEGER }
    for (const placed of catalog.newestFirst()) if (isWithin(seq, placed)) return placed
    return undefined
  }

  /** The segment to go on with if none holds `seq`: the next one in reading direction. */
  #nearest(seq: number, reverse: boolean): Placed | undefined {
    let nearest: Placed | undefined
    for (const placed of this.#newestFirst(Number.MAX_SAFE_INTEGER)) {
      if (reverse ? placed.segment.first <= seq : placed.last >= seq) {
        if (reverse) return placed
        nearest = placed
      }
    }
    return nearest
  }
}

type Part = (segment: Segment, window: Window) => Slice

/** From the first up to, not including, the second. */
const range = (from: number, to: number): number[] =>
  Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i)

const isWithin = (seq: number, { segment, last }: Placed): boolean => segment.first <= seq && seq <= last

const missing = (seq: number): LogError =>
  new LogError('E_LOG_DAMAGED', `event ${seq} is in a segment that is missing or cannot be read`)
