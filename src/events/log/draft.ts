/**
 * Deciding what a commit holds: versions, duplicates, positions and hashes of the batches that wait.
 *
 * Both stores plan with this, so they cannot differ in what they refuse. A draft starts at the log's tip
 * and runs ahead of it batch by batch; the tip takes the draft over when its commit has succeeded, and
 * the draft is dropped when it failed. A refused batch leaves the draft as it was.
 */
import type { NewEvent, StoredEvent } from '../types/envelope.ts'
import type { EventData } from '../types/events.ts'
import { type Format, type Formats, formatOf } from '../types/formats.ts'
import type { StreamId } from '../types/ids.ts'
import type { SegmentHead } from '../types/log-events.ts'
import { chained, placed } from './chain.ts'
import { type AppendBatch, LogError } from './store.ts'

/** Idempotency keys are found again for this long after a segment was sealed. */
export const KEY_LIFETIME_MS = 24 * 3600 * 1000

/** Where a log ends. */
export type Tip = {
  seq: number
  hash: Buffer
  /** seq of the newest SessionOpened; 0 before the first. */
  session: number
  versions: Map<StreamId, number>
}

export type Row = { readonly event: StoredEvent; readonly body: Buffer; readonly hash: Buffer }

/** What the log knows of the events that it already holds. */
export type Known = {
  hasId(id: string): boolean
  /** Whether the key stands in the open segment, or in an earlier one after `since` (ms, event time). */
  hasKey(key: string, since: number): boolean
  /** Version of a stream that the open segment does not know: it may have ended in an earlier one. */
  endedAt(stream: StreamId): number
}

export class Draft {
  readonly rows: Row[] = []
  readonly #tip: Tip
  readonly #known: Known
  readonly #versions = new Map<StreamId, number>()
  readonly #ids = new Set<string>()
  readonly #keys = new Set<string>()

  constructor(tip: Tip, known: Known) {
    this.#tip = { ...tip }
    this.#known = known
  }

  get seq(): number {
    return this.#tip.seq
  }

  get hash(): Buffer {
    return this.#tip.hash
  }

  version(stream: StreamId): number {
    return this.#versions.get(stream) ?? this.#tip.versions.get(stream) ?? this.#known.endedAt(stream)
  }

  /**
   * Adds a batch.
   *
   * @returns seq of its first event
   * @throws E_LOG_CONFLICT, E_LOG_DUPLICATE; the draft is then unchanged
   */
  add(batch: AppendBatch): number {
    this.#refuseConflict(batch.expected)
    this.#refuseDuplicates(batch.events)
    const first = this.#tip.seq + 1
    for (const event of batch.events) this.#place(event)
    return first
  }

  /** Moves the tip to the end of the draft. Call it once, after the commit. */
  applyTo(tip: Tip): void {
    for (const [stream, ver] of this.#versions) tip.versions.set(stream, ver)
    tip.seq = this.#tip.seq
    tip.hash = this.#tip.hash
    tip.session = this.#tip.session
  }

  #refuseConflict(expected: AppendBatch['expected']): void {
    for (const [name, wanted] of Object.entries(expected)) {
      if (wanted === undefined) continue
      const found = this.version(name as StreamId)
      if (found !== wanted) {
        throw new LogError('E_LOG_CONFLICT', `stream ${name} is at version ${found}, expected ${wanted}`)
      }
    }
  }

  #refuseDuplicates(events: readonly NewEvent[]): void {
    const ids = new Set<string>()
    const keys = new Set<string>()
    for (const { id, key, t } of events) {
      if (ids.has(id) || this.#ids.has(id) || this.#known.hasId(id)) {
        throw new LogError('E_LOG_DUPLICATE', `event ${id} is already in the log`)
      }
      ids.add(id)
      if (key === undefined) continue
      if (keys.has(key) || this.#keys.has(key) || this.#known.hasKey(key, t - KEY_LIFETIME_MS)) {
        throw new LogError('E_LOG_DUPLICATE', `a command with key ${key} is already in the log`)
      }
      keys.add(key)
    }
  }

  #place(event: NewEvent): void {
    const seq = this.#tip.seq + 1
    const ver = this.version(event.stream) + 1
    if (event.type === 'SessionOpened') this.#tip.session = seq
    const stored = placed(event, seq, ver, this.#tip.session)
    const { body, hash } = chained(this.#tip.hash, stored)
    this.rows.push({ event: stored, body, hash })
    this.#tip.seq = seq
    this.#tip.hash = hash
    this.#versions.set(event.stream, ver)
    this.#ids.add(event.id)
    if (event.key !== undefined) this.#keys.add(event.key)
  }
}

/** What a store needs from outside to make the event that opens a segment. */
export type Stamp = { readonly id: string; readonly t: number; readonly m: number }

export type PreviousSegment = { segment: number; first: number; last: number; head: string }

export type SegmentBegin = {
  readonly segment: number
  readonly previous: PreviousSegment | null
  readonly pruned: SegmentHead | null
  readonly format: Format
}

/** First event of a segment (DESIGN D9). It says again what was pruned: the event that did may be pruned one day. */
export function segmentOpened(
  stamp: Stamp,
  { segment, previous, pruned, format: { number, since } }: SegmentBegin,
): NewEvent {
  const data = { segment, previous, ...(pruned === null ? {} : { pruned }), format: { number, since } }
  return { stream: 'log', type: 'SegmentOpened', v: 1, ...stamp, data }
}

/** What an event of the stream `log` says was pruned; undefined when it says nothing of it. @pure */
export function prunedBy({ type, data }: Pick<StoredEvent, 'type' | 'data'>): SegmentHead | null | undefined {
  if (type === 'SegmentsPruned') return (data as EventData<'SegmentsPruned'>).segments.at(-1) ?? null
  if (type === 'SegmentOpened') return (data as EventData<'SegmentOpened'>).pruned ?? null
  return undefined
}

/** The format that a segment is written in. @throws when this osctld does not know it: it must not write it */
export function writable(formats: Formats, number: number): Format {
  const format = formatOf(formats, number)
  if (!format) throw new LogError('E_LOG_READ_ONLY', `this osctld does not know format ${number} of the log`)
  return format
}

/** The first osctld that knows a segment's format, as its first event says; null when it does not. @pure */
export function sinceOf({ type, data }: Pick<StoredEvent, 'type' | 'data'>): string | null {
  if (type !== 'SegmentOpened') return null
  return (data as EventData<'SegmentOpened'>).format?.since ?? null
}
