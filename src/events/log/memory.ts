/**
 * The log on a disk in memory: the simulator's store, held to the same contract as the one on SQLite.
 *
 * Time passes only where `pause` is awaited: before a group is taken, and between its write and its sync.
 * A store whose daemon died never settles a promise again, for nobody is left to hear it.
 */
import type { Head, NewEvent, StoredEvent } from '../types/envelope.ts'
import { FORMATS, type Formats, newest, tooNew } from '../types/formats.ts'
import type { Place, RawSlice } from '../types/query.ts'
import { headOf, NO_HASH, parseBody } from './chain.ts'
import { Draft, KEY_LIFETIME_MS, type Stamp, segmentOpened, type Tip, writable } from './draft.ts'
import { type Fault, type MemoryDisk, MemorySegment, type SyncPoint } from './memory-disk.ts'
import { emptyTip, findId, findKey, knownOf, selectRows, tipOf, verifyDisk } from './memory-read.ts'
import { formatNow, mended, nextSegment, prunedOf, segmentsOf } from './memory-segments.ts'
import {
  type AppendBatch,
  type Appended,
  type EventQuery,
  LogError,
  type LogRecovery,
  type LogStore,
  type LogUpgrade,
  type OpenedLog,
  type ReadQuery,
  type ReadSlice,
  type SegmentInfo,
  type VerifyReport,
} from './store.ts'

export type MemoryLogOptions = {
  readonly disk: MemoryDisk
  readonly stamp: () => Stamp
  readonly create?: boolean | undefined
  readonly formats?: Formats | undefined
  /** Lets others run. Default: one microtask. */
  readonly pause?: (() => Promise<void>) | undefined
}

type Expected = AppendBatch['expected']
type Waiting = {
  batch: AppendBatch
  resolve: (appended: Appended) => void
  reject: (error: LogError) => void
}

/** A promise of its own each time: one for all would keep whoever awaits it alive for ever. */
const never = (): Promise<never> => new Promise(() => {})

export class MemoryLog implements LogStore {
  readonly #disk: MemoryDisk
  readonly #stamp: () => Stamp
  readonly #create: boolean
  readonly #formats: Formats
  readonly #pause: () => Promise<void>
  #tip: Tip = emptyTip()
  #waiting: Waiting[] = []
  #life = 0
  #isOpen = false
  #isFlushing = false
  #readOnly: string | null = null
  #poison: LogError | null = null

  constructor(options: MemoryLogOptions) {
    const { disk, stamp, create = true, formats = FORMATS, pause = () => Promise.resolve() } = options
    this.#formats = formats
    this.#disk = disk
    this.#stamp = stamp
    this.#create = create
    this.#pause = pause
  }

