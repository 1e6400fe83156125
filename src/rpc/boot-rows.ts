/** What a boot made of the containers of a pool. */

/** One boot of the host that had the pool; daemons that came and went in it belong to it. */
export type BootListRow = {
  pool: string
  /** 0 is the newest, -1 the one before. */
  boot: number
  boot_id: string
  host: string
  /** When the pool was first opened in it. */
  time: number
  position: string
  /** How the session before ended: none, closed, host-died. */
  previous: string
  /** Openings of the pool in this boot. */
  sessions: number
}

export type BootContainer = {
  pool: string
  id: string
  stream: string
  /** Why the boot had to do with it: autostart, rebooting, ran. */
  expected: string
  /** It ran when its host died. */
  ran: boolean
  /** started, starting, waiting, failed, left alone, stopped. */
  result: string
  attempts: number
  /** Of the last attempt, ms. */
  took: number | null
  /** From the pool's opening to the end of the last attempt, ms. */
  after: number | null
  problem: string | null
}

export type BootReport = BootListRow & {
  /** planned, off, none: nothing was decided yet. */
  autostart: string
  /** Of the last plan: done, cancelled, interrupted, under way; null without one. */
  result: string | null
  /** From the pool's opening to the end of the last plan, ms. */
  took: number | null
  /** All containers of the pool; null when recovery did not come to its end. */
  total: number | null
  containers: BootContainer[]
}
