/** What the daemon answers: plain rows, named as the columns of `osctl` are (vpsadminos §2, §3.1). */

import type { ExportHeader, ExportPage, ReplaySummary } from './archive-rows.ts'
import type { BootListRow, BootReport } from './boot-rows.ts'
import type { DriftRow, HealthRow, Status, ZfsChangeRow } from './host-rows.ts'
import type { LogResults } from './log-results.ts'
import type { MethodName } from './methods.ts'
import type { Plan } from './plan.ts'
import type { QuarantineRow, RecoveryPlan, SegmentRow, VerifyRow } from './proof.ts'
import type { RpcId } from './protocol.ts'
import type { AutostartRow, Why } from './why-rows.ts'

export type { BootRow, ExportHeader, ExportPage, Incident, ReplaySummary } from './archive-rows.ts'
export type { BootContainer, BootListRow, BootReport } from './boot-rows.ts'
export type { DriftRow, HealthRow, Status, ZfsChangeRow } from './host-rows.ts'
export type { AutostartRow, NotStarted, Why, WhyLink } from './why-rows.ts'

export type Row = Record<string, string | number | boolean | null | string[] | Record<string, string>>

/** State columns only: usage columns are read by the client, from cgroupfs, for running containers. */
export type CtRow = {
  pool: string
  id: string
  user: string
  group: string
  uid_map: string
  gid_map: string
  dataset: string
  rootfs: string
  lxc_path: string
  lxc_dir: string
  group_path: string
  distribution: string
  version: string
  arch: string
  /** staged stopped starting running rebooting restarting freezing frozen stopping deleting unknown; `error` in doubt */
  state: string
  init_pid: number | null
  autostart: boolean
  autostart_priority: number | null
  autostart_delay: number | null
  hostname: string | null
  init_cmd: string | null
  log_file: string
  attrs: Record<string, string>
  /** The container's own id (a ULID): the name of its stream, for ever. */
  stream: string
  /** Settings changed since the container started that take effect at its next start. */
  restart_needed: boolean
  operation: string | null
  /** Ids of what the host shows differently (`drift ls`); null when it is as the log says. */
  drift: string | null
  /** Present when the container's stream cannot be followed or an operation is in doubt. */
  problem: string | null
  created_at: number | null
  started_at: number | null
}

export type PoolRow = {
  name: string
  guid: string
  dataset: string
  state: string
  users: number
  groups: number
  containers: number
  running: number
  parallel_start: number
  parallel_stop: number
  /** ok, suspended, read-only, degraded; measured, so null of the past */
  log: string | null
  log_head: string
  /** Of the log; null where only a part of that is at hand. */
  format: number | null
  /** Measured, so null of the past. */
  health: string | null
  /** The other host that had it before; null when it never moved. */
  came_from: string | null
  problem: string | null
  attrs: Record<string, string>
}

export type UserRow = {
  pool: string
  name: string
  username: string
  ugid: number | null
  registered: boolean
  standalone: boolean
  first_id: number
  id_count: number
}

export type IdRangeRow = {
  pool: string
  name: string
  start_id: number
  last_id: number
  block_size: number
  block_count: number
  allocated: number
  free: number
}

export type RepoRow = { pool: string; name: string; url: string; enabled: boolean }

export type ImageRow = {
  vendor: string
  variant: string
  arch: string
  distribution: string
  version: string
  tags: string
  cached: boolean
}

export type TrashRow = {
  pool: string
  name: string
  ctid: string
  stream: string
  trashed_at: number
  expires_at: number
}

export type HistoryRow = {
  /** Wall clock, ms since the epoch. */
  time: number
  pool: string
  position: string
  op: string
  actor: string
  target: string | null
  command: string
  /** done, failed, undone, refused, running, in doubt, no change, exit N of a session */
  result: string
  error: string | null
  /** ms, null while it runs. */
  duration: number | null
  /** What the caller said it was for (`--reason`). */
  reason: string | null
  /** Stream and type of the event that the row begins with. */
  stream: string
  type: string
  /** The host on which it happened. */
  host: string | null
  /** Boot id, and µs since that boot: the order between pools (`order.ts`). */
  boot: string | null
  mono: number
}

/** A container that a name means: one of those that have or had it. */
export type SubjectRow = {
  pool: string
  ctid: string
  /** Its own id, a ULID. */
  stream: string
  created_at: number
  deleted_at: number | null
}

export type EventRow = {
  position: string
  pool: string
  seq: number
  time: number
  boot: string | null
  mono: number
  stream: string
  target: string | null
  ver: number
  type: string
  /** Version of the data's shape. */
  v: number
  id: string
  op: string | null
  by: string | null
  data: unknown
  hash?: string
}

export type OpRow = {
  pool: string
  op: string
  target: string | null
  command: string
  actor: string
  started: number
  /** running, retrying, in doubt, done, failed, undone */
  state: string
  step: string | null
  steps: { intent: string; kind: string; state: string; detail: string | null; args: unknown }[]
  problem: string | null
}

