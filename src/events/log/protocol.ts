/**
 * What the main thread and a log's worker say to each other. One message holds an array: all that came up
 * in one turn of the sender's event loop.
 *
 * Events come back as the bytes of their bodies, one buffer moved rather than copied, and are parsed by who
 * wants them: handing over parsed objects would serialise every event twice.
 */
import type { Head, NewEvent } from '../types/envelope.ts'
import type { Formats } from '../types/formats.ts'
import type { Place } from '../types/query.ts'
import type { CachedStates, StateCacheKey, StatesToKeep } from './cache.ts'
import type { Stamp } from './draft.ts'
import type {
  AppendBatch,
  Appended,
  EventQuery,
  LogErrorCode,
  LogRecovery,
  LogUpgrade,
  OpenedLog,
  ReadQuery,
  SegmentInfo,
  VerifyReport,
} from './store.ts'

export type WorkerData = {
  readonly role: 'log'
  readonly dir: string
  readonly create: boolean
  readonly mountpoint: boolean
  readonly scratch?: string | undefined
  readonly nativeBinding?: string | undefined
  readonly formats?: Formats | undefined
  readonly cache?: { readonly dir: string; readonly key: StateCacheKey } | undefined
}

export type PackedSlice = {
  readonly bytes: Uint8Array
  readonly lengths: Uint32Array
  readonly next: number | null
}

/** `stamp` is made in the main thread: ids and clocks are its ports. */
export type Calls = {
  open: { args: { stamp: Stamp }; result: OpenedLog & { segmentEvents: number } }
  append: { args: AppendBatch; result: Appended }
  read: { args: ReadQuery; result: PackedSlice }
  raw: { args: ReadQuery; result: PackedSlice }
  query: { args: EventQuery; result: PackedSlice }
  placeOf: { args: number; result: Place | null }
  byId: { args: string; result: Uint8Array | null }
  byKey: { args: string; result: Uint8Array | null }
  seal: {
    args: {
      stamp: Stamp
      baselines: readonly NewEvent[]
      expected: AppendBatch['expected']
      upgrade: LogUpgrade | undefined
    }
    result: Appended & { segmentEvents: number }
  }
  recover: {
    args: { stamp: Stamp; recovery: LogRecovery }
    result: OpenedLog & { segmentEvents: number }
  }
  segments: { args: null; result: SegmentInfo[] }
  prune: { args: null; result: number[] }
  hashAt: { args: number; result: string | null }
  verify: { args: { full: boolean; against?: Head }; result: VerifyReport }
  loadStates: { args: number; result: CachedStates | null }
  saveStates: { args: StatesToKeep; result: boolean }
  forgetStates: { args: null; result: null }
  close: { args: null; result: null }
}
export type CallName = keyof Calls

export type Call = {
  [N in CallName]: { readonly n: number; readonly call: N; readonly args: Calls[N]['args'] }
}[CallName]

export type WireError = { readonly code: LogErrorCode; readonly message: string }
export type Reply = { readonly n: number } & ({ readonly ok: unknown } | { readonly error: WireError })

export function pack(bodies: readonly Uint8Array[], next: number | null): PackedSlice {
  const lengths = new Uint32Array(bodies.length)
  let total = 0
  for (const [i, body] of bodies.entries()) {
    lengths[i] = body.length
    total += body.length
  }
  const bytes = new Uint8Array(total)
  let at = 0
  for (const body of bodies) {
    bytes.set(body, at)
    at += body.length
  }
  return { bytes, lengths, next }
}
