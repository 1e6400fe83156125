/**
 * The main thread's side of a log that lives in a worker: the port of `store.ts`, and the pool's cache.
 *
 * Calls of one turn of the event loop travel in one message. A commit that has been pending for
 * `SUSPENDED_AFTER_MS` is told to `onSuspended`, and again when it came through: the daemon shows the pool
 * as suspended meanwhile. If the worker dies, the appends that it owed an answer have an unknown outcome.
 */
import { performance } from 'node:perf_hooks'
import { Worker } from 'node:worker_threads'
import type { Head, NewEvent, StoredEvent } from '../types/envelope.ts'
import type { Formats } from '../types/formats.ts'
import type { Place, RawSlice } from '../types/query.ts'
import type { CachedStates, StateCacheKey, StatesToKeep } from './cache.ts'
import { paired, parseBody } from './chain.ts'
import type { Stamp } from './draft.ts'
import type { Call, CallName, Calls, PackedSlice, Reply, WorkerData } from './protocol.ts'
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

/** A commit that takes longer than this makes its pool suspended (DESIGN D4). */
export const SUSPENDED_AFTER_MS = 5000

/**
 * The thread's garbage is short-lived buffers. With V8's default it keeps 40 MB of them after a full read;
 * with this, none to speak of.
 */
const RESOURCE_LIMITS = { maxYoungGenerationSizeMb: 4 }

export type WorkerLogOptions = {
  readonly dir: string
  readonly stamp: () => Stamp
  /** What the thread runs; the bundle itself when it is one file. Default: worker.ts beside this file. */
  readonly entry?: string | URL | undefined
  readonly create?: boolean | undefined
  readonly mountpoint?: boolean | undefined
  readonly scratch?: string | undefined
  readonly nativeBinding?: string | undefined
  readonly formats?: Formats | undefined
  readonly cache?: { readonly dir: string; readonly key: StateCacheKey } | undefined
  /** Told when a commit becomes overdue, and when none is any more. */
  readonly onSuspended?: ((isSuspended: boolean) => void) | undefined
  readonly suspendedAfterMs?: number | undefined
}

type Pending = {
  readonly call: CallName
  readonly since: number
  readonly resolve: (value: unknown) => void
  readonly reject: (error: LogError) => void
}

export class WorkerLog implements LogStore {
  readonly #options: WorkerLogOptions
  #worker: Worker | null = null
  #outbox: Call[] = []
  readonly #pending = new Map<number, Pending>()
  #n = 0
  #head: Head | null = null
  #segmentEvents = 0
  #watch: NodeJS.Timeout | null = null
  #isSuspended = false

  constructor(options: WorkerLogOptions) {
    this.#options = options
  }

