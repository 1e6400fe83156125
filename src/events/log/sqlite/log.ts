/**
 * The log of a pool on SQLite (DESIGN D4, D5, D9).
 *
 * One directory, one writer. The open segment takes appends; sealed ones are immutable. All work is
 * synchronous and short, and is dealt out by turns: appends that wait are committed together, reads and
 * verification go on a slice at a time in between. The same class serves in process and inside the worker.
 *
 * Invariants: an event is in the file before its promise resolves, synced; `seq` has no gap and no
 * duplicate across segments; the tip in memory is the end of the file, or the log is poisoned and refuses
 * everything; a log that was found damaged is never appended to.
 */
import { tmpdir } from 'node:os'
import type { Head, NewEvent, StoredEvent } from '../../types/envelope.ts'
import type { SegmentHead } from '../../types/log-events.ts'
import type { Place, RawSlice } from '../../types/query.ts'
import { headOf, paired, parseBody } from '../chain.ts'
import type { Known, Row, Stamp } from '../draft.ts'
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
} from '../store.ts'
import { Columns } from './columns.ts'
import { type CommitHooks, Committer } from './commit.ts'
import { type Binding, openForAppend, refusal } from './connection.ts'
import type { AtRecoverStep } from './finish.ts'
import { type Opening, openLog } from './opening.ts'
import { prunedIn, removePruned, segmentInfos } from './prune.ts'
import { Reader } from './reader.ts'
import { recoverLog } from './recover.ts'
import { type AtStep, buildNext, planNext, publish } from './seal.ts'
import { Segment, type Slice } from './segment.ts'
import { Turns } from './turns.ts'
import { Verification } from './verify.ts'

export type SqliteLogOptions = CommitHooks &
  Binding & {
    readonly dir: string
    readonly stamp: () => Stamp
    readonly create?: boolean | undefined
    readonly mountpoint?: boolean | undefined
    readonly scratch?: string | undefined
    readonly atSealStep?: AtStep | undefined
    readonly atRecoverStep?: AtRecoverStep | undefined
  }

/** Bounds what one commit can cost those who wait for the next. */
const MAX_EVENTS_A_COMMIT = 4096

type Expected = AppendBatch['expected']
type Waiting = {
  batch: AppendBatch
  resolve: (appended: Appended) => void
  reject: (error: LogError) => void
}
type Opened = Opening & { committer: Committer | null; reader: Reader; known: Known }

export class SqliteLog implements LogStore {
  readonly #options: SqliteLogOptions
  readonly #turns = new Turns(() => this.#flush())
  #waiting: Waiting[] = []
  #opened: Opened | null = null

  constructor(options: SqliteLogOptions) {
    this.#options = options
  }

