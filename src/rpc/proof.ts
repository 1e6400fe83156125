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

/** Who keeps the heads of a pool's log. What was sent is as of this daemon's start. */
export type WitnessRow = {
  pool: string
  name: string
  kind: string
  target: string
  /** new: nothing was sent yet; ok; failing: the last attempt failed. Null of the past. */
  state: 'new' | 'ok' | 'failing' | null
  /** Last that it took, its position and the beginning of its hash. */
  last_head: string | null
  sent_at: number | null
  /** Attempts that failed since. */
  failures: number | null
  error: string | null
}

/** A head of another pool's log that is kept here. */
export type KeptRow = {
  /** The pool that keeps it, and where. */
  keeper: string
  position: string
  kept_at: number
  pool: string
  guid: string
  host: string | null
  seq: number
  hash: string
  time: number
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
