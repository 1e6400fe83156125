/** What the daemon answers about logs as a whole: are they whole, what are they made of, what would be given up. */

export type VerifyRow = {
  pool: string
  /** lost: its end is missing, or it is an older copy; replaced: it is another log than the one that was anchored */
  result: 'ok' | 'damaged' | 'lost' | 'replaced'
  head: string
  /** Checked. */
  events: number
  segments: number
  /** Last event that was pruned with all before it; null when none was. */
  pruned: number | null
  /** Heads kept outside of the log that it was compared with. */
  anchors: number
  /** First event that is damaged, missing or another one. */
  first_bad: number | null
  problems: string[]
}

/** One file of a log, or one that was. */
export type SegmentRow = {
  pool: string
  segment: number
  state: 'pruned' | 'sealed' | 'open'
  first: number
  last: number
  events: number
  /** Wall clock of the first and last event, ms since the epoch; null where nobody kept it. */
  begun: number | null
  ended: number | null
  bytes: number | null
  /** Hash of its last event. */
  head: string
}

/** The format of a pool's log, and what an upgrade would bring. */
export type FormatRow = {
  pool: string
  format: number
  /** Newest that this osctld knows. */
  newest: number
  /** The first osctld that can write the pool as it is; null when the log does not say. */
  needs: string | null
  /** What it would be upgraded to; null when there is nothing to upgrade. */
  upgrade: number | null
  /** The first osctld that could write it then. */
  would_need: string | null
  /** Of each format that it would get; null when there is nothing to upgrade. */
  brings: string | null
  /** Why it cannot be written now. */
  problem: string | null
}

/** What going on with a log that cannot be trusted would give up. */
export type RecoveryPlan = {
  pool: string
  reason: string
  /** `SEQ:HASH` of the last event that is trusted. */
  from: string
  lost_from: number
  /** Newest event that is known to have been there; null when nothing tells. */
  lost_to: number | null
  damage: string[]
  /** Where the damaged file is kept; null when the log is whole in itself. */
  evidence: string | null
  containers: number
}

/** A stream that could not be folded; its container runs on and takes no commands. */
export type QuarantineRow = {
  pool: string
  stream: string
  /** The container's ctid; null for the pool itself. */
  target: string | null
  /** Of the event that is not understood. */
  position: string
  why: string
}
