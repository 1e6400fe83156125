/**
 * The port to the host: all that the effects layer may ask of a machine, with nothing about events in it.
 *
 * Two hosts stand behind it. `linux/` does it for real: ZFS, LXC and files through execa, every process of
 * an effect in a cgroup of its own so that recovery can fence it. `simulated/` is a model of the same
 * machine in memory, honest about what ZFS and LXC refuse, used by the crash tests and as a sandbox. Equal scripts are
 * played on both (test/conformance), and end alike, call by call.
 * Kinds of effects (`kinds/`) are written once, on this port.
 *
 * Datasets are full names here (`tank/ct/web`); the effect kinds add `<ds>` in front of an event's name.
 * Every failure is a HostError with a code and a class that says what the engine does next.
 */
import type { IdBlock } from '../events/types/config.ts'
import type { FailureClass, RunEvidence } from '../events/types/intents.ts'

export type HostErrorCode =
  | 'E_NOT_FOUND'
  | 'E_EXISTS'
  | 'E_BUSY'
  | 'E_NO_SPACE'
  | 'E_READ_ONLY'
  | 'E_IO'
  | 'E_TIMEOUT'
  | 'E_ABORTED'
  | 'E_BAD_IMAGE'
  | 'E_CHECKSUM'
  | 'E_NETWORK'
  | 'E_NOT_RUNNING'
  | 'E_REFUSED'
  | 'E_FAILED'

export class HostError extends Error {
  readonly code: HostErrorCode
  readonly failure: FailureClass
  constructor(code: HostErrorCode, failure: FailureClass, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'HostError'
    this.code = code
    this.failure = failure
  }
}

export type Dataset = {
  name: string
  guid: string
  createtxg: string
  mounted: boolean
  mountpoint: string | null
  origin: string | null
  /** User properties and those native ones that were asked for. */
  properties: Readonly<Record<string, string>>
}

/** What an effect's processes run under: who they belong to and how they are told to stop. */
export type Fence = {
  /** Names the cgroup `osctl/effects/<intent>`. */
  readonly intent: string
  readonly signal: AbortSignal
  /** Progress of long work; `total` null when it is not known. Units: bytes. */
  readonly progress?: (done: number, total: number | null, text: string) => void
}

export interface ZfsPort {
  /** One dataset or snapshot, null when absent. Never throws for absence. */
  get(name: string): Promise<Dataset | null>
  /** Direct and indirect children (file systems only) with those properties that are LISTED (datasets.ts), one call. */
  list(below: string): Promise<Dataset[]>
  create(
    name: string,
    options: { mount: boolean; properties: Record<string, string> },
    fence: Fence,
  ): Promise<void>
  clone(snapshot: string, name: string, properties: Record<string, string>, fence: Fence): Promise<void>
  /** `zfs snapshot -o`: the snapshot and its user properties in one sync task. */
  snapshot(name: string, fence: Fence, properties?: Readonly<Record<string, string>>): Promise<void>
  /** Snapshots of this very dataset, oldest first, with the properties that were set on them. Empty when absent. */
  snapshots(dataset: string): Promise<Dataset[]>
  /** `zfs rename`, one sync task; unmounts first, also when it is refused. E_EXISTS when the target is there. */
  rename(from: string, to: string, fence: Fence): Promise<void>
  /**
   * Destroys a dataset or snapshot recursively, all or nothing, in one txg, only if what has that name has this guid
   * (`zfs program`). Absent: success. Another guid: E_REFUSED. Mounted, held or in use: E_BUSY, transient.
   * A bookmark that is newer than its snapshots: E_REFUSED, for ZFS does not tell then whether it is in use.
   * Clones depend on it: E_REFUSED.
   */
  destroy(name: string, guid: string, fence: Fence): Promise<void>
  /** Mounts this dataset alone, not its children; success when mounted. */
  mount(name: string): Promise<void>
  /**
   * Unmounts the dataset's children and then itself; success when not mounted or absent. E_BUSY (transient) unless
   * `lazy` detaches, with those that came before unmounted. A container that runs on it does not mind.
   */
  unmount(name: string, options?: { lazy: boolean }): Promise<void>
  /** Sets properties, in one command; null goes back to the inherited value. */
  set(name: string, properties: Record<string, string | null>, fence?: Fence): Promise<void>
  /**
   * Makes directories in a mounted dataset, owner root:root, and sets their modes: path relative to the mount
   * point (`.` is the mount point itself) → mode. Follows no symlink: E_REFUSED. E_FAILED when it is not mounted.
   */
  directories(name: string, modes: Readonly<Record<string, number>>, fence: Fence): Promise<void>
  /** zpools that carry our mark, imported in ZFS: name, guid, health, `<ds>`, mounted. */
  markedPools(): Promise<MarkedPool[]>
  pool(name: string): Promise<PoolFacts | null>
  /** The end of what `zpool history -il` prints, at most so many bytes; its first line may be cut. */
  history(pool: string, maxBytes: number): Promise<string>
  /** zpools that lie on disks and are not imported in ZFS: all disks are read for it. */
  importable(): Promise<ImportablePool[]>
  /**
   * Imports such a zpool into ZFS, without mounting anything. One that another host had last and did not export is
   * left alone, unless forced.
   * @returns null when it is imported; else who had it last, and nothing was changed
   * @throws HostError E_NOT_FOUND; E_FAILED in ZFS's own words
   */
  importPool(guid: string, options: { force: boolean }, fence: Fence): Promise<UsedElsewhere | null>
  /** Mounts all of its file systems that may be mounted, and those below them. */
  mountPool(name: string): Promise<void>
  /** Unmounts all of it and lets it go from ZFS. E_BUSY (transient). */
  exportPool(name: string, fence: Fence): Promise<void>
}

