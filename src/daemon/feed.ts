/**
 * One pool's events for one subscriber, from a position on: what is next, and where to get it.
 *
 * A commit that is told is kept for a while, so that a subscriber who keeps up is served from memory. One who does
 * not is served from the log: what is kept is bounded, and whoever falls behind it reads what is missing there. So
 * a slow subscriber costs a known amount of memory, waits for nobody, is waited for by nobody, and misses nothing.
 */
import { ask } from '../audit/ask.ts'
import { eventRow, eventRows } from '../audit/read.ts'
import { ctidIn } from '../audit/view.ts'
import type { StoredEvent } from '../events/types/envelope.ts'
import { ctOfStream } from '../events/types/ids.ts'
import { answers, type EventQuery } from '../events/types/query.ts'
import type { CtState } from '../machines/container/machine.ts'
import { ctidOf } from '../machines/fold.ts'
import { lifeOf } from '../machines/life.ts'
import type { EventRow } from '../rpc/results.ts'
import type { Committed } from './journal.ts'
import type { Pool } from './pool.ts'

export type Item = { readonly row: EventRow; readonly state: string | undefined }

/** What a subscriber wants to hear of: conditions that a log can be asked, and a container by any of its names. */
export type Wanted = { readonly query: Omit<EventQuery, 'limit'>; readonly ct: string | null }

/** Events of told commits that are kept. One commit more may be. */
const KEPT = 2000
/** Events that are read from the log at a time. */
const SLICE = 500

export class Feed {
  readonly pool: Pool
  /** Last event that was given out or passed over. */
  position: number
  readonly #wanted: Wanted
  readonly #kept: Committed[] = []
  #keptEvents = 0
  #read: Item[] = []
  #readTo = 0
  readonly #stop: () => void

  /** @param told  called after each commit */
  constructor(pool: Pool, position: number, wanted: Wanted, told: () => void) {
    this.pool = pool
    this.position = position
    this.#wanted = wanted
    this.#stop = pool.journal.listen((committed) => {
      this.#keep(committed)
      told()
    })
  }

  /** Its pool has gone: what is at hand can still be taken, and no more comes. */
  isOver = false

  close(): void {
    this.isOver = true
    this.#stop()
  }

  /** Something is there that has to be read from the log before `peek` knows what is next. */
  get isBehind(): boolean {
    return !this.isOver && this.peek() === null && this.position < this.pool.journal.fold.seq
  }

  /** What is next, if it is at hand. */
  peek(): Item | null {
    return this.#read[0] ?? this.#nextKept()
  }

  take(): void {
    const item = this.peek()
    if (!item) return
    this.position = item.row.seq
    if (this.#read[0] !== item) return
    this.#read.shift()
    if (this.#read.length === 0) this.position = this.#readTo
  }

  /** Reads on in the log. */
  async read(): Promise<void> {
    const { store, fold } = this.pool.journal
    const from = this.position + 1
    const to = fold.seq
    const slice = await store.query({ ...this.#wanted.query, from, to, limit: SLICE })
    const rows = await eventRows(this.pool, store, slice.events)
    this.#read = rows
      .filter((row) => this.#isAbout(row))
      .map((row) => ({ row, state: this.#stateAfter(row) }))
    // What stands behind the last of them is passed over when that is taken.
    this.#readTo = slice.next === null ? to : slice.next - 1
    if (this.#read.length === 0) this.position = this.#readTo
  }

  #keep(committed: Committed): void {
    this.#kept.push(committed)
    this.#keptEvents += committed.stored.length
    while (this.#kept.length > 1 && this.#keptEvents > KEPT)
      this.#keptEvents -= this.#kept.shift()?.stored.length ?? 0
  }

  #nextKept(): Item | null {
    for (let first = this.#kept[0]; first; first = this.#kept[0]) {
      const event = first.stored.find(({ seq }) => seq > this.position)
      if (event && event.seq > this.position + 1) return null
      if (event && this.#isWanted(event, first)) return this.#itemOf(event, first)
      if (event) this.position = event.seq
      else this.#keptEvents -= this.#kept.shift()?.stored.length ?? 0
    }
    return null
  }

  #isWanted(event: StoredEvent, committed: Committed): boolean {
    if (!answers(event, { ...this.#wanted.query, limit: 1 })) return false
    return (
      this.#wanted.ct === null ||
      this.#isAbout({ stream: event.stream, target: this.#nameOf(event, committed) ?? null })
    )
  }

  #isAbout({ stream, target }: Pick<EventRow, 'stream' | 'target'>): boolean {
    const { ct } = this.#wanted
    return ct === null || target === ct || ctOfStream(stream as StoredEvent['stream']) === ct
  }

  #itemOf(event: StoredEvent, committed: Committed): Item {
    const { pool } = this
    const state = committed.states.get(event.stream)
    const row = eventRow(pool, event, this.#nameOf(event, committed), pool.bootId)
    return { row, state: state && lifeOf(state) }
  }

  #nameOf({ stream }: StoredEvent, { states }: Committed): string | undefined {
    const id = ctOfStream(stream)
    if (id === undefined) return undefined
    const state = states.get(stream) as CtState | undefined
    return (state && ctidOf(state)) || (ctidIn(this.pool, id) ?? undefined)
  }

  /** The state after the newest event of a stream is the one that it has now. */
  #stateAfter({ stream, ver }: EventRow): string | undefined {
    const { fold, states } = this.pool.journal
    const name = stream as StoredEvent['stream']
    if (fold.versions.get(name) !== ver) return undefined
    const state = states.of(name)
    return state ? lifeOf(state) : undefined
  }
}

/** Position before the first event whose time is not before `since`; the log's end when there is none. */
export async function positionAt(pool: Pool, since: number): Promise<number> {
  const [first] = await ask(pool.journal.store, { since, limit: 1 })
  return first ? first.seq - 1 : pool.journal.fold.seq
}

/** Position before the session that the pool was opened with. */
export async function positionBeforeOpening(pool: Pool): Promise<number> {
  const [opened] = await ask(pool.journal.store, { types: ['SessionOpened'], reverse: true, limit: 1 })
  return opened ? opened.seq - 1 : pool.journal.fold.seq
}
