/**
 * What questions ask of the open segment, as columns in memory.
 *
 * Its file has no index on type, time, operation, actor and failure, since each would cost every commit a page.
 * Here an event is 17 bytes, 4 MB for a full segment, and running over all of them takes a millisecond. It is a
 * filter: names are hashed, so a hit is looked up and compared; what is no hit is surely none.
 *
 * Events of a commit are added by who commits. What stood in the file when it was opened is read by a job with
 * the lowest priority; until it is through, `isComplete` says no and questions walk the file.
 */

import { isNamed } from '../../types/actor-name.ts'
import type { StoredEvent } from '../../types/envelope.ts'
import type { EventType } from '../../types/events.ts'
import { actorOfEvent, type EventQuery, isFailure } from '../../types/query.ts'
import { parseBody } from '../chain.ts'
import { isPast, type Segment } from './segment.ts'

const CLOCK_EVERY = 64
const FIRST_CAPACITY = 4096
/** Stands for any type beyond as many as a byte tells apart. */
const UNKNOWN = 255

/** In the order in which types are met: a list of all would bring their schemas into the log's thread. */
const CODES = new Map<string, number>()

function codeOf(type: string): number {
  const known = CODES.get(type)
  if (known !== undefined) return known
  if (CODES.size === UNKNOWN) return UNKNOWN
  CODES.set(type, CODES.size)
  return CODES.size - 1
}

/** FNV-1a. Zero stands for none. */
function hashOf(text: string | undefined): number {
  if (text === undefined) return 0
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0 || 1
}

export class Columns {
  readonly #first: number
  /** Everything before this was read from the file; what follows `#end` comes by commits. */
  #read: number
  #end: number
  #types = new Uint8Array(FIRST_CAPACITY)
  #times = new Float64Array(FIRST_CAPACITY)
  #ops = new Uint32Array(FIRST_CAPACITY)
  #actors = new Uint16Array(FIRST_CAPACITY)
  #failures = new Uint8Array(FIRST_CAPACITY)
  readonly #names: string[] = ['']
  readonly #codes = new Map<string, number>()

  /** @param last  seq of the last event that the file holds */
  constructor(first: number, last: number) {
    this.#first = first
    this.#read = first
    this.#end = last + 1
  }

  get isComplete(): boolean {
    return this.#read >= this.#end
  }

  /** Whether what it says of actors and failures needs no look at the event. */
  get isExact(): boolean {
    return this.#names.length < 0xffff
  }

  /** Events of one commit, in order. */
  add(events: readonly StoredEvent[]): void {
    for (const event of events) this.#put(event)
  }

  /** Reads on in the file until the deadline. @returns whether all is read, or cannot be */
  catchUp(segment: Segment, deadline: number): boolean {
    try {
      return this.#readOn(segment, deadline)
    } catch {
      // An event that cannot be read is for verify to name; questions go on walking the file.
      return true
    }
  }

  #readOn(segment: Segment, deadline: number): boolean {
    const bodies = segment.prepared('SELECT body FROM events WHERE seq BETWEEN ? AND ? ORDER BY seq').raw()
    const last = this.#end - 1
    for (const [body] of bodies.iterate(this.#read, last) as IterableIterator<[Buffer]>) {
      this.#put(parseBody(body))
      this.#read += 1
      if (this.#read % CLOCK_EVERY === 0 && isPast(deadline)) break
    }
    return this.isComplete
  }

  #put(event: StoredEvent): void {
    const at = event.seq - this.#first
    if (at >= this.#types.length) this.#grow(at)
    const name = actorOfEvent(event)
    this.#types[at] = codeOf(event.type)
    this.#times[at] = event.t
    this.#ops[at] = hashOf(event.op ?? event.id)
    this.#actors[at] = name === null ? 0 : this.#codeOfName(name)
    this.#failures[at] = isFailure(event) ? 1 : 0
  }

  #grow(at: number): void {
    const capacity = Math.max(2 * this.#types.length, at + 1)
    const grown = <T extends Uint8Array | Uint16Array | Uint32Array | Float64Array>(to: T, from: T): T => {
      to.set(from)
      return to
    }
    this.#types = grown(new Uint8Array(capacity), this.#types)
    this.#times = grown(new Float64Array(capacity), this.#times)
    this.#ops = grown(new Uint32Array(capacity), this.#ops)
    this.#actors = grown(new Uint16Array(capacity), this.#actors)
    this.#failures = grown(new Uint8Array(capacity), this.#failures)
  }

  /** More names than codes share the last one: a filter may let too much through, never too little. */
  #codeOfName(name: string): number {
    const known = this.#codes.get(name)
    if (known !== undefined) return known
    const code = Math.min(this.#names.length, 0xffff)
    this.#codes.set(name, code)
    if (code === this.#names.length) this.#names.push(name)
    return code
  }

  /** seqs of events that may answer, in the query's order, at most `limit`. */
  candidates(query: EventQuery, from: number, to: number, limit: number): number[] {
    const { since = 0, until = Number.MAX_SAFE_INTEGER, failed } = query
    const types = query.types ? maskOf(query.types) : null
    const ops = opsOf(query)
    const actors = query.actors ? this.#codesOf(query.actors) : null
    const found: number[] = []
    const [low, high] = [from - this.#first, to - this.#first]
    const step = query.reverse ? -1 : 1
    for (let at = query.reverse ? high : low; at >= low && at <= high; at += step) {
      if (types && types[this.#types[at] ?? UNKNOWN] === 0) continue
      if (failed && this.#failures[at] === 0) continue
      const time = this.#times[at] ?? 0
      if (time < since || time > until) continue
      if (ops && !ops.has(this.#ops[at] ?? 0)) continue
      if (actors && !actors.has(this.#actors[at] ?? 0)) continue
      found.push(at + this.#first)
      if (found.length === limit) break
    }
    return found
  }

  #codesOf(wanted: readonly string[]): Set<number> {
    const codes = new Set([0xffff])
    for (const [code, name] of this.#names.entries()) if (code > 0 && isNamed(name, wanted)) codes.add(code)
    return codes
  }
}

function opsOf({ op, ops }: EventQuery): Set<number> | null {
  if (op === undefined && ops === undefined) return null
  return new Set([...(ops ?? []), ...(op === undefined ? [] : [op])].map(hashOf))
}

/** A byte for each code of a type: 1 if it is wanted. Unknown types are always looked at. */
function maskOf(types: readonly EventType[]): Uint8Array {
  const mask = new Uint8Array(256)
  mask[UNKNOWN] = 1
  for (const type of types) mask[codeOf(type)] = 1
  return mask
}