/** The host that had a zpool last and did not export it. */
export type UsedElsewhere = {
  readonly host: string
  /** Eight hex digits, as hostid(1). */
  readonly hostId: string
  /** Wall clock of that host when it wrote to the pool last, ms; null when ZFS does not say. */
  readonly at: number | null
  /** It was seen writing to the pool just now (`multihost=on`): force is of no use. */
  readonly isActive: boolean
}
export type ImportablePool = {
  readonly name: string
  readonly guid: string
  /** Another host had it last, and did not export it. */
  readonly isUsedElsewhere: boolean
}

export type MarkedPool = { name: string; guid: string; dataset: string; mounted: boolean }
export type PoolFacts = MarkedPool & {
  active: boolean
  health: string
  freeBytes: number
  sizeBytes: number
  readOnly: boolean
  /** Why ZFS might not keep what it promised (sync=disabled, zil_replay_disable …); empty when it will. */
  unsafe: string[]
}

/** Name of a run that was not started by us. */
export const runByHand = (pid: number): string => `by-hand-${pid}`
export const isByHand = (run: string): boolean => /^by-hand-\d+$/.test(run)

export type ContainerSeen = {
  state: 'stopped' | 'starting' | 'running' | 'freezing' | 'frozen' | 'stopping' | 'unknown'
  run: RunEvidence | null
  /** Name of the run that the monitor was started for; `by-hand-PID` when not by us; null when stopped. */
  runName: string | null
}

export type ContainerRef = { pool: string; id: string; ctid: string }

/** All that is needed to derive a container's host state; nothing of it is recorded (DESIGN D11). */
export type ContainerSpec = ContainerRef & {
  user: string
  group: string
  map: IdBlock
  dataset: string
  hostname: string
  distribution: string
  version: string
  arch: string
  initCmd: readonly string[] | null
}

export interface LxcPort {
  /** Starts the container and resolves when its init runs (LXC says RUNNING). Derived state is in place. */
  start(spec: ContainerSpec, run: string, timeoutSeconds: number, fence: Fence): Promise<RunEvidence>
  stop(
    ref: ContainerRef,
    mode: 'stop' | 'shutdown' | 'kill',
    timeoutSeconds: number,
    fence: Fence,
  ): Promise<'clean' | 'killed' | 'gone'>
  freeze(ref: ContainerRef, fence: Fence): Promise<void>
  thaw(ref: ContainerRef, fence: Fence): Promise<void>
  /** Read-only, from cgroup and /proc, no LXC process forked where that can be avoided. */
  inspect(ref: ContainerRef): Promise<ContainerSeen>
}

/** What a hook of a container left in the spool. One file a container, overwritten: it cannot grow. */
export type HookReport = {
  pool: string
  id: string
  run: string
  /** Counts the inits of this run: 1 after the start, 2 after the first reboot from inside … */
  inits: number
  last: 'started' | 'stop' | 'reboot'
  initPid: number | null
  at: number
}

