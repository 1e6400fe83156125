/** A log as a file (portable.ts): its header, its pages, and what a replay says of it. */
import type { BootReport } from './boot-rows.ts'
import type { HealthRow, Status } from './host-rows.ts'

export type ExportHeader = {
  /** Format of the file; the header is the line that has it. */
  readonly osctl_log: number
  readonly pool: string
  readonly guid: string | null
  readonly dataset: string
  readonly directory: string
  /** Only this container, and what states need besides: the pool's own events and the log's. */
  readonly container: { readonly id: string; readonly ctid: string } | null
  /** Position of the first event, and the hash that it is chained to. */
  readonly first: number
  readonly previous: string
  /** The log's end when the file was begun. */
  readonly head: { readonly seq: number; readonly hash: string }
  readonly exported_at: number
  readonly host: string
  readonly versions: { readonly osctl: string; readonly machines: number; readonly baseline_schema: number }
  readonly simulated: boolean
  /** What the chain of this file shows, and what it cannot. */
  readonly proves: string
  readonly incident: Incident | null
}

/** What an incident's file tells besides the log. */
export type Incident = {
  readonly since: number
  readonly status: Status
  readonly health: readonly HealthRow[]
  readonly boots: readonly BootRow[]
  /** What the newest boot made of the containers. */
  readonly boot: BootReport | null
}

/** One opening of the pool by a daemon, and what its recovery found. */
export type BootRow = {
  readonly position: string
  readonly time: number
  readonly boot_id: string
  readonly host: string
  readonly code: string
  /** How the session before ended: none, closed, daemon-died, host-died. */
  readonly previous: string
  /** Null when recovery did not come to its end. */
  readonly found: {
    readonly containers: number
    readonly adopted: number
    readonly lost: number
    readonly exited: number
    readonly settled: number
    readonly inDoubt: number
  } | null
}

/** What `osctl replay` says of one pool of what it was given. */
export type ReplaySummary = {
  source: string
  pool: string
  guid: string | null
  host: string
  /** ctid, when it is the log of one container. */
  container: string | null
  exported_at: number | null
  osctl: string
  simulated: boolean
  events: number
  segments: number
  first: number
  head: { seq: number; hash: string }
  /** Wall clock of the earliest and the latest event. */
  spans: { from: number; to: number } | null
  containers: string[]
  running: string[]
  /** partial: every event fits its hash, and some are left out. */
  chain: 'verified' | 'partial' | 'broken'
  first_bad: { seq: number; what: string } | null
  gaps: number
  proves: string
  quarantined: string[]
  /** Whether the states at the end are those that the daemon had; null when the file does not say. */
  states: 'equal' | 'differ' | null
  incident: Incident | null
}

export type ExportPage = { readonly lines: readonly string[]; readonly next: number | null }
