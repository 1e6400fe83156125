/** One request as its handler sees it: who asks, and how to tell them something before the reply. */
import type { VerifiedActor } from '../events/types/actor.ts'
import type { RpcId } from './protocol.ts'
import type { EventNote } from './results.ts'

export interface Call {
  /** What the kernel says of the caller; what it says of itself is in the parameters' `meta`. */
  readonly actor: VerifiedActor
  /** Null for a JSON-RPC notification: nobody waits for a reply. */
  readonly id: RpcId | null
  /**
   * Aborted when the client is gone, and for a subscription also when it is ended. A command that was
   * accepted goes on regardless; reads and subscriptions stop.
   */
  readonly signal: AbortSignal
  /** Progress of long work, in bytes where `done` and `total` are given. Dropped when the client reads slowly. */
  progress(text: string, done?: number, total?: number | null): void
  /** Names the operation as soon as it is committed, so that a client that stops waiting can say its id. */
  operation(op: string): void
  /** An event for a subscriber; dropped when the subscription is over. */
  notify(note: Omit<EventNote, 'id'>): void
  /** The client has not read what it was sent: send no more until `drained`, or it is kept in memory. */
  readonly isFull: boolean
  /** Resolves when the client has read all, or is gone. */
  drained(): Promise<void>
  /** Ends the subscription with a reason, such as `the pool was exported`. */
  end(reason: string): void
}
