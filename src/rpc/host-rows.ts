/** What the daemon says of itself and of its host. */
import type { StreamId } from '../events/types/ids.ts'

export type Status = {
  version: string
  protocol: number
  simulated: boolean
  pid: number
  uptimeSeconds: number
  pools: string[]
  problems: string[]
}

/** Something that the host shows and the log does not say. */
export type DriftRow = {
  pool: string
  id: string
  subject: string
  kind: string
  expected: string
  seen: string
  since: number
  /** The command that made it so, who gave it, where and when; null where the pool's own diary does not tell. */
  by: string | null
  settle: string
  /** Why it cannot be adopted, or repaired; null where it can. */
  adopt: string | null
  repair: string | null
  stream: StreamId
  level: 'error' | 'warning'
}

/** A change of our datasets, or an effect that ZFS knows nothing of. */
export type ZfsChangeRow = {
  pool: string
  /** Wall clock, ms since the epoch. */
  time: number
  /** foreign: of somebody else. upkeep: of the log's datasets, its reserve, its anchors. */
  change: 'foreign' | 'unrecorded' | 'effect' | 'upkeep'
  /** The effect's intent, or the act of upkeep; null of a foreign one. */
  of: string | null
  /** Full names of datasets; of an unrecorded effect its arguments. */
  subject: string
  /** In the words of `zpool history`. */
  what: string
  command: string | null
  user: string | null
  host: string | null
  txg: number | null
}

/** An error needs somebody, and makes `healthcheck` fail; a warning is worth knowing. */
export type HealthRow = {
  pool: string | null
  entity: string
  id: string | null
  problem: string
  level: 'error' | 'warning'
}