  async open(): Promise<OpenedLog> {
    if (this.#worker) throw new LogError('E_LOG_LOCKED', 'the event log is open already')
    this.#start()
    try {
      const { segmentEvents, ...opened } = await this.#call('open', { stamp: this.#options.stamp() })
      this.#head = opened.head
      this.#segmentEvents = segmentEvents
      return opened
    } catch (error) {
      await this.#stop()
      throw error
    }
  }

  append(batch: AppendBatch): Promise<Appended> {
    return this.#call('append', batch).then((appended) => {
      this.#advance(appended.head)
      return appended
    })
  }

  async read(query: ReadQuery): Promise<ReadSlice> {
    return unpacked(await this.#call('read', query))
  }

  async query(query: EventQuery): Promise<ReadSlice> {
    return unpacked(await this.#call('query', query))
  }

  async raw(query: ReadQuery): Promise<RawSlice> {
    const { bytes, lengths, next } = await this.#call('raw', query)
    return { rows: paired(cut(bytes, lengths)), next }
  }

  placeOf(seq: number): Promise<Place | null> {
    return this.#call('placeOf', seq)
  }

  async byId(id: string): Promise<StoredEvent | null> {
    const body = await this.#call('byId', id)
    return body ? parseBody(body) : null
  }

  async byKey(key: string): Promise<StoredEvent | null> {
    const body = await this.#call('byKey', key)
    return body ? parseBody(body) : null
  }

  head(): Head {
    if (!this.#head) throw closed()
    return this.#head
  }

  segmentEvents(): number {
    if (!this.#head) throw closed()
    return this.#segmentEvents
  }

  async seal(
    baselines: readonly NewEvent[],
    expected: AppendBatch['expected'] = {},
    upgrade?: LogUpgrade,
  ): Promise<Appended> {
    const stamp = this.#options.stamp()
    const { segmentEvents, ...appended } = await this.#call('seal', { stamp, baselines, expected, upgrade })
    this.#head = appended.head
    this.#segmentEvents = segmentEvents
    return appended
  }

  async recover(recovery: LogRecovery): Promise<OpenedLog> {
    const stamp = this.#options.stamp()
    const { segmentEvents, ...opened } = await this.#call('recover', { stamp, recovery })
    this.#head = opened.head
    this.#segmentEvents = segmentEvents
    return opened
  }

  segments(): Promise<SegmentInfo[]> {
    return this.#call('segments', null)
  }

  prune(): Promise<number[]> {
    return this.#call('prune', null)
  }

  hashAt(seq: number): Promise<string | null> {
    return this.#call('hashAt', seq)
  }

  verify(options: { full: boolean; against?: Head }): Promise<VerifyReport> {
    return this.#call('verify', options)
  }

  /** The newest states out of the cache that are not above `upTo`; null when there are none to be trusted. */
  loadStates(upTo: number): Promise<CachedStates | null> {
    return this.#call('loadStates', upTo)
  }

  saveStates(states: StatesToKeep): Promise<boolean> {
    return this.#call('saveStates', states)
  }

  async forgetStates(): Promise<void> {
    await this.#call('forgetStates', null)
  }

  /** When the oldest commit that is still pending was asked for (performance.now()), or null. */
  pendingSince(): number | null {
    for (const { call, since } of this.#pending.values()) if (isCommit(call)) return since
    return null
  }

  async close(): Promise<void> {
    if (!this.#worker) return
    try {
      await this.#call('close', null)
    } finally {
      await this.#stop()
    }
  }

  #start(): void {
    const { dir, create = true, mountpoint = false, scratch, nativeBinding, formats, cache } = this.#options
    const given = { dir, create, mountpoint, scratch, nativeBinding, formats, cache }
    const workerData: WorkerData = { role: 'log', ...given }
    const entry = this.#options.entry ?? new URL('./worker.ts', import.meta.url)
    const worker = new Worker(entry, { workerData, resourceLimits: RESOURCE_LIMITS })
    worker.on('message', (replies: Reply[]) => this.#receive(replies))
    worker.on('error', (error) => this.#lost(worker, `the log's thread failed: ${error.message}`))
    worker.on('exit', () => this.#lost(worker, "the log's thread ended"))
    this.#worker = worker
  }

  async #stop(): Promise<void> {
    const worker = this.#worker
    this.#worker = null
    this.#head = null
    this.#fail('the event log is closed')
    await worker?.terminate()
  }

  #call<N extends CallName>(call: N, args: Calls[N]['args']): Promise<Calls[N]['result']> {
    if (!this.#worker) return Promise.reject(closed())
    return new Promise((resolve, reject) => {
      const n = ++this.#n
      this.#pending.set(n, { call, since: performance.now(), resolve: resolve as Pending['resolve'], reject })
      if (this.#outbox.length === 0) setImmediate(() => this.#send())
      this.#outbox.push({ n, call, args } as Call)
      if (isCommit(call)) this.#watchCommits()
    })
  }

  #send(): void {
    const calls = this.#outbox
    this.#outbox = []
    this.#worker?.postMessage(calls)
  }

  #receive(replies: readonly Reply[]): void {
    for (const reply of replies) {
      const pending = this.#pending.get(reply.n)
      this.#pending.delete(reply.n)
      if (!pending) continue
      if ('ok' in reply) pending.resolve(reply.ok)
      else pending.reject(new LogError(reply.error.code, reply.error.message))
    }
    if (this.#isSuspended) this.#watchCommits()
  }

  #advance(head: Head): void {
    if (!this.#head || head.seq <= this.#head.seq) return
    this.#segmentEvents += head.seq - this.#head.seq
    this.#head = head
  }

  /** One timer at most, set for the oldest pending commit. */
  #watchCommits(): void {
    if (this.#watch) return
    const since = this.pendingSince()
    const limit = this.#options.suspendedAfterMs ?? SUSPENDED_AFTER_MS
    const age = since === null ? 0 : performance.now() - since
    this.#tellSuspended(age >= limit)
    if (since === null || age >= limit) return
    this.#watch = setTimeout(
      () => {
        this.#watch = null
        this.#watchCommits()
      },
      Math.ceil(limit - age),
    ).unref()
  }

  #tellSuspended(isSuspended: boolean): void {
    if (isSuspended === this.#isSuspended) return
    this.#isSuspended = isSuspended
    this.#options.onSuspended?.(isSuspended)
  }

  #lost(worker: Worker, why: string): void {
    if (this.#worker !== worker) return
    this.#worker = null
    this.#fail(why)
  }

  #fail(why: string): void {
    const pending = [...this.#pending.values()]
    this.#pending.clear()
    this.#outbox = []
    if (this.#watch) clearTimeout(this.#watch)
    this.#watch = null
    this.#tellSuspended(false)
    for (const { call, reject } of pending) {
      reject(new LogError(isCommit(call) ? 'E_LOG_UNKNOWN' : 'E_LOG_CLOSED', why))
    }
  }
}

const isCommit = (call: CallName): boolean => call === 'append' || call === 'seal'

const closed = (): LogError => new LogError('E_LOG_CLOSED', 'the event log is closed')

function unpacked({ bytes, lengths, next }: PackedSlice): ReadSlice {
  return { events: cut(bytes, lengths).map(parseBody), next }
}

function cut(bytes: Uint8Array, lengths: Uint32Array): Uint8Array[] {
  let at = 0
  return Array.from(lengths, (length) => {
    at += length
    return bytes.subarray(at - length, at)
  })
}
