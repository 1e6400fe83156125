/**
 * osctld: all pools, the host's own log, and what joins them.
 *
 * The daemon always starts (DESIGN D16). A pool that cannot be opened is shown with its problem and the
 * others work; a log that is damaged is read-only and its containers go on running. Nothing is kept in
 * memory that is not in a log, on the pool or visible on the host, so `kill -9` is a way of stopping it.
 */
import type { HookReport } from '../effects/host.ts'
import type { Actor } from '../events/types/actor.ts'
import type { IdBlock } from '../events/types/config.ts'
import type { Asked } from '../machines/decide/decision.ts'
import { decidePool } from '../machines/decide/pool.ts'
import { lifeOf } from '../machines/life.ts'
import type { Plan } from '../rpc/plan.ts'
import { autostart } from './autostart.ts'
import { Bus } from './bus.ts'
import { closePool, type ExportOptions, type Told as ExportTold, resumeClosing } from './closing.ts'
import type { Opening } from './elsewhere.ts'
import { isUninstalled, notFound } from './errors.ts'
import { HostLog } from './host-log.ts'
import { adoptRunning, recoverLog } from './log-recovery.ts'
import { namesOf, RENAMING } from './names.ts'
import { openJournal } from './opening.ts'
import { type Past, pastOf } from './past.ts'
import type { UsersWith } from './plan/rehearse.ts'
import { Pool } from './pool.ts'
import {
  checkForeign,
  checkImportable,
  checkInstallable,
  checkUninstallable,
  isUnlaid,
  notInstalled,
} from './pool-checks.ts'
import type { DaemonPorts } from './ports.ts'
import { Trash } from './trash.ts'
import { HostUsers } from './users.ts'

export const DEFAULT_REPOSITORY = '/usr/share/osctl/repository'

/** Told the operation's id once it is accepted. */
type Told = (op: string) => void
const NOBODY: Told = () => {}

export type PoolWatcher = (pool: Pool, is: 'there' | 'gone') => void

export class Daemon {
  readonly ports: DaemonPorts
  readonly bus = new Bus((pool, states) => this.#users.wantedWith(pool, states))
  readonly pools = new Map<string, Pool>()
  /** What could not be done at start or import, by pool; shown by `status` and `healthcheck`. */
  readonly problems = new Map<string, string>()
  /** Those of them that another host had the pool last, as they were told. */
  readonly elsewhere = new Map<string, string>()
  /** Told of pools that come and go. */
  readonly watchers = new Set<PoolWatcher>()
  readonly startedAt: number
  readonly hostLog: HostLog
  readonly past: Past
  #stopSpool: (() => Promise<void>) | null = null
  readonly #users: HostUsers
  /** What is being done to a pool as a whole, by its name. */
  readonly #changing = new Map<string, Promise<unknown>>()
  #stopping = false
  readonly #trash: Trash
  readonly #early = new Map<string, HookReport>()

  constructor(ports: DaemonPorts) {
    this.ports = ports
    this.hostLog = new HostLog(ports)
    this.past = pastOf(this, ports.clock)
    this.startedAt = ports.clock.wall()
    this.#trash = new Trash(this)
    this.#users = new HostUsers(ports, this.pools)
  }

  get stopping(): boolean {
    return this.#stopping
  }

  /** Prepares the host, opens the host log and the spool. Pools follow by `importAll`. */
  async start(): Promise<void> {
    const { host, logger } = this.ports
    await host.materialise.host()
    await this.hostLog.open()
    this.#stopSpool = await host.watchSpool((report) => this.#onReport(report))
    await this.#trash.start()
    logger.info({ version: this.ports.version, simulated: host.simulated }, 'osctld is up')
  }

  #onReport(report: HookReport): void {
    const pool = this.pools.get(report.pool)
    if (pool) pool.report(report)
    else this.#early.set(report.id, report)
  }

  pool(name: string): Pool {
    const pool = this.pools.get(name)
    if (!pool) throw notFound('E_POOL_NOT_FOUND', `pool not imported: ${name}`)
    return pool
  }

  /** The named pool, else the first imported one. */
  poolOr(name: string | undefined): Pool {
    if (name !== undefined) return this.pool(name)
    const first = this.pools.values().next().value
    if (!first)
      throw notFound('E_NO_POOL', 'no pool is imported (osctl pool install POOL, or osctl pool import POOL)')
    return first
  }

  foreignBlocks(except: Pool): IdBlock[] {
    return this.#users.foreignBlocks(except)
  }

