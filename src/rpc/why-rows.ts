/** Why containers are as they are, and which wait to be started. */

/** A container that waits to be started by itself. */
export type AutostartRow = {
  pool: string
  id: string
  /** Null: it has no autostart any more, or was caught in a reboot. */
  priority: number | null
  delay: number | null
  /** How often it was tried. */
  attempts: number
  /** Why it did not start, the last time. */
  problem: string | null
}

/** One step from an effect to its cause. */
export type WhyLink = {
  position: string
  time: number
  /** A plain sentence. */
  what: string
  type: string
  /** Who acted, if the event tells of somebody. */
  actor: string | null
  op: string | null
}

/** Why a container is as it is: `links` lead from what made it so back to the cause, the newest first. */
export type Why = {
  pool: string
  ctid: string
  stream: string
  column: string
  present: string
  /** The value that was asked for; the present one if none was. */
  value: string
  since: number | null
  /** When a value that holds no more had ended at the latest. */
  until: number | null
  links: WhyLink[]
  /** Of one that its host's death stopped: why it was not started again; null of others. */
  not_started: NotStarted | null
}

/** Why the boot after a host's death did not start a container. */
export type NotStarted = {
  /** A plain sentence. */
  what: string
  since: number | null
  /** The event that made it so, and who stands behind it; empty when nobody ever did anything. */
  links: WhyLink[]
}
