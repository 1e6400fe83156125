/**
 * The log on a disk in memory: the simulator's store, held to the same contract as the one on SQLite.
 *
 * Time passes only where `pause` is awaited: before a group is taken, and between its write and its sync.
 * A store whose daemon died never settles a promise again, for nobody is left to hear it.
 */
import type { Head, NewEvent, StoredEvent } from '../types/envelope.ts'
import type { Place, RawSlice } from '../types/query.ts'
import { headOf, NO_HASH, parseBody } from './chain.ts'
import { Draft, KEY_LIFETIME_MS, type Known, type Row, type Stamp, segmentOpened, type Tip } from './draft.ts'
import { type Fault, type MemoryDisk, MemorySegment, type SyncPoint } from './memory-disk.ts'
import { selectRows, verifyDisk } from './memory-read.ts'
import {
  type AppendBatch,
  type Appended,
  type EventQuery,
  LogError,
  type LogStore,
  type OpenedLog,
  type ReadQuery,
  type ReadSlice,
  type VerifyReport,
} from './store.ts'

export type MemoryLogOptions = {
  readonly disk: MemoryDisk
  readonly stamp: () => Stamp
  readonly create?: boolean | undefined
  /** Lets others run. Default: one microtask. */
  readonly pause?: (() => Promise<void>) | undefined
}

type Waiting = {
  batch: AppendBatch
  resolve: (appended: Appended) => void
  reject: (error: LogError) => void
}

const NEVER = new Promise<never>(() => {})

export class MemoryLog implements LogStore {
  readonly #disk: MemoryDisk
  readonly #stamp: () => Stamp
  readonly #create: boolean
  readonly #pause: () => Promise<void>
  #tip: Tip = emptyTip()
  #waiting: Waiting[] = []
  #life = 0
  #isOpen = false
  #isFlushing = false
  #readOnly: string | null = null
  #poison: LogError | null = null

  constructor({ disk, stamp, create = true, pause = () => Promise.resolve() }: MemoryLogOptions) {
    this.#disk = disk
    this.#stamp = stamp
    this.#create = create
    this.#pause = pause
  }