export type DiffEntity = 'pool' | 'container' | 'user' | 'id-range' | 'repository' | 'image' | 'trash'

/** One property that differs; without a property, an entity that came or went. */
export type DiffChange = {
  entity: DiffEntity
  name: string
  /** A container's own id; of all else its name. */
  key: string
  change: 'added' | 'removed' | 'changed'
  property: string | null
  before: string | null
  after: string | null
  /** The event responsible; null when no event tells. */
  position: string | null
  time: number | null
  actor: string | null
  command: string | null
}

export type DiffReport = {
  pool: string
  /** seq 0 is before the log began. */
  from: { seq: number; time: number | null }
  to: { seq: number; time: number | null }
  changes: DiffChange[]
}

/** What a command that changes something answers with. */
export type Accepted = {
  op: string | null
  /** done: finished; accepted: runs on (`noWait`); noop: it was so already; planned: nothing was done. */
  result: 'done' | 'accepted' | 'noop' | 'planned'
  position: string | null
  warnings: string[]
  /** Where a deleted container went, and until when it stays there (ms since the epoch). */
  trash?: { name: string; expires_at: number }
  /** With `dryRun`. */
  plan?: Plan
}

/** How to run a session in a container: the CLI runs argv as its child, on its own terminal. */
export type Session = {
  session: string
  argv: string[]
  env: Record<string, string>
  simulated: boolean
}

/** A container's log: the CLI reads the file; `text` stands in for it on the simulated host. */
export type CtLog = { path: string; text: string | null }

/** Parameters of the notification `progress`; `op` alone (text empty) names the operation once it is accepted. */
export type ProgressNote = { id: RpcId; text: string; done?: number; total?: number | null; op?: string }

/** Parameters of the notification `event`; `state` is the container's or pool's state after it, if it changed. */
export type EventNote = { id: RpcId; event: EventRow; state?: string }
/** Parameters of the notification `ended`: the subscription is over, and why. */
export type EndedNote = { id: RpcId; reason: string }
/** Parameters of the notification `rows`: a part of a long reply. */
export type RowsNote = { id: RpcId; rows: unknown[] }

/** What each method answers with. */
export type MethodResults = LogResults<Accepted> & {
  ping: 'pong'
  status: Status
  'pool.list': PoolRow[]
  'pool.show': PoolRow
  'pool.install': Accepted
  'pool.uninstall': Accepted
  'pool.import': Accepted
  'pool.export': Accepted
  'pool.set': Accepted
  'boot.list': BootListRow[]
  'boot.report': BootReport[]
  'pool.autostart-queue': AutostartRow[]
  'pool.autostart-trigger': Accepted
  'pool.autostart-cancel': Accepted
  /** With `columns`, rows of those alone. */
  'ct.list': Partial<CtRow>[]
  'ct.show': CtRow
  'ct.new': Accepted
  'ct.import': Accepted
  'ct.delete': Accepted
  'ct.undelete': Accepted
  'ct.start': Accepted
  'ct.stop': Accepted
  'ct.restart': Accepted
  'ct.freeze': Accepted
  'ct.unfreeze': Accepted
  'ct.set': Accepted
  'ct.exec': Session
  'ct.attach': Session
  'ct.session-ended': null
  'ct.log': CtLog
  'ct.why': Why
  'user.list': UserRow[]
  'id-range.list': IdRangeRow[]
  'repo.list': RepoRow[]
  'repo.add': Accepted
  'repo.delete': Accepted
  'repo.enable': Accepted
  'repo.disable': Accepted
  'repo.images': ImageRow[]
  'trash.list': TrashRow[]
  'trash.prune': Accepted
  'history.list': HistoryRow[]
  'history.subjects': SubjectRow[]
  'event.list': EventRow[]
  'event.show': EventRow
  'event.verify': VerifyRow[]
  diff: DiffReport[]
  'event.quarantine': QuarantineRow[]
  'event.quarantine-retry': Accepted
  'event.segments': SegmentRow[]
  'event.prunable': SegmentRow[]
  'event.prune': Accepted
  'event.recovery': RecoveryPlan
  'event.recover': Accepted
  'export.open': ExportHeader
  'replay.summary': ReplaySummary[]
  'export.read': ExportPage
  /** The newest seq of each pool: notifications follow from there, or from `from`. */
  'event.subscribe': { positions: Record<string, number> }
  'drift.list': DriftRow[]
  'drift.scan': DriftRow[]
  'drift.changes': ZfsChangeRow[]
  'drift.adopt': Accepted
  'drift.repair': Accepted
  revert: Accepted
  'op.list': OpRow[]
  'op.show': OpRow
  'op.attach': Accepted
  'op.cancel': Accepted
  'op.retry': Accepted
  'op.resolve': Accepted
  healthcheck: HealthRow[]
  /** A Mermaid state diagram. */
  'debug.machine': string
  shutdown: Accepted
}
export type MethodResult<M extends MethodName> = MethodResults[M]
/** Methods that change something: they answer with Accepted. */
export type ChangingMethod = { [M in MethodName]: MethodResult<M> extends Accepted ? M : never }[MethodName]
