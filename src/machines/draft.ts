/** What goes into a batch: facts on their way to becoming events, and the states that they start from. */
import type { Fact } from '../events/types/events.ts'
import type { StreamId } from '../events/types/ids.ts'
import type { CtState } from './container/machine.ts'
import type { PoolState } from './pool/machine.ts'

export type Minting = {
  /** A new ULID. */
  id(): string
  /** Wall clock, ms. */
  wall(): number
  /** Monotonic clock, µs since boot. */
  mono(): number
}

/** The states that a batch starts from. A stream without events is in its machine's initial state. */
export type View = {
  pool(): PoolState
  ct(id: string): CtState
  /** Every container of the pool, gone ones excluded. */
  cts(): Iterable<CtState>
}

export type Draft = {
  readonly stream: StreamId
  readonly fact: Fact
  /** Given for the event that starts an operation, whose id is the operation's. */
  readonly id?: string
  readonly op?: string
  readonly by?: string
  readonly key?: string | undefined
}