export interface ImagePort {
  /** Downloads or copies to `file` (below `<ds>`), resuming `<file>.part`; verifies before the rename. */
  fetch(
    url: string,
    file: string,
    sha256: string | null,
    fence: Fence,
  ): Promise<{ sha256: string; bytes: number }>
  /** Size and hash of a file that is there, null when absent. */
  stat(file: string): Promise<{ bytes: number; sha256: string } | null>
  /** Reads metadata of an archive in the original's format (vpsadminos §5.2); E_BAD_IMAGE with the reason. */
  inspect(file: string): Promise<ImageInspection>
  /**
   * Unpacks the root file system of a `tar` image into the mounted dataset's `private`, as DESIGN D17.
   * Empties `private` first, so that repeating an interrupted call equals doing it once.
   */
  unpack(
    file: string,
    dataset: string,
    map: IdBlock,
    fence: Fence,
  ): Promise<{ entries: number; bytes: number; skippedDevices: number }>
  /**
   * Receives the streams of a `zfs` image as `dataset` (absent before), sub-datasets included, and destroys
   * the snapshots they bring. Leaves all of it unmounted, canmount=noauto.
   */
  receive(file: string, dataset: string, fence: Fence): Promise<void>
  /** Reads a repository's INDEX.json (http, https or directory). E_NETWORK, E_BAD_IMAGE. */
  index(url: string, signal: AbortSignal): Promise<unknown>
}

export type ImageInspection = {
  format: 'tar' | 'zfs'
  bytes: number
  containerId: string | null
  user: string | null
  group: string | null
  distribution: string | null
  version: string | null
  arch: string | null
  initCmd: string[] | null
  datasets: string[]
  snapshots: string[]
}

/** Derived host state (DESIGN D11): compares what is wanted with what is there, and applies. Idempotent. */
export interface MaterialisePort {
  /** Once at daemon start: runtime directories, AppArmor profile, parent cgroups, hook scripts, LXCFS check. */
  host(): Promise<void>
  /** passwd/group entries, subuid and subgid for these users, over all pools. */
  users(users: readonly { pool: string; name: string; map: IdBlock }[]): Promise<void>
  pool(pool: string, dataset: string): Promise<void>
  /** Removes what `pool()` made: at export. */
  forgetPool(pool: string): Promise<void>
  /** LXC config, log file, parent cgroup and mounted dataset (sub-datasets too) of one container. */
  container(spec: ContainerSpec, run: string): Promise<void>
  /** Removes the derived state of a container that is gone. */
  forgetContainer(ref: ContainerRef): Promise<void>
}

/** How long, since boot, some task had to wait for a processor, memory or a disk, each in µs (PSI). */
export type Pressure = { readonly cpu: number; readonly memory: number; readonly io: number }
/** Short messages to other machines, or to the host's own syslog. Each is over, well or not, in half a minute. */
export interface MessagePort {
  /** One line; null is the host's own syslog. A server is told over TCP: that it took it is all that is known. */
  syslog(line: string, server: { readonly host: string; readonly port: number | null } | null): Promise<void>
  /**
   * POSTs JSON; resolves when the server answers 2xx. Its certificate is verified. E_NETWORK, E_NOT_FOUND (a file).
   * @param files  paths: a bearer token, certificates to trust instead of the usual ones
   */
  post(url: string, json: string, files: { token: string | null; ca: string | null }): Promise<void>
  /** Runs `osctl witness keep` on another host, with this on its standard input. E_FAILED in its own words. */
  ssh(to: SshTarget, text: string): Promise<void>
}

export type SshTarget = {
  readonly user: string | null
  readonly host: string
  readonly port: number | null
  readonly keyFile: string | null
  readonly knownHostsFile: string | null
}

export interface Host {
  readonly simulated: boolean
  readonly zfs: ZfsPort
  readonly lxc: LxcPort
  readonly images: ImagePort
  readonly materialise: MaterialisePort
  readonly messages: MessagePort
  bootId(): string
  hostName(): string
  hostId(): string | null
  /**
   * Kills every process of the effect's cgroup and waits until it is empty.
   * @returns number of processes that were killed
   * @throws HostError E_TIMEOUT when it cannot be emptied: the intent stays in doubt
   */
  fence(intent: string): Promise<number>
  /** Hook reports: those that lie in the spool now, then each new one. Returns a stop function. */
  watchSpool(listener: (report: HookReport) => void): Promise<() => Promise<void>>
  /** Notices that a container's cgroup became empty without a hook (its monitor was killed). */
  watchRun(ref: ContainerRef, onEmpty: () => void): () => void
  /** Null where the host keeps no account of it. */
  pressure(): Promise<Pressure | null>
  close(): Promise<void>
}