  #warn(pool: string | null, error: unknown, what: string): void {
    this.ports.logger.warn({ pool, error: String(error) }, what)
  }

  /** Asks in the daemon's own name. */
  asked(
    actor: Extract<Actor, { system: string }>['system'],
    command: string,
    args: Record<string, unknown>,
  ): Asked {
    return { op: this.ports.ids.ulid(), actor: { system: actor }, cli: null, key: undefined, command, args }
  }

  #byItself(name: string): Asked {
    return this.asked('boot', 'pool import', { name })
  }

  /**
   * Marks and lays out a pool, and imports it (DESIGN D19). Runs again where it was interrupted.
   * @returns the operation; that of an earlier time when the same command was given before
   */
  install(name: string, dataset: string | null, asked: Asked, accepted = NOBODY): Promise<string | null> {
    return this.#alone(name, () => this.#install(name, dataset, asked, accepted))
  }

  /** A plan is made while nothing else is done to the pool as a whole. */
  plan(name: string, work: (users: UsersWith) => Promise<Plan>): Promise<Plan> {
    return this.#alone(name, () => work((pool, states) => this.#users.wantedWith(pool, states)))
  }

  /** A pool is installed, imported, exported or given up by one command at a time. */
  async #alone<T>(name: string, work: () => Promise<T>): Promise<T> {
    const before = this.#changing.get(name) ?? Promise.resolve()
    const mine = before.then(work, work)
    this.#changing.set(name, mine)
    try {
      return await mine
    } finally {
      if (this.#changing.get(name) === mine) this.#changing.delete(name)
    }
  }

  async #install(name: string, dataset: string | null, asked: Asked, accepted: Told): Promise<string | null> {
    const facts = await checkInstallable(this.ports, name, dataset)
    const imported = this.pools.get(name)
    const known = imported ? await this.bus.known(imported, asked.key, { noWait: false }) : null
    if (known) return known.op
    checkForeign(name, imported !== undefined, facts)
    const command = { type: 'pool.install', pool: name, dataset, repository: DEFAULT_REPOSITORY } as const
    const run = (pool: Pool): Promise<unknown> =>
      this.bus.run(pool, asked, (view) => decidePool(view, command, asked), { noWait: false, accepted })
    if (imported) await run(imported)
    else await this.#installed(name, dataset ?? name, run)
    return asked.op
  }

  /** Installs a pool and imports it; one that its log knows as installed, and that lost its mark, is marked again. */
  async #installed(name: string, dataset: string, run: (pool: Pool) => Promise<unknown>): Promise<void> {
    const pool = await this.#attach(name, dataset, true)
    try {
      await this.#resumeInstallation(pool)
      const isNew = isUnlaid(pool.journal.states.pool())
      if (isNew) await run(pool)
      await this.#open(pool, false, this.#byItself(name))
      // By now what was open in it is settled.
      if (!isNew && !(await this.ports.host.zfs.pool(name))?.active) await run(pool)
    } catch (error) {
      await this.#drop(pool)
      throw error
    }
  }

  /** Takes up an installation, or its reverse, in whose middle a daemon died. */
  async #resumeInstallation(pool: Pool): Promise<void> {
    const state = pool.journal.states.pool()
    const { op } = state.context
    if (pool.journal.unavailable !== null) return
    if (!op?.pending || !['installing', 'uninstalling'].includes(lifeOf(state))) return
    if (op.pending.inDoubt === null) await pool.settle('pool', op.pending)
    await pool.ended(op.id, 'pool')
  }

  uninstall(name: string, asked: Asked, accepted = NOBODY): Promise<void> {
    return this.#alone(name, () => this.#uninstall(name, asked, accepted))
  }

  async #uninstall(name: string, asked: Asked, accepted: Told): Promise<void> {
    const facts = await checkUninstallable(this.ports, name, this.pools.has(name))
    const pool = await this.#attach(name, facts.dataset, false)
    try {
      await this.bus.run(pool, asked, (view) => decidePool(view, { type: 'pool.uninstall' }, asked), {
        noWait: false,
        accepted,
      })
    } finally {
      await this.#drop(pool)
    }
  }

  /** Opens journal and pool object; the pool is listed, and not yet open for commands. */
  async #attach(name: string, dataset: string, create: boolean): Promise<Pool> {
    const facts = await this.ports.host.zfs.pool(name)
    const log = await openJournal(this.ports, name, dataset, create)
    const { journal } = log
    // Before the pool listens: its engine waits for the users that this makes.
    journal.listen((committed) => {
      const types = new Set(committed.stored.map((event) => event.type))
      if (types.has('UserCreated') || types.has('UserDeleted')) void this.#users.trySync()
      if (RENAMING.some((type) => types.has(type))) this.#publishNames()
    })
    const own = { name, guid: facts?.guid ?? null, dataset, directory: `/${dataset}` }
    const pool = new Pool(this.ports, own, log, () => this.#users.prepared())
    try {
      if (journal.unavailable === null) await pool.begin()
    } catch (error) {
      await pool.detach()
      throw error
    }
    this.pools.set(name, pool)
    this.#users.arrived(name)
    for (const told of this.watchers) told(pool, 'there')
    return pool
  }

  async #drop(pool: Pool): Promise<void> {
    this.pools.delete(pool.name)
    for (const told of this.watchers) told(pool, 'gone')
    this.#users.left(pool)
    await pool.detach()
  }

  async #open(pool: Pool, isAsked: boolean, asked: Asked, opening?: Opening): Promise<void> {
    await this.#users.trySync()
    if (pool.journal.unavailable !== null) {
      this.problems.set(pool.name, `read-only: ${pool.journal.unavailable}`)
      return
    }
    for (const report of this.#early.values()) if (report.pool === pool.name) pool.report(report)
    const { previous } = await pool.ready(asked, opening)
    this.problems.delete(pool.name)
    const shared = this.#users.shared(pool)
    if (shared !== null) this.problems.set(`${pool.name} ids`, shared)
    this.#publishNames()
    if (lifeOf(pool.states.pool()) === 'exporting') this.#resumeExport(pool)
    else await autostart(this, pool, isAsked, previous)
  }

  import(name: string, autostart: boolean, asked = this.#byItself(name), opening?: Opening): Promise<void> {
    return this.#alone(name, () => this.#import(name, autostart, asked, opening))
  }

  async #import(name: string, autostart: boolean, asked: Asked, opening?: Opening): Promise<void> {
    const facts = await checkImportable(this.ports, name, this.pools.has(name))
    if (facts.unsafe.length > 0) this.problems.set(`${name} safety`, `degraded: ${facts.unsafe.join('; ')}`)
    const pool = await this.#attach(name, facts.dataset, false)
    try {
      await this.#resumeInstallation(pool)
      // A log of which nothing can be read says nothing about the pool: it is shown, and says what is wrong.
      if (pool.journal.unavailable === null && lifeOf(pool.journal.states.pool()) === 'absent')
        throw notInstalled(name)
      await this.#open(pool, autostart, asked, opening)
    } catch (error) {
      await this.#drop(pool)
      throw error
    }
  }

  /** Imports every marked and mounted pool. A pool that fails is a problem that is shown, never an end. */
  async importAll(autostart: boolean): Promise<string[]> {
    const imported: string[] = []
    for (const { name, mounted } of await this.ports.host.zfs.markedPools()) {
      if (this.pools.has(name) || !mounted) continue
      try {
        await this.import(name, autostart)
        imported.push(name)
      } catch (error) {
        if (isUninstalled(error)) {
          this.ports.logger.info({ pool: name }, 'finished the uninstallation in which a daemon had died')
          continue
        }
        const message = error instanceof Error ? error.message : String(error)
        this.problems.set(name, message)
        this.ports.logger.error({ pool: name, error: message }, 'the pool could not be imported')
        await this.hostLog.refused('pool import', { name }, error).catch(() => {})
      }
    }
    return imported
  }

  /** @returns the operation; that of an earlier time when the same command was given before */
  export(name: string, options: ExportOptions, asked: Asked, told: ExportTold = {}): Promise<string | null> {
    return this.#alone(name, async () => {
      const pool = this.pool(name)
      const isOpen = pool.journal.unavailable === null
      const op = isOpen ? await closePool(this, pool, options, asked, told) : asked.op
      if (op === asked.op) await this.#letGo(pool)
      return op
    })
  }

  /** Goes on with an export in whose middle a daemon died. */
  #resumeExport(pool: Pool): void {
    void this.#alone(pool.name, async () => {
      if (this.pools.get(pool.name) !== pool) return
      await resumeClosing(this, pool)
      await this.#letGo(pool)
    }).catch((error) => this.#warn(pool.name, error, 'the export was not finished'))
  }

  /** A pool that is closed leaves the host. */
  async #letGo(pool: Pool): Promise<void> {
    const { name } = pool
    pool.engine.letGo()
    await this.#drop(pool)
    const leftBehind = (error: unknown): void => this.#warn(name, error, 'derived state was left behind')
    await this.ports.host.materialise.forgetPool(name).catch(leftBehind)
    await this.#users.trySync()
    for (const problem of [name, `${name} ids`]) this.problems.delete(problem)
    this.#publishNames()
  }

  /**
   * Goes on with a log that cannot be trusted, and imports its pool anew (log-recovery.ts).
   * @param from  head that the plan named
   * @returns the operation; that of an earlier time when the same command was given before
   */
  recover(name: string, from: string, asked: Asked): Promise<string | null> {
    return this.#alone(name, async () => {
      const damaged = this.pool(name)
      const known = await this.bus.known(damaged, asked.key, { noWait: false })
      if (known) return known.op
      await recoverLog(this.ports, damaged, from, asked)
      await this.#drop(damaged)
      await this.#import(name, true, this.#byItself(name))
      const pool = this.pool(name)
      await pool.upkeep.anchor().catch((error) => this.#warn(name, error, 'the head could not be anchored'))
      await adoptRunning(this, pool)
      return asked.op
    })
  }

  /** As `#alone`, for work that is not done here. */
  sole = <T>(name: string, work: () => Promise<T>): Promise<T> => this.#alone(name, work)

  #publishNames(): void {
    this.ports.publishNames(namesOf([...this.pools.values()]))
  }

  /** The daemon goes; containers stay. */
  async stop(): Promise<void> {
    this.#stopping = true
    this.#trash.stop()
    await this.#stopSpool?.()
    for (const pool of [...this.pools.values()]) await this.#drop(pool)
    await this.hostLog.close()
    await this.ports.host.close()
  }
}
