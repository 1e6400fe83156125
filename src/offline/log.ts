/**
 * A log in memory, out of a file: verified while it is taken in, then asked like any other.
 *
 * Bodies stay bytes; of each event the columns are kept that most questions go by. The first event that does not fit
 * ends the log: what stands before it is readable, what is wrong is told (`fault`).
 */
import { headOf, linkHash, parseBody } from '../events/log/chain.ts'
import type { Head, StoredEvent } from '../events/types/envelope.ts'
import {
  answers,
  type EventQuery,
  type LogReader,
  type Place,
  type RawSlice,
  type ReadQuery,
  type ReadSlice,
} from '../events/types/query.ts'

type Entry = {
  readonly body: Buffer
  readonly hash: Buffer
  readonly seq: number
  readonly stream: StoredEvent['stream']
  readonly type: StoredEvent['type']
  readonly t: number
}

type Names = {
  readonly op: string | undefined
  readonly ops: readonly string[] | undefined
  readonly ids: readonly string[] | undefined
}
export type Fault = { readonly seq: number; readonly what: string }

export class OfflineLog implements LogReader {
  readonly #entries: Entry[] = []
  readonly #segments: number[] = []
  #byId: Map<string, number> | null = null
  #byOp: Map<string, number[]> | null = null
  #hash: Buffer
  #expected: number
  /** Events of other containers are left out: positions may jump where a gap is told. */
  readonly #hasGaps: boolean
  #isGap = false
  gaps = 0
  fault: Fault | null = null

  /**
   * @param first     position of the first event
   * @param previous  hash that it is chained to, hex
   */
  constructor(first: number, previous: string, hasGaps: boolean) {
    this.#expected = first
    this.#hash = Buffer.from(previous, 'hex')
    this.#hasGaps = hasGaps
  }

  get events(): number {
    return this.#entries.length
  }

