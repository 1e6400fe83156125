/**
 * A simulated machine: one computer in memory, which outlives every daemon that runs on it.
 *
 * Why: the crash tests need a host that can be cut off at any boundary, lie, and be looked at afterwards;
 * and a newcomer needs one to try the system on. It is honest about what ZFS and LXC do and refuse (`storage.ts`,
 * `mounts.ts`, `properties.ts`, `containers.ts`; what the real ones did stands in test/conformance/real.txt) and knows
 * no real time and no randomness: equal calls give equal machines.
 *
 * Two things come and go on it: *hosts* (a daemon's view, `host.ts`), and *helpers*, the processes that a
 * daemon started. When a daemon dies its helpers live on: they may still apply their work, until somebody
 * fences their intent or the power goes. That is the window that recovery must close before it probes.
 *
 * Invariants (checked by `invariants.ts`): every dataset has its parent, names and guids are unique, an
 * origin exists, a container runs on a dataset that is there, nothing of an earlier boot runs.
 */
import { type HookReport, HostError, type Pressure } from '../host.ts'
import { abandonStart, abandonStop, containerExits, type ExitKind } from './containers.ts'
import { encodeArchive, readPath, writePath } from './filesystem.ts'
import { mountDataset } from './mounts.ts'
import { exportZpool, importZpool, isMarked, shelve } from './shelf.ts'
import {
  type Archive,
  containerKey,
  type MachineState,
  machineStateSchema,
  nextBootId,
  type SimulatedContainer,
  type SimulatedZpool,
} from './state.ts'
import { addZpool, lookUp, requireDataset } from './storage.ts'
import { notFound, requireZpool, usedBytes } from './zpools.ts'

/** A process of an effect that has begun and not ended. */
export type Helper = {
  readonly intent: string
  readonly op: string
  readonly apply: () => unknown
  /** What its death leaves behind. */
  readonly abandon: () => void
  /** Tells the daemon that waits for it, if it still lives. */
  readonly killed: () => void
}

/** What a daemon's view of the machine wants to hear. */
export type Listener = {
  report(report: HookReport): void
  emptied(key: string): void
  /** The machine lost power, or the process was killed. */
  die(): void
}

export class SimulatedMachine {
  readonly state: MachineState
  readonly helpers = new Set<Helper>()
  /** What was sent to other machines, and those that do not answer. */
  readonly messages: { readonly to: string; readonly text: string }[] = []
  readonly deaf = new Set<string>()
  readonly #listeners = new Set<Listener>()
  readonly #watchers = new Set<() => void>()
  readonly #now: () => number

  constructor(options: { seed?: number; hostName?: string; now?: () => number; state?: MachineState } = {}) {
    this.#now = options.now ?? (() => 0)
    this.state = options.state ?? emptyState(options.seed ?? 1, options.hostName ?? 'simulated')
    if (!options.state) this.state.bootedAt = this.#now()
  }

  now(): number {
    return this.#now()
  }

  /** What changes from here on has this time in the diaries of its zpools. */
  tick(): void {
    this.state.time = this.#now()
  }

  /** Adds an imported zpool, 8 GiB unless told otherwise. */
  addZpool(name: string, options: { sizeBytes?: number; readOnly?: boolean; unsafe?: string[] } = {}): void {
    addZpool(this.state, name, options)
    this.changed()
  }

  /** Changes a zpool's condition: a vanished disk is health SUSPENDED. @throws E_NOT_FOUND */
  setZpool(
    name: string,
    condition: Partial<Omit<SimulatedZpool, 'name' | 'guid' | 'txg' | 'history'>>,
  ): void {
    Object.assign(requireZpool(this.state, name), condition)
    this.changed()
  }