  async open(): Promise<OpenedLog> {
    if (this.#opened) throw new LogError('E_LOG_LOCKED', 'the event log is open already')
    const { create = true, mountpoint = false, scratch = tmpdir() } = this.#options
    this.#adopt(openLog({ ...this.#options, create, mountpoint, scratch }))
    return this.#describe()
  }

  append(batch: AppendBatch): Promise<Appended> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ batch, resolve, reject })
      this.#turns.wake()
    })
  }

  async read(query: ReadQuery): Promise<ReadSlice> {
    return parsed(await this.readRaw(query))
  }

  async query(query: EventQuery): Promise<ReadSlice> {
    return parsed(await this.queryRaw(query))
  }

  readRaw(query: ReadQuery): Promise<Slice> {
    return this.#sliced((opened, deadline) => opened.reader.read(query, opened.tip.seq, deadline))
  }

  /** Bodies, each followed by its hash. */
  readHashed(query: ReadQuery): Promise<Slice> {
    return this.#sliced((opened, deadline) => opened.reader.raw(query, opened.tip.seq, deadline))
  }

  queryRaw(query: EventQuery): Promise<Slice> {
    return this.#sliced((opened, deadline) => opened.reader.query(query, opened.tip.seq, deadline))
  }

  async raw(query: ReadQuery): Promise<RawSlice> {
    const { bodies, next } = await this.readHashed(query)
    return { rows: paired(bodies), next }
  }

  placeOf(seq: number): Promise<Place | null> {
    return this.#sliced(({ reader, tip }) => reader.placeOf(seq, tip.seq))
  }

  async byId(id: string): Promise<StoredEvent | null> {
    return parsedOrNull(await this.bodyById(id))
  }

  async byKey(key: string): Promise<StoredEvent | null> {
    return parsedOrNull(await this.bodyByKey(key))
  }

  bodyById(id: string): Promise<Buffer | null> {
    return this.#sliced((opened) => opened.reader.byId(id, opened.tip.seq))
  }

  bodyByKey(key: string): Promise<Buffer | null> {
    return this.#sliced((opened) => opened.reader.byKey(key, opened.tip.seq))
  }

  /**
   * Runs with the hashes of the log at hand, which tell whether a cache was made of this very log.
   * @param work  called a slice a turn, until it returns something
   */
  withHashes<T>(
    work: (hashAt: (seq: number) => string | null, deadline: number) => T | undefined,
  ): Promise<T> {
    return this.#job(({ reader, tip }, deadline) =>
      work((seq) => reader.at(seq, tip.seq)?.hash.toString('hex') ?? null, deadline),
    )
  }

  hashAt(seq: number): Promise<string | null> {
    return this.#sliced(({ reader, tip }) => reader.hashAt(seq, tip.seq))
  }

  head(): Head {
    const { tip } = this.#require()
    return headOf(tip.seq, tip.hash)
  }

  segmentEvents(): number {
    const { segment, tip } = this.#require()
    return segment ? tip.seq - segment.first + 1 : 0
  }

  seal(events: readonly NewEvent[], expected: Expected = {}, upgrade?: LogUpgrade): Promise<Appended> {
    return new Promise((resolve, reject) => {
      this.#turns.add(() => {
        try {
          resolve(this.#seal({ events, expected }, upgrade))
        } catch (error) {
          reject(refusal(error))
        }
        return true
      })
    })
  }

  segments(): Promise<SegmentInfo[]> {
    return this.#sliced(({ directory, catalog, segment }) => segmentInfos(directory, catalog, segment))
  }

  prune(): Promise<number[]> {
    return this.#sliced(() => {
      const { directory, catalog, segment, tip } = this.#writable()
      catalog.pruned = prunedIn(segment, tip.seq)
      return removePruned(directory, catalog)
    })
  }

  async recover(recovery: LogRecovery): Promise<OpenedLog> {
    const opened = this.#require()
    recoverLog(opened, opened.known, recovery, this.#options)
    this.#opened = null
    opened.catalog.forget()
    opened.segment?.close()
    opened.dispose()
    return await this.open()
  }

  verify({ full, against }: { full: boolean; against?: Head }): Promise<VerifyReport> {
    let running:
      | { verification: Verification; head: Head; pruned: SegmentHead | null; segment: Segment | null }
      | undefined
    return this.#job((opened, deadline) => {
      // Sealing closed the file that was being checked: begin again.
      if (running?.segment !== opened.segment) {
        const head = headOf(opened.tip.seq, opened.tip.hash)
        const row = opened.reader.subjects(full || against !== undefined, opened.tip.seq)
        const { pruned } = opened.catalog
        const verification = new Verification(row, { full, end: head, against, pruned })
        running = { head, pruned, segment: opened.segment, verification }
        running.verification.damage.push(...opened.damage.filter((known) => known.seq === null))
      }
      if (!running.verification.step(deadline)) return undefined
      const { checked, segments, damage } = running.verification
      return { head: running.head, checked, segments, pruned: running.pruned, damage: distinct(damage) }
    })
  }

  async close(): Promise<void> {
    const opened = this.#opened
    if (!opened) return
    while (opened.committer && this.#waiting.length > 0) this.#flush()
    this.#opened = null
    opened.catalog.forget()
    try {
      if (opened.readOnly === null && !opened.committer?.poison) opened.segment?.checkpoint()
      opened.segment?.close()
    } finally {
      opened.dispose()
    }
  }

  #adopt(opening: Opening): void {
    const { segment, readOnly, tip } = opening
    const columns = segment && new Columns(segment.first, tip.seq)
    const reader = new Reader(opening, columns)
    const onRows = (rows: readonly Row[]): void => columns?.add(rows.map(({ event }) => event))
    this.#opened = {
      ...opening,
      reader,
      known: reader.known(),
      committer: segment && readOnly === null ? new Committer(segment, { ...this.#options, onRows }) : null,
    }
    if (columns)
      this.#turns.whenIdle(
        (deadline) => this.#opened?.segment !== segment || columns.catchUp(segment, deadline),
      )
  }

  #describe(): OpenedLog {
    const { replayFrom, tip, readOnly, damage, notes, format } = this.#require()
    return {
      head: headOf(tip.seq, tip.hash),
      format,
      replayFrom,
      streams: new Map(tip.versions),
      readOnly,
      damage: [...damage],
      notes: [...notes],
    }
  }

  #require(): Opened {
    if (!this.#opened) throw new LogError('E_LOG_CLOSED', 'the event log is closed')
    return this.#opened
  }

  /** The writable log, or why there is none. */
  #writable(): Opened & { segment: Segment; committer: Committer } {
    const opened = this.#require()
    const { committer, segment, readOnly } = opened
    if (!committer || !segment)
      throw new LogError('E_LOG_READ_ONLY', readOnly ?? 'the event log is read-only')
    if (committer.poison) throw committer.poison
    return { ...opened, segment, committer }
  }

  #flush(): boolean {
    const group = this.#takeGroup()
    if (group.length === 0) return false
    try {
      const { committer, tip, known } = this.#writable()
      const outcomes = committer.commit(
        group.map((it) => it.batch),
        tip,
        known,
      )
      for (const [i, { resolve, reject }] of group.entries()) {
        const outcome = outcomes[i]
        if (outcome instanceof LogError) reject(outcome)
        else if (outcome) resolve(outcome)
      }
    } catch (error) {
      for (const { reject } of group) reject(refusal(error))
    }
    return this.#waiting.length > 0
  }

  #takeGroup(): Waiting[] {
    let events = 0
    const end = this.#waiting.findIndex(({ batch }) => {
      events += batch.events.length
      return events > MAX_EVENTS_A_COMMIT
    })
    return this.#waiting.splice(0, end === -1 ? this.#waiting.length : Math.max(end, 1))
  }

  #sliced<T>(work: (opened: Opened, deadline: number) => T): Promise<T> {
    return this.#job((opened, deadline) => work(opened, deadline))
  }

  /** Runs until it returns something, a slice a turn. */
  #job<T>(work: (opened: Opened, deadline: number) => T | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#turns.add((deadline) => {
        try {
          const result = work(this.#require(), deadline)
          if (result !== undefined) resolve(result)
          return result !== undefined
        } catch (error) {
          reject(refusal(error))
          return true
        }
      })
    })
  }

  #seal(baselines: AppendBatch, upgrade?: LogUpgrade): Appended {
    const opened = this.#writable()
    const { directory, catalog, segment, tip, committer } = opened
    const { atSealStep: atStep = () => {} } = this.#options
    const { draft, next: built, format } = planNext(opened, baselines, upgrade, this.#options)
    buildNext(directory, built, this.#options)
    atStep('built')
    try {
      publish(directory, segment, atStep)
      const next = new Segment(openForAppend(directory.open, this.#options))
      draft.applyTo(tip)
      catalog.forget()
      this.#adopt({ ...opened, format, segment: next, tip: { ...tip, versions: next.versions(tip.seq) } })
      return { first: built.first, head: headOf(tip.seq, tip.hash) }
    } catch (error) {
      committer.poison = new LogError('E_LOG_UNKNOWN', 'sealing failed: the event log must be reopened', {
        cause: error,
      })
      throw committer.poison
    }
  }
}

function parsed({ bodies, next }: Slice): ReadSlice {
  return { events: bodies.map(parseBody), next }
}

const parsedOrNull = (body: Buffer | null): StoredEvent | null => (body ? parseBody(body) : null)

function distinct<T>(items: readonly T[]): T[] {
  const seen = new Map(items.map((item) => [JSON.stringify(item), item]))
  return [...seen.values()]
}