  async open(): Promise<OpenedLog> {
    await this.#pause()
    if (this.#disk.isHeld) throw new LogError('E_LOG_LOCKED', 'another daemon holds the event log')
    this.#life = this.#disk.life
    if (!this.#disk.open()) await this.#createFirst()
    this.#disk.isHeld = true
    this.#isOpen = true
    this.#poison = null
    const { damage } = verifyDisk(this.#disk, { full: false })
    const broken = damage.find((it) => it.seq !== null)
    this.#readOnly = broken ? `damaged at ${broken.seq}: ${broken.what}` : null
    if (this.#disk.isReadOnly) this.#readOnly ??= 'the event log is on a read-only file system'
    this.#tip = tipOf(this.#disk, broken?.seq ?? null)
    const replayFrom = this.#disk.open()?.first ?? 1
    const head = this.head()
    return {
      head,
      replayFrom,
      streams: new Map(this.#tip.versions),
      readOnly: this.#readOnly,
      damage,
      notes: [],
    }
  }

  append(batch: AppendBatch): Promise<Appended> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ batch, resolve, reject })
      if (!this.#isFlushing) void this.#flushAll()
    })
  }

  async read(query: ReadQuery): Promise<ReadSlice> {
    await this.#turn()
    return selectRows(this.#disk, query, this.#tip.seq)
  }

  async query(query: EventQuery): Promise<ReadSlice> {
    await this.#turn()
    return selectRows(this.#disk, query, this.#tip.seq)
  }

  async raw(query: ReadQuery): Promise<RawSlice> {
    const { events, next } = await this.read(query)
    return { bodies: events.map(({ seq }) => this.#disk.at(seq)?.body ?? Buffer.alloc(0)), next }
  }

  async placeOf(seq: number): Promise<Place | null> {
    await this.#turn()
    const segment = this.#disk.segments.findLast((it) => it.first <= seq)
    const row = seq > this.#tip.seq ? undefined : this.#disk.at(seq)
    return segment && row ? { segmentFirst: segment.first, hash: row.hash.toString('hex') } : null
  }

  async byId(id: string): Promise<StoredEvent | null> {
    await this.#turn()
    const seq = this.#disk.segments.map((it) => it.ids.get(id)).find((it) => it !== undefined)
    return seq === undefined || seq > this.#tip.seq ? null : this.#parsed(this.#disk.at(seq))
  }

  async byKey(key: string): Promise<StoredEvent | null> {
    await this.#turn()
    const last = this.#disk.at(this.#tip.seq)?.event.t ?? 0
    const row = findKey(this.#disk.segments, key, last - KEY_LIFETIME_MS)
    return row && row.event.seq <= this.#tip.seq ? this.#parsed(row) : null
  }

  async hashAt(seq: number): Promise<string | null> {
    await this.#turn()
    return seq > this.#tip.seq ? null : (this.#disk.at(seq)?.hash.toString('hex') ?? null)
  }

  head(): Head {
    this.#assertOpen()
    return headOf(this.#tip.seq, this.#tip.hash)
  }

  segmentEvents(): number {
    this.#assertOpen()
    return this.#disk.open()?.rows.length ?? 0
  }

  async seal(baselines: readonly NewEvent[], expected: AppendBatch['expected'] = {}): Promise<Appended> {
    await this.#turn()
    this.#assertWritable()
    const open = this.#disk.open()
    if (!open) throw new LogError('E_LOG_DAMAGED', 'the event log has no open segment')
    const { seq: last, hash } = this.#tip
    const draft = new Draft(this.#tip, this.#known())
    const previous = { segment: open.number, first: open.first, last, head: hash.toString('hex') }
    const first = draft.add({
      events: [segmentOpened(this.#stamp(), open.number + 1, previous), ...baselines],
      expected,
    })
    const next = new MemorySegment(open.number + 1, first, hash, draft.rows)
    await this.#makeDurable('seal', draft.rows.length, () => {
      this.#disk.segments.push(next)
    })
    draft.applyTo(this.#tip)
    this.#tip.versions = tipOf(this.#disk, null).versions
    return { first, head: this.head() }
  }

  async verify(options: { full: boolean; against?: Head }): Promise<VerifyReport> {
    await this.#turn()
    return verifyDisk(this.#disk, options)
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return
    while (this.#isFlushing) await this.#pause()
    if (this.#isDead()) return NEVER
    this.#isOpen = false
    this.#disk.isHeld = false
  }

  async #createFirst(): Promise<void> {
    if (!this.#create) throw new LogError('E_LOG_MISSING', 'there is no event log here')
    if (this.#disk.isReadOnly)
      throw new LogError('E_LOG_READ_ONLY', 'the event log is on a read-only file system')
    const draft = new Draft(emptyTip(), { hasId: () => false, hasKey: () => false, endedAt: () => 0 })
    draft.add({ events: [segmentOpened(this.#stamp(), 1, null)], expected: {} })
    await this.#makeDurable('create', 1, () => {
      this.#disk.segments.push(new MemorySegment(1, 1, NO_HASH, draft.rows))
    })
  }

  async #flushAll(): Promise<void> {
    this.#isFlushing = true
    try {
      await this.#pause()
      while (this.#waiting.length > 0 && !this.#isDead()) await this.#flush(this.#waiting.splice(0))
    } finally {
      this.#isFlushing = false
    }
  }

  async #flush(group: Waiting[]): Promise<void> {
    try {
      this.#assertWritable()
      const draft = new Draft(this.#tip, this.#known())
      const settle = group.map((waiting) => plan(draft, waiting))
      if (draft.rows.length > 0) await this.#commit(draft)
      for (const each of settle) each()
    } catch (error) {
      if (!(error instanceof LogError)) throw error
      for (const { reject } of group) reject(error)
    }
  }

  async #commit(draft: Draft): Promise<void> {
    const { rows } = draft
    let isWritten = false
    await this.#makeDurable(
      'commit',
      rows.length,
      () => {
        if (!isWritten) this.#disk.write(rows)
        isWritten = true
      },
      () => this.#disk.discard(rows.length),
    )
    draft.applyTo(this.#tip)
  }

  /** Writes, waits, syncs, and meets the fault that the disk has for this point. */
  async #makeDurable(
    what: SyncPoint['what'],
    events: number,
    write: () => void,
    undo?: () => void,
  ): Promise<void> {
    const point = this.#disk.nextPoint(what, events)
    const fault = this.#disk.faults(point)
    if (fault === 'full') throw new LogError('E_LOG_FULL', 'no space left for the event log')
    if (fault === 'io') throw new LogError('E_LOG_IO', 'the disk failed before COMMIT')
    // A segment is published in one step, at its sync; rows of a commit are on the disk before it, unsynced.
    if (undo) write()
    await this.#pause()
    if (this.#isDead()) return NEVER
    return this.#meet(fault, point, write, undo)
  }

  #meet(fault: Fault, point: SyncPoint, write: () => void, undo: (() => void) | undefined): Promise<void> {
    if (fault === 'crash-before') return this.#die(point)
    if (fault === 'unknown-lost') {
      undo?.()
      return this.#fail()
    }
    write()
    this.#disk.sync()
    if (fault === 'crash-after') return this.#die(point)
    return fault === 'unknown-applied' ? this.#fail() : Promise.resolve()
  }

  #die(point: SyncPoint): Promise<never> {
    this.#disk.crash()
    this.#disk.onCrash(point)
    return NEVER
  }

  #fail(): Promise<never> {
    this.#poison = new LogError('E_LOG_UNKNOWN', 'COMMIT failed, its outcome is unknown')
    return Promise.reject(this.#poison)
  }

  async #turn(): Promise<void> {
    await this.#pause()
    if (this.#isDead()) return NEVER
    this.#assertOpen()
  }

  #isDead(): boolean {
    return this.#life !== 0 && this.#life !== this.#disk.life
  }

  #parsed(row: Row | undefined): StoredEvent | null {
    return row ? parseBody(row.body) : null
  }

  #assertOpen(): void {
    if (!this.#isOpen) throw new LogError('E_LOG_CLOSED', 'the event log is closed')
  }

  #assertWritable(): void {
    this.#assertOpen()
    if (this.#poison) throw this.#poison
    if (this.#readOnly !== null) throw new LogError('E_LOG_READ_ONLY', this.#readOnly)
  }

  #known(): Known {
    const { segments } = this.#disk
    return {
      hasId: (id) => segments.at(-1)?.ids.has(id) ?? false,
      hasKey: (key, since) => findKey(segments, key, since) !== undefined,
      endedAt: (stream) => {
        const rows = segments.slice(0, -1).flatMap((it) => it.rows)
        return rows.findLast(({ event }) => event.stream === stream)?.event.ver ?? 0
      },
    }
  }
}

/** The event with this key: in the open segment at any age, in earlier ones not before `since`. */
function findKey(segments: readonly MemorySegment[], key: string, since: number): Row | undefined {
  const [open, ...sealed] = [...segments].reverse()
  const young = open?.keys.get(key)
  if (young) return young
  return sealed.map((it) => it.keys.get(key)).find((row) => row !== undefined && row.event.t >= since)
}

const emptyTip = (): Tip => ({ seq: 0, hash: NO_HASH, session: 0, versions: new Map() })

/** Where the log ends, before its damage if there is any. */
function tipOf(disk: MemoryDisk, damagedAt: number | null): Tip {
  const tip = emptyTip()
  for (const { event, hash } of disk.rows()) {
    if (event.seq === damagedAt) break
    Object.assign(tip, { seq: event.seq, hash, session: event.s })
    if (event.type === 'SegmentOpened') tip.versions = new Map()
    tip.versions.set(event.stream, event.ver)
  }
  return tip
}

function plan(draft: Draft, { batch, resolve, reject }: Waiting): () => void {
  try {
    const first = draft.add(batch)
    const head = headOf(draft.seq, draft.hash)
    return () => resolve({ first, head })
  } catch (error) {
    if (!(error instanceof LogError)) throw error
    return () => reject(error)
  }
}