  /**
   * Cuts the power and, unless told otherwise, boots again as the live system does: new boot id, nothing
   * runs, no derived state; zpools imported and datasets with canmount=on mounted. Every host is dead.
   */
  powerCut(options: { boot: boolean } = { boot: true }): void {
    this.helpers.clear()
    for (const listener of this.#listeners) listener.die()
    this.#listeners.clear()
    const { state } = this
    state.containers = {}
    state.spool = {}
    state.derived = {}
    state.files = Object.fromEntries(Object.entries(state.files).filter(([path]) => path.startsWith('/usr/')))
    for (const dataset of Object.values(state.datasets)) {
      dataset.mounted = false
      dataset.held = false
    }
    state.bootId = nextBootId(state)
    state.nextPid = 1000
    state.bootedAt = this.#now()
    if (options.boot) this.boot()
    this.changed()
  }

  /**
   * The power goes, and its disks are put into another host, which boots: this machine is that host from now on. What
   * its zpools bear is the name of the host that had them.
   */
  carryDisks(to: { hostName: string; hostId: string }): void {
    this.powerCut({ boot: false })
    const { state } = this
    const usedBy = { host: state.hostName, hostId: state.hostId ?? '', at: this.#now(), isActive: false }
    for (const name of Object.keys(state.zpools)) shelve(state, name, usedBy)
    Object.assign(state, to)
    this.boot()
  }

  /** `zpool export`, by an admin. @throws E_NOT_FOUND, E_BUSY */
  exportPool(name: string): void {
    exportZpool(this.state, name)
    this.changed()
  }

  /** Names of zpools, imported or on disks only. */
  poolNames(): string[] {
    return [...Object.keys(this.state.zpools), ...Object.keys(this.state.shelf)]
  }

  /**
   * What the live system's pool service does: imports what is ours and may be, hence mounts what may be
   * mounted and can be.
   */
  boot(): void {
    for (const name of Object.keys(this.state.shelf))
      if (isMarked(this.state, name)) importZpool(this.state, name, false)
    const { datasets } = this.state
    for (const name of Object.keys(datasets).sort()) {
      if ((datasets[name]?.properties['canmount'] ?? 'on') !== 'on') continue
      try {
        mountDataset(this.state, name)
      } catch (error) {
        if (!(error instanceof HostError)) throw error
      }
    }
    this.changed()
  }

  /** Processors of the machine: more containers than that which start at once wait for one. */
  processors = 8
  /** Share of the time that some task waits for memory and for disks, 0 … 1. */
  readonly strain = { memory: 0, io: 0 }
  readonly #stalled = { cpu: 0, memory: 0, io: 0 }
  #accountedAt: number | null = null

  /**
   * The account of waiting since boot. Between two looks it grows as if what starts now had been starting since the
   * last one: n starts on p processors wait for (n - p) / n of the time.
   */
  pressure(): Pressure | null {
    const starting = [...this.helpers].filter(({ op }) => op === 'lxc.start').length
    const now = this.now()
    const us = Math.max(0, now - (this.#accountedAt ?? now)) * 1000
    this.#accountedAt = now
    this.#stalled.cpu += us * Math.max(0, 1 - this.processors / Math.max(1, starting))
    this.#stalled.memory += us * this.strain.memory
    this.#stalled.io += us * this.strain.io
    return { ...this.#stalled }
  }

  /** Kills every daemon on the machine; helpers and containers live on. */
  killDaemons(): void {
    for (const listener of this.#listeners) listener.die()
    this.#listeners.clear()
  }

  /** Something inside a container makes it end, reboot, or takes its monitor down without a hook. */
  containerExits(ref: { pool: string; id: string }, how: ExitKind): void {
    containerExits(this, ref, how)
    this.changed()
  }

  container(ref: { pool: string; id: string }): SimulatedContainer | null {
    return this.state.containers[containerKey(ref)] ?? null
  }

  /** From now on (or again) the container with this id does not react to a shutdown. */
  setStubborn(id: string, stubborn: boolean): void {
    this.state.stubborn = this.state.stubborn.filter((other) => other !== id)
    if (stubborn) this.state.stubborn.push(id)
    for (const ct of Object.values(this.state.containers)) if (ct.id === id) ct.ignoresShutdown = stubborn
  }

  /** Something uses the dataset's mount (or no longer). @throws E_NOT_FOUND */
  hold(name: string, held = true): void {
    requireDataset(this.state, name).held = held
  }

  /** `zfs hold` and `zfs release` @throws E_NOT_FOUND */
  holdSnapshot(name: string, held: boolean): void {
    const seen = lookUp(this.state, name)
    if (!seen?.isSnapshot) throw notFound('hold', name)
    seen.snapshot.held = held
  }

  /** `zfs bookmark` @throws E_NOT_FOUND */
  bookmark(snapshot: string, name: string): void {
    const seen = lookUp(this.state, snapshot)
    if (!seen?.isSnapshot) throw notFound('bookmark', snapshot)
    seen.dataset.bookmarks[name] = seen.createtxg
  }

  /** Somebody's files take all the room that a zpool has. @throws E_NOT_FOUND */
  fill(name: string): void {
    const root = requireDataset(this.state, name)
    root.bytes += Math.max(0, requireZpool(this.state, name).sizeBytes - usedBytes(this.state, name))
  }

  putFile(path: string, content: string | Archive): void {
    writePath(this.state, path, typeof content === 'string' ? content : encodeArchive(content))
  }

  /** One byte of the file is no longer what was written. @throws E_NOT_FOUND */
  corrupt(path: string): void {
    const content = readPath(this.state, path)
    if (content === null)
      throw new HostError('E_NOT_FOUND', 'permanent', `${path}: No such file or directory`)
    writePath(this.state, path, `${content.slice(0, -1)}\u0000`)
  }

  /** A repository in the original's layout, by directory or URL; files are named relative to `<url>/v1/`. */
  addImageRepository(url: string, index: unknown, files: Readonly<Record<string, string | Archive>>): void {
    const put = (path: string, content: string): void => {
      if (url.startsWith('/')) writePath(this.state, path, content)
      else this.state.web[path] = content
    }
    put(`${url}/v1/INDEX.json`, JSON.stringify(index))
    for (const [path, content] of Object.entries(files)) {
      put(`${url}/v1/${path}`, typeof content === 'string' ? content : encodeArchive(content))
    }
    this.changed()
  }

  /** Lets the helpers of dead daemons do their work; nobody hears of failures. @returns how many */
  finishHelpers(intent?: string): number {
    this.tick()
    const ready = [...this.helpers].filter((helper) => intent === undefined || helper.intent === intent)
    for (const helper of ready) {
      this.helpers.delete(helper)
      try {
        helper.apply()
      } catch {
        // Nobody waits for this process any more: its failure is what recovery's probe will see.
      }
    }
    this.changed()
    return ready.length
  }

  /** Kills the intent's helpers. @returns how many were killed */
  fence(intent: string): number {
    const killed = [...this.helpers].filter((helper) => helper.intent === intent)
    for (const helper of killed) {
      this.helpers.delete(helper)
      helper.abandon()
      helper.killed()
    }
    this.changed()
    return killed.length
  }

  attach(listener: Listener): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  report(report: HookReport): void {
    this.state.spool[containerKey(report)] = report
    for (const listener of this.#listeners) listener.report(report)
  }

  emptied(ref: { pool: string; id: string }): void {
    for (const listener of this.#listeners) listener.emptied(containerKey(ref))
  }

  /** Calls back after each change, for who keeps the machine in a file. @returns a stop function */
  onChange(watcher: () => void): () => void {
    this.#watchers.add(watcher)
    return () => {
      this.#watchers.delete(watcher)
    }
  }

  changed(): void {
    for (const watcher of this.#watchers) watcher()
  }
}

/** The machine as a JSON file's content. Helpers are processes and are not kept. */
export const toJSON = (machine: SimulatedMachine): string => JSON.stringify(machine.state)

/**
 * Brings a machine back from its file. Its helpers died with the process: a start that was under way has
 * failed, a stop that was waited for has not happened.
 *
 * @param text  what toJSON returned
 * @throws Error when the file is not such a machine
 */
export function fromJSON(text: string, options: { now?: () => number } = {}): SimulatedMachine {
  const parsed = machineStateSchema.safeParse(JSON.parse(text))
  if (!parsed.success) throw new Error(`not a simulated machine: ${parsed.error.issues[0]?.message ?? ''}`)
  const machine = new SimulatedMachine({ ...options, state: parsed.data })
  for (const ct of Object.values(parsed.data.containers)) {
    abandonStart(parsed.data, ct, ct.run)
    abandonStop(parsed.data, ct)
  }
  return machine
}

function emptyState(seed: number, hostName: string): MachineState {
  const state: MachineState = {
    format: 1,
    hostName,
    hostId: '5ca1ab1e',
    seed,
    counter: 0,
    bootId: '',
    bootedAt: 0,
    time: 0,
    nextPid: 1000,
    zpools: {},
    datasets: {},
    shelf: {},
    files: {},
    web: {},
    containers: {},
    stubborn: [],
    spool: {},
    derived: {},
  }
  state.bootId = nextBootId(state)
  return state
}
