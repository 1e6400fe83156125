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
  settle: string
  /** Why it cannot be adopted, or repaired; null where it can. */
  adopt: string | null
  repair: string | null
  stream: StreamId
  level: 'error' | 'warning'
}

/** An error needs somebody, and makes `healthcheck` fail; a warning is worth knowing. */
export type HealthRow = {
  pool: string | null
  entity: string
  id: string | null
  problem: string
  level: 'error' | 'warning'
}