  async open(): Promise<OpenedLog> {
    await this.#pause()
    this.#disk.requireOpenable()
    this.#life = this.#disk.life
    if (!this.#disk.open()) await this.#createFirst()
    this.#disk.isHeld = true
    this.#isOpen = true
    this.#poison = null
    const { damage } = verifyDisk(this.#disk, { full: false })
    const broken = damage.find((it) => it.seq !== null)
    this.#readOnly = broken ? `damaged at ${broken.seq}: ${broken.what}` : null
    const format = formatNow(this.#disk)
    this.#readOnly ??= tooNew(this.#formats, format)
    if (this.#disk.isReadOnly) this.#readOnly ??= 'the event log is on a read-only file system'
    this.#tip = tipOf(this.#disk, broken?.seq ?? null)
    if (this.#readOnly === null) await this.#prune()
    const replayFrom = this.#disk.open()?.first ?? 1
    const head = this.head()
    return {
      head,
      format,
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
    const rows = events.flatMap(({ seq }) => this.#disk.at(seq) ?? [])
    return { rows: rows.map(({ body, hash }) => ({ body, hash })), next }
  }

  async placeOf(seq: number): Promise<Place | null> {
    await this.#turn()
    const segment = this.#disk.segments.findLast((it) => it.first <= seq)
    const row = seq > this.#tip.seq ? undefined : this.#disk.at(seq)
    return segment && row ? { segmentFirst: segment.first, hash: row.hash.toString('hex') } : null
  }

  async byId(id: string): Promise<StoredEvent | null> {
    await this.#turn()
    const row = findId(this.#disk, id)
    return row && row.event.seq <= this.#tip.seq ? parseBody(row.body) : null
  }

  async byKey(key: string): Promise<StoredEvent | null> {
    await this.#turn()
    const last = this.#disk.at(this.#tip.seq)?.event.t ?? 0
    const row = findKey(this.#disk.segments, key, last - KEY_LIFETIME_MS)
    return row && row.event.seq <= this.#tip.seq ? parseBody(row.body) : null
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

  async seal(events: readonly NewEvent[], expected: Expected = {}, upgrade?: LogUpgrade): Promise<Appended> {
    await this.#turn()
    this.#assertWritable()
    const now = { tip: this.#tip, known: knownOf(this.#disk), stamp: this.#stamp }
    const { draft, next } = nextSegment(this.#disk, now, { events, expected }, upgrade, this.#formats)
    await this.#makeDurable('seal', draft.rows.length, () => {
      this.#disk.segments.push(next)
    })
    draft.applyTo(this.#tip)
    this.#tip.versions = tipOf(this.#disk, null).versions
    return { first: next.first, head: this.head() }
  }

  async recover(recovery: LogRecovery): Promise<OpenedLog> {
    await this.#turn()
    const disk = this.#disk
    const damaged = disk.open()
    if (this.#readOnly === null || !damaged)
      throw new LogError('E_LOG_READ_ONLY', 'the event log is not damaged')
    if (disk.isReadOnly) throw new LogError('E_LOG_READ_ONLY', this.#readOnly)
    const format = writable(this.#formats, damaged.format)
    const now = { tip: this.#tip, known: knownOf(disk), stamp: this.#stamp, format }
    const segment = mended(disk, damaged, now, recovery)
    await this.#makeDurable('recover', recovery.events.length, () => {
      disk.evidence.set(recovery.label, damaged)
      disk.segments.splice(-1, 1, segment)
    })
    this.#isOpen = false
    disk.isHeld = false
    return await this.open()
  }

  async segments(): Promise<SegmentInfo[]> {
    await this.#turn()
    return segmentsOf(this.#disk)
  }

  async prune(): Promise<number[]> {
    await this.#turn()
    this.#assertWritable()
    return await this.#prune()
  }

  async #prune(): Promise<number[]> {
    const last = prunedOf(this.#disk)?.segment ?? 0
    const numbers = this.#disk.segments.flatMap(({ number }) => (number <= last ? [number] : []))
    if (numbers.length === 0) return []
    await this.#makeDurable('prune', 0, () => {
      this.#disk.segments = this.#disk.segments.filter(({ number }) => number > last)
    })
    return numbers
  }

  async verify(options: { full: boolean; against?: Head }): Promise<VerifyReport> {
    await this.#turn()
    return verifyDisk(this.#disk, options)
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return
    while (this.#isFlushing) await this.#pause()
    if (this.#isDead()) return never()
    this.#isOpen = false
    this.#disk.isHeld = false
  }

  async #createFirst(): Promise<void> {
    if (!this.#create) throw new LogError('E_LOG_MISSING', 'there is no event log here')
    if (this.#disk.isReadOnly)
      throw new LogError('E_LOG_READ_ONLY', 'the event log is on a read-only file system')
    const draft = new Draft(emptyTip(), { hasId: () => false, hasKey: () => false, endedAt: () => 0 })
    const begin = { segment: 1, previous: null, pruned: null, format: newest(this.#formats) }
    draft.add({ events: [segmentOpened(this.#stamp(), begin)], expected: {} })
    await this.#makeDurable('create', 1, () => {
      this.#disk.segments.push(new MemorySegment(1, 1, NO_HASH, draft.rows, begin.format.number))
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
      const draft = new Draft(this.#tip, knownOf(this.#disk))
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
    const fault = this.#disk.meet(point)
    if (fault === 'full') throw new LogError('E_LOG_FULL', 'no space left for the event log')
    if (fault === 'io') throw new LogError('E_LOG_IO', 'the disk failed before COMMIT')
    // A segment is published in one step, at its sync; rows of a commit are on the disk before it, unsynced.
    if (undo) write()
    await this.#pause()
    if (this.#isDead()) return never()
    return this.#meet(fault, point, write, undo)
  }

  #meet(fault: Fault, point: SyncPoint, write: () => void, undo: (() => void) | undefined): Promise<void> {
    if (fault === 'crash-before') return this.#die(point)
    if (fault === 'unknown-lost' || fault === 'away-lost') {
      undo?.()
      return this.#fail()
    }
    write()
    this.#disk.sync()
    if (fault === 'crash-after') return this.#die(point)
    return fault.endsWith('-applied') ? this.#fail() : Promise.resolve()
  }

  #die(point: SyncPoint): Promise<never> {
    this.#disk.crash()
    this.#disk.onCrash(point)
    return never()
  }

  #fail(): Promise<never> {
    this.#poison = new LogError('E_LOG_UNKNOWN', 'COMMIT failed, its outcome is unknown')
    return Promise.reject(this.#poison)
  }

  async #turn(): Promise<void> {
    await this.#pause()
    if (this.#isDead()) return never()
    this.#assertOpen()
  }

  #isDead(): boolean {
    return this.#life !== 0 && this.#life !== this.#disk.life
  }

  #assertOpen(): void {
    if (!this.#isOpen) throw new LogError('E_LOG_CLOSED', 'the event log is closed')
  }

  #assertWritable(): void {
    this.#assertOpen()
    if (this.#poison) throw this.#poison
    if (this.#readOnly !== null) throw new LogError('E_LOG_READ_ONLY', this.#readOnly)
  }
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
