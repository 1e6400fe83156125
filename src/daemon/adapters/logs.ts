/**
 * Real logs: SQLite in a worker thread for each pool, the cache in the same thread; the host's own log in
 * the same form on a volatile directory (DESIGN D19).
 */
import { mkdirSync } from 'node:fs'
import { WorkerLog } from '../../events/log/client.ts'
import { SqliteLog } from '../../events/log/sqlite/log.ts'
import { BASELINE_SCHEMA, MACHINES_VERSION } from '../../machines/baseline.ts'
import type { Clock, DaemonPorts, StateCache } from '../ports.ts'
import { ulids } from './ids.ts'

export type LogOptions = {
  readonly clock: Clock
  /** The directory of a pool's log or cache, there and mounted. */
  directory(dataset: string, kind: 'events' | 'cache', create: boolean): Promise<string>
  /** Directory of the host's own log. */
  readonly host: string
  /** Code version: states cached by another one are dropped. */
  readonly version: string
  /** The log's directory must be a mount point: an unmounted dataset would hide the log behind a new one. */
  readonly mountpoint: boolean
}

export function logPorts(
  options: LogOptions,
): Pick<DaemonPorts, 'openPoolLog' | 'openCache' | 'openHostLog'> {
  const ids = ulids()
  const { clock } = options
  const stamp = () => ({ id: ids.ulid(), t: clock.wall(), m: clock.mono() })
  const key = `${options.version} machines ${MACHINES_VERSION} schema ${BASELINE_SCHEMA}`
  const logs = new Map<string, WorkerLog>()
  return {
    openPoolLog: async (pool, dataset, { create }) => {
      const dir = await options.directory(dataset, 'events', create)
      if (!options.mountpoint) mkdirSync(dir, { recursive: true, mode: 0o700 })
      const cache = await options.directory(dataset, 'cache', true).catch(() => null)
      if (cache !== null && !options.mountpoint) mkdirSync(cache, { recursive: true, mode: 0o700 })
      const log = new WorkerLog({
        dir,
        stamp,
        create,
        mountpoint: options.mountpoint,
        ...(cache === null ? {} : { cache: { dir: cache, key } }),
      })
      logs.set(pool, log)
      return log
    },
    openCache: async (pool) => {
      const log = logs.get(pool)
      return log ? cacheOf(log) : null
    },
    openHostLog: async () => {
      mkdirSync(options.host, { recursive: true, mode: 0o700 })
      // In this thread: the directory is volatile, so a commit waits for no disk.
      return new SqliteLog({ dir: options.host, stamp, create: true })
    },
  }
}

/** The cache lives in the log's thread and ends with it. */
function cacheOf(log: WorkerLog): StateCache {
  return {
    load: async (upTo) => {
      const kept = await log.loadStates(upTo)
      return kept && { seq: kept.position.seq, states: kept.states }
    },
    save: (seq, base, states) => log.saveStates({ seq, base, states }),
    forget: () => log.forgetStates(),
    close: async () => {},
  }
}
