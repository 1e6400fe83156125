/**
 * What the daemon asks of the world outside of it, so that one process can simulate all of it: the host,
 * the disks that logs lie on, clocks, timers, ids and the operator's log. Adapters stand in `adapters/`.
 */

import type { Checkpoint } from '../audit/past.ts'
import type { EffectTable } from '../effects/effect.ts'
import type { Host } from '../effects/host.ts'
import type { Rehearsal, Stage } from '../effects/rehearsal.ts'
import type { LogStore } from '../events/log/store.ts'
import { FORMATS, type Formats } from '../events/types/formats.ts'
import type { StreamId } from '../events/types/ids.ts'
import type { Minting } from '../machines/advance.ts'

export interface Clock {
  /** ms since the epoch. */
  wall(): number
  /** µs since boot. */
  mono(): number
  /** Resolves after `ms`; rejects with the signal's reason when aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

/** Structured lines for the operator's log (svlogd, syslog); never secrets. */
export interface Logger {
  info(data: Record<string, unknown>, message: string): void
  warn(data: Record<string, unknown>, message: string): void
  error(data: Record<string, unknown>, message: string): void
}

/** State of one stream as a cache keeps it: a `Baseline` as JSON text; null when the stream ended. */
export type KeptState = { readonly stream: StreamId; readonly ver: number; readonly state: string | null }

/** Disposable checkpoints of states (DESIGN D9). Never fails: what cannot be used is not there. */
export interface StateCache {
  /** The newest checkpoint not above `upTo` that was taken of this very log, or nothing. */
  load(upTo: number): Promise<Checkpoint | null>
  /**
   * Keeps a checkpoint: all streams, or with a `base` those that changed since the checkpoint there.
   * @returns false when it was not kept, as there is no such base
   */
  save(seq: number, base: number | null, states: readonly KeptState[]): Promise<boolean>
  /** Drops all checkpoints. */
  forget(): Promise<void>
  close(): Promise<void>
}

export type DaemonPorts = {
  readonly host: Host
  readonly effects: EffectTable
  /** A host on which effects say what they would do to the real one. */
  rehearse(stage: Stage): Rehearsal
  readonly clock: Clock
  readonly ids: { ulid(): string }
  readonly logger: Logger
  /** The log of a pool whose `<ds>` is this dataset; creates the events dataset when `create`. */
  openPoolLog(pool: string, dataset: string, options: { create: boolean }): Promise<LogStore>
  openCache(pool: string, dataset: string): Promise<StateCache | null>
  openHostLog(): Promise<LogStore>
  /** Keeps the files that shell completion reads; a no-op where there is none. */
  publishNames(names: Readonly<Record<'ct' | 'pool' | 'repo' | 'user', readonly string[]>>): void
  readonly version: string
  /** Formats of logs that this osctld knows; default FORMATS. The stores are opened with the same. */
  readonly formats?: Formats
  /** Events after which a segment is sealed; default SEGMENT_EVENTS. */
  readonly segmentEvents?: number
}

export const mintOf = (ports: Pick<DaemonPorts, 'clock' | 'ids'>): Minting => ({
  id: () => ports.ids.ulid(),
  wall: () => ports.clock.wall(),
  mono: () => ports.clock.mono(),
})

export const formatsOf = ({ formats = FORMATS }: Pick<DaemonPorts, 'formats'>): Formats => formats
