/**
 * The thread that owns a pool's log and cache, so that a slow disk stalls nothing but that pool.
 *
 * It serves calls in the order in which they come, appends in groups, reads in slices (sqlite/log.ts).
 * Replies of one turn go back in one message. If the thread dies, the main thread treats what it waited
 * for as a commit with an unknown outcome.
 */
import { isMainThread, type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { type HashAt, StateCacheFile, type Work } from './cache.ts'
import type { Stamp } from './draft.ts'
import { type Call, type Calls, pack, type Reply, type WireError, type WorkerData } from './protocol.ts'
import { SqliteLog } from './sqlite/log.ts'
import { isPast } from './sqlite/segment.ts'
import { LogError } from './store.ts'

let isStarted = false

/**
 * Serves a log if this thread was started for that. A bundle whose worker is the bundle itself calls this
 * before anything else and stops there when it says true.
 */
export function startLogWorkerIfAsked(): boolean {
  if (isMainThread || parentPort === null || (workerData as WorkerData | null)?.role !== 'log') return false
  if (!isStarted) serve(parentPort, workerData as WorkerData)
  isStarted = true
  return true
}

type Handlers = { [N in keyof Calls]: (args: Calls[N]['args']) => Promise<Calls[N]['result']> }

function serve(port: MessagePort, data: WorkerData): void {
  const outbox = new Outbox(port)
  const handlers = handlersOf(data)
  port.on('message', (calls: Call[]) => {
    for (const { n, call, args } of calls) {
      const handle = handlers[call] as (args: unknown) => Promise<unknown>
      handle(args).then(
        (ok) => outbox.add({ n, ok }),
        (error: unknown) => outbox.add({ n, error: wireError(error) }),
      )
    }
  })
}

function handlersOf(data: WorkerData): Handlers {
  let stamp: Stamp = { id: '', t: 0, m: 0 }
  const log = new SqliteLog({ ...data, stamp: () => stamp })
  const cache = data.cache ? new StateCacheFile({ ...data.cache, nativeBinding: data.nativeBinding }) : null
  let last: Promise<unknown> = Promise.resolve()
  /** Works on the cache one after the other, each in slices between commits. */
  const sliced = <T>(begin: (hashAt: HashAt) => Work<T> | null): Promise<T | null> => {
    const mine = last.then(() => {
      let work: Work<T> | null | undefined
      return log.withHashes((hashAt, deadline) => {
        work ??= begin(hashAt)
        return work === null ? null : until(work, deadline)
      })
    })
    last = mine.catch(() => {})
    return mine
  }
  return {
    open: async (args) => {
      stamp = args.stamp
      const opened = await log.open()
      return { ...opened, segmentEvents: log.segmentEvents() }
    },
    append: (batch) => log.append(batch),
    read: async (query) => {
      const { bodies, next } = await log.readRaw(query)
      return pack(bodies, next)
    },
    raw: async (query) => {
      const { bodies, next } = await log.readHashed(query)
      return pack(bodies, next)
    },
    query: async (query) => {
      const { bodies, next } = await log.queryRaw(query)
      return pack(bodies, next)
    },
    placeOf: (seq) => log.placeOf(seq),
    byId: (id) => log.bodyById(id),
    byKey: (key) => log.bodyByKey(key),
    seal: async (args) => {
      stamp = args.stamp
      const appended = await log.seal(args.baselines, args.expected, args.upgrade)
      return { ...appended, segmentEvents: log.segmentEvents() }
    },
    recover: async (args) => {
      stamp = args.stamp
      const opened = await log.recover(args.recovery)
      return { ...opened, segmentEvents: log.segmentEvents() }
    },
    segments: () => log.segments(),
    prune: () => log.prune(),
    hashAt: (seq) => log.hashAt(seq),
    verify: (options) => log.verify(options),
    loadStates: (upTo) => sliced((hashAt) => cache?.load(upTo, hashAt) ?? null),
    saveStates: async (states) => (await sliced((hashAt) => cache?.save(states, hashAt) ?? null)) ?? false,
    forgetStates: () =>
      sliced(() => {
        cache?.forget()
        return null
      }),
    close: async () => {
      cache?.close()
      await log.close()
      return null
    },
  }
}

/** @returns undefined when there is more to do */
function until<T>(work: Work<T>, deadline: number): T | undefined {
  for (;;) {
    const { done, value } = work.next()
    if (done) return value
    if (isPast(deadline)) return undefined
  }
}

/** Sends the replies of one turn together. */
class Outbox {
  readonly #port: MessagePort
  #replies: Reply[] = []
  #moved: ArrayBuffer[] = []

  constructor(port: MessagePort) {
    this.#port = port
  }

  add(reply: Reply): void {
    if (this.#replies.length === 0) queueMicrotask(() => this.#send())
    this.#replies.push(reply)
    const bytes = 'ok' in reply && isPacked(reply.ok) ? reply.ok.bytes.buffer : null
    if (bytes instanceof ArrayBuffer) this.#moved.push(bytes)
  }

  #send(): void {
    this.#port.postMessage(this.#replies, this.#moved)
    this.#replies = []
    this.#moved = []
  }
}

function isPacked(value: unknown): value is { bytes: Uint8Array } {
  return typeof value === 'object' && value !== null && 'bytes' in value && value.bytes instanceof Uint8Array
}

function wireError(error: unknown): WireError {
  if (error instanceof LogError) return { code: error.code, message: error.message }
  return { code: 'E_LOG_IO', message: error instanceof Error ? error.message : String(error) }
}

startLogWorkerIfAsked()
