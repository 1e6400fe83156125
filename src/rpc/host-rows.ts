/** What the daemon says of itself and of its host. */

export type Status = {
  version: string
  protocol: number
  simulated: boolean
  pid: number
  uptimeSeconds: number
  pools: string[]
  problems: string[]
}

/** An error needs somebody, and makes `healthcheck` fail; a warning is worth knowing. */
export type HealthRow = {
  pool: string | null
  entity: string
  id: string | null
  problem: string
  level: 'error' | 'warning'
}