  get spans(): { from: number; to: number } | null {
    let [from, to] = [Number.POSITIVE_INFINITY, 0]
    for (const { t } of this.#entries) [from, to] = [Math.min(from, t), Math.max(to, t)]
    return to === 0 ? null : { from, to }
  }

  get segments(): number {
    return this.#segments.length
  }

  /** The first event of a type. */
  firstOf(type: StoredEvent['type']): StoredEvent | undefined {
    const entry = this.#entries.find((it) => it.type === type)
    return entry && parseBody(entry.body)
  }

  get first(): number {
    return this.#entries[0]?.seq ?? this.#expected
  }

  /** Takes the next event. @param hash  as it stands with the event, when it does */
  add(body: Buffer, hash: Buffer | null): void {
    if (this.fault) return
    const own = linkHash(this.#hash, body)
    if (hash && !hash.equals(own)) return this.wrong('the hash does not fit the event and the one before')
    const event = parsed(body)
    if (!event) return this.wrong('it is not an event')
    if (event.seq !== this.#expected && !(this.#hasGaps && this.#isGap && event.seq > this.#expected))
      return this.wrong(`event ${event.seq} stands where ${this.#expected} must be`)
    const { seq, stream, type, t } = event
    this.#entries.push({ body, hash: own, seq, stream, type, t })
    if (type === 'SegmentOpened') this.#segments.push(seq)
    this.#hash = own
    this.#expected = seq + 1
    this.#isGap = false
  }

  /** What stands next is chained to this. */
  gap(previous: string): void {
    if (this.fault) return
    if (!this.#hasGaps) return this.wrong('events are left out')
    this.#hash = Buffer.from(previous, 'hex')
    this.#isGap = true
    this.gaps += 1
  }

  /** What stands before is good; nothing after it is taken. */
  wrong(what: string): void {
    this.fault ??= { seq: this.#expected, what }
  }

  async read(query: ReadQuery): Promise<ReadSlice> {
    const { entries, next } = this.#select(query, () => true)
    return { events: entries.map(({ body }) => parseBody(body)), next }
  }

  async raw(query: ReadQuery): Promise<RawSlice> {
    const { entries, next } = this.#select(query, () => true)
    return { rows: entries.map(({ body, hash }) => ({ body, hash })), next }
  }

  async query(query: EventQuery): Promise<ReadSlice> {
    const { op, ops, ids, types, since, until } = query
    const wanted = op === undefined && !ops && !ids ? null : this.#named({ op, ops, ids })
    const events: StoredEvent[] = []
    const { next } = this.#select(query, (entry, index) => {
      if (wanted && !wanted.has(index)) return false
      if (types && !types.includes(entry.type)) return false
      if ((since !== undefined && entry.t < since) || (until !== undefined && entry.t > until)) return false
      const event = parseBody(entry.body)
      if (!answers(event, query)) return false
      events.push(event)
      return true
    })
    return { events, next }
  }

  /** Indexes of the events that these name. */
  #named({ op, ops, ids }: Names): Set<number> {
    const { byId, byOp } = this.#names()
    const operations = [...(op === undefined ? [] : [op]), ...(ops ?? [])]
    const found = new Set(operations.flatMap((name) => byOp.get(name) ?? []))
    for (const id of [...(ids ?? []), ...operations]) {
      const index = byId.get(id)
      if (index !== undefined) found.add(index)
    }
    return found
  }

  async byId(id: string): Promise<StoredEvent | null> {
    const index = this.#names().byId.get(id)
    const entry = index === undefined ? undefined : this.#entries[index]
    return entry ? parseBody(entry.body) : null
  }

  #names(): { byId: Map<string, number>; byOp: Map<string, number[]> } {
    if (this.#byId && this.#byOp) return { byId: this.#byId, byOp: this.#byOp }
    const byId = new Map<string, number>()
    const byOp = new Map<string, number[]>()
    for (const [index, { body }] of this.#entries.entries()) {
      const { id, op } = parseBody(body)
      byId.set(id, index)
      if (op === undefined) continue
      const known = byOp.get(op)
      if (known) known.push(index)
      else byOp.set(op, [index])
    }
    this.#byId = byId
    this.#byOp = byOp
    return { byId, byOp }
  }

  async placeOf(seq: number): Promise<Place | null> {
    const index = this.#indexFrom(seq)
    const entry = this.#entries[index]
    if (entry?.seq !== seq) {
      // Of one container's events some are not here, and yet the moment after them is.
      const before = this.#hasGaps && seq <= this.head().seq ? this.#entries[index - 1] : undefined
      if (!before) return null
      return { segmentFirst: this.#segmentOf(before.seq), hash: before.hash.toString('hex') }
    }
    return { segmentFirst: this.#segmentOf(seq), hash: entry.hash.toString('hex') }
  }

  #segmentOf(seq: number): number {
    return this.#segments.findLast((first) => first <= seq) ?? this.first
  }

  head(): Head {
    const last = this.#entries.at(-1)
    return last ? headOf(last.seq, last.hash) : headOf(this.#expected - 1, this.#hash)
  }

  /** Index of the first event that is not before `seq`. */
  #indexFrom(seq: number): number {
    let [low, high] = [0, this.#entries.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#entries[middle]?.seq ?? 0) < seq) low = middle + 1
      else high = middle
    }
    return low
  }

  #select(
    query: Pick<EventQuery, 'from' | 'to' | 'reverse' | 'limit' | 'stream'>,
    accept: (entry: Entry, index: number) => boolean,
  ): { entries: Entry[]; next: number | null } {
    const { from = 1, to = Number.MAX_SAFE_INTEGER, reverse = false, limit, stream } = query
    const low = this.#indexFrom(from)
    const high = this.#indexFrom(to + 1) - 1
    const entries: Entry[] = []
    for (let i = reverse ? high : low; low <= i && i <= high; i += reverse ? -1 : 1) {
      const entry = this.#entries[i]
      if (!entry || (stream !== undefined && entry.stream !== stream)) continue
      if (entries.length === limit) return { entries, next: entry.seq }
      if (accept(entry, i)) entries.push(entry)
    }
    return { entries, next: null }
  }
}

function parsed(body: Buffer): StoredEvent | null {
  try {
    const event = parseBody(body)
    return Number.isSafeInteger(event.seq) && typeof event.stream === 'string' ? event : null
  } catch {
    return null
  }
}
