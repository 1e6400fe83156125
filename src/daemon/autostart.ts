/**
 * Starting at boot what is to run: containers with autostart, and those that their host's death caught in a reboot.
 *
 * **What.** The plan is a fact (`AutostartPlanned`, decide/autostart.ts). Its containers are started in order, at most
 * `parallel-start` at a time, each when the host's pressure admits it (admission.ts). Each start is a command of its
 * own, given for the plan, whose outcome stands in the container's stream. One that fails is tried again after 5, 10,
 * 15 and 20 seconds, as in the original, without holding the place of another; then it is given up. The last event is
 * `AutostartFinished`.
 *
 * **Why so.** A plan that lives in memory is gone with the daemon that had it.
 *
 * **On a crash** of the daemon the next one goes on: what became of each container is read from the log
 * (audit/autostart.ts), so nothing is started twice, attempts are counted over all daemons, and a pause lasts as long
 * as it would have. When the host dies, the plan is void: the next import records that it was interrupted, and makes
 * another.
 *
 * **Invariants.** Nothing starts that an admin has touched since the plan was made, or whose autostart was taken away.
 * A plan ends: attempts and waiting are bounded.
 */
import { newestPlan, type Plan, type Standing, standingOf, standingsOf } from '../audit/autostart.ts'
import { HostError } from '../effects/host.ts'
import type { EventData, Fact } from '../events/types/events.ts'
import type { Ulid } from '../events/types/ids.ts'
import { AUTOSTART_ATTEMPTS, toStart, wantsStart } from '../machines/decide/autostart.ts'
import { decideCt } from '../machines/decide/container.ts'
import type { Asked } from '../machines/decide/decision.ts'
import { ctidOf } from '../machines/fold.ts'
import { lifeOf } from '../machines/life.ts'
import { type Look, patienceAfter, pressing, STEP_MS } from './admission.ts'
import type { Bus } from './bus.ts'
import type { Pool } from './pool.ts'
import type { DaemonPorts } from './ports.ts'

const START_TIMEOUT_S = 120
const COOLING_MS = 5000

/** What autostart needs of the daemon. */
export type Starter = {
  readonly ports: DaemonPorts
  readonly bus: Bus
  readonly stopping: boolean
  asked(actor: 'autostart', command: string, args: Record<string, unknown>): Asked
}

/**
 * Plans what starts after an import, or goes on with the plan of a daemon that died, and starts it in the background.
 * From then on plans that are made by command are followed as well.
 * @param isAsked  false: nothing starts but what a plan still names
 */
export async function autostart(
  daemon: Starter,
  pool: Pool,
  isAsked: boolean,
  previous: EventData<'PoolOpened'>['previous'],
): Promise<void> {
  const run = new AutostartRun(daemon, pool)
  pool.journal.listen(({ stored }) => {
    if (stored.some(({ type }) => type === 'AutostartPlanned' || type === 'AutostartFinished')) run.renew()
  })
  if (previous === 'daemon-died' && (await isPlanned(pool))) return run.renew()
  // An empty plan is one, too: the next daemon must not make another.
  await pool.journal.submit((view) => {
    const cts = isAsked ? toStart(view) : []
    const fact = { type: 'AutostartPlanned', cts, ...(isAsked ? {} : { off: true as const }) } as const
    return { drafts: [{ stream: 'pool', fact }], extra: null }
  })
}

/**
 * Did the daemon that died come to making a plan for its import? Where neither a plan nor that import is in sight any
 * more, behind a hundred restarts or in what was pruned, it did: nothing may start that was stopped since.
 */
async function isPlanned({ log }: Pool): Promise<boolean> {
  const { events } = await log.query({ types: ['AutostartPlanned', 'PoolOpened'], reverse: true, limit: 100 })
  // The openings of daemons that died do not count: they were to go on with a plan, or to make the one that was due.
  const last = events.find(
    ({ type, data }) =>
      type === 'AutostartPlanned' || (data as EventData<'PoolOpened'>).previous !== 'daemon-died',
  )
  return last?.type !== 'PoolOpened'
}

const STARTABLE = ['stopped', 'starting']

type Verdict = 'start' | 'drop' | 'failed'
type Waiting = { readonly id: Ulid; readonly notBefore: number; readonly tries: number }

/** Attempts that are over. @pure */
const triesOf = (standing: Standing | undefined): number =>
  standing ? standing.attempts - (standing.is === 'starting' ? 1 : 0) : 0

/** What is left of the pause after the last attempt, ms; a clock that was set makes it no longer. @pure */
export function pauseLeft({ is, attempts, end }: Standing, wall: number): number {
  if (is !== 'waiting' || end === null) return 0
  const pause = COOLING_MS * attempts
  return Math.min(pause, Math.max(0, end.t + pause - wall))
}

/** Who is to be started, in the plan's order. */
class Queue {
  readonly failed = new Set<Ulid>()
  readonly #rank: ReadonlyMap<Ulid, number>
  #waiting: Waiting[]
  #begun = 0

  /** @param now  monotonic, ms; @param wall  of the clock that events are dated by, ms */
  constructor({ cts }: Plan, standings: ReadonlyMap<Ulid, Standing>, now: number, wall: number) {
    const isOpen = (id: Ulid): boolean => ['waiting', 'starting'].includes(standings.get(id)?.is ?? 'waiting')
    for (const [id, { is }] of standings) if (is === 'failed') this.failed.add(id)
    this.#rank = new Map(cts.map((id, i) => [id, i]))
    this.#waiting = cts.filter(isOpen).map((id) => {
      const standing = standings.get(id)
      return { id, notBefore: standing ? now + pauseLeft(standing, wall) : 0, tries: triesOf(standing) }
    })
  }

  get isThrough(): boolean {
    return this.#waiting.length === 0 && this.#begun === 0
  }

  ready(now: number): Waiting | undefined {
    return this.#waiting.find(({ notBefore }) => notBefore <= now)
  }

  /** How long until one is ready, ms; without end when none will be by itself. */
  rest(now: number): number {
    return Math.min(...this.#waiting.map(({ notBefore }) => notBefore - now))
  }

  drop(one: Waiting, isFailed: boolean): void {
    this.#waiting = this.#waiting.filter((other) => other !== one)
    if (isFailed) this.failed.add(one.id)
  }

  begin(one: Waiting): void {
    this.drop(one, false)
    this.#begun++
  }

  /** Null: it is not looked at again. */
  end(again: Waiting | null): void {
    this.#begun--
    if (!again) return
    const rank = (id: Ulid): number => this.#rank.get(id) ?? 0
    const behind = this.#waiting.findIndex(({ id }) => rank(id) > rank(again.id))
    this.#waiting.splice(behind < 0 ? this.#waiting.length : behind, 0, again)
  }
}

/** The plan of one pool as it is carried out; what is in memory here are pauses and places alone. */
class AutostartRun {
  readonly #daemon: Starter
  readonly #pool: Pool
  /** The plan that is carried out; another one makes the loop of this one end. */
  #current: symbol | null = null
  #active = 0
  #admittedAt = Number.NEGATIVE_INFINITY
  #delay = 0
  #look: Look | null = null
  #change = Promise.withResolvers<void>()

  constructor(daemon: Starter, pool: Pool) {
    this.#daemon = daemon
    this.#pool = pool
  }

  /** The log has another plan than before, or none. */
  renew(): void {
    const mine = Symbol('plan')
    this.#current = mine
    this.#tell()
    if (this.#pool.states.pool().context.autostart.length > 0)
      this.#pool.inBackground('autostart was interrupted', () => this.#carryOut(mine))
  }

  #isOver(mine: symbol): boolean {
    const { context } = this.#pool.states.pool()
    return (
      this.#current !== mine ||
      this.#daemon.stopping ||
      this.#pool.signal.aborted ||
      context.autostart.length === 0
    )
  }

  async #carryOut(mine: symbol): Promise<void> {
    const plan = await newestPlan(this.#pool.log)
    if (!plan) return
    const standings = await standingsOf(this.#pool.log, plan)
    const queue = new Queue(plan, standings, this.#now(), this.#daemon.ports.clock.wall())
    while (!this.#isOver(mine)) {
      const next = queue.ready(this.#now())
      if (!next && queue.isThrough) return await this.#finish(mine, plan, queue.failed)
      if (!next || this.#active >= this.#pool.states.pool().context.config.parallelStart) {
        await this.#wait(next ? Number.POSITIVE_INFINITY : queue.rest(this.#now()))
        continue
      }
      const verdict = await this.#admitted(mine, plan, next)
      if (this.#isOver(mine)) return
      if (verdict !== 'start') queue.drop(next, verdict === 'failed')
      else {
        queue.begin(next)
        void this.#start(plan, next).then((again) => {
          queue.end(again)
          this.#tell()
        })
      }
    }
  }

  /** Nobody waits for one that is not to start; and while one waits somebody may take it over. */
  async #admitted(mine: symbol, plan: Plan, one: Waiting): Promise<Verdict> {
    const verdict = await this.#verdict(plan, one)
    if (verdict !== 'start') return verdict
    await this.#admission(mine)
    return await this.#verdict(plan, one)
  }

  /** What the log says of it now. One that is starting, for a daemon before this one, is waited for. */
  async #verdict(plan: Plan, { id, tries }: Waiting): Promise<Verdict> {
    const ct = this.#pool.states.ct(id)
    const { is } = await standingOf(this.#pool.log, plan, id)
    if (is === 'started' || is === 'skipped') return 'drop'
    if (is === 'failed' || tries >= AUTOSTART_ATTEMPTS) return 'failed'
    return is === 'starting' || (STARTABLE.includes(lifeOf(ct)) && wantsStart(ct)) ? 'start' : 'drop'
  }

  /** Starts one; says when it is to be tried again, or looked at. Never throws. */
  async #start(plan: Plan, { id, tries }: Waiting): Promise<Waiting | null> {
    const { ports } = this.#daemon
    const pool = this.#pool
    this.#active++
    try {
      const { op } = pool.states.ct(id).context
      if (op?.command === 'ct start' && op.pending?.inDoubt === null) {
        const { result, error } = await pool.ended(op.id, `ct:${id}`)
        if (result !== 'done') throw new Error(error ?? result)
      } else await this.#command(plan, id)
      // What it has become stands in the log: the next look at it sees that.
      return { id, notBefore: 0, tries }
    } catch (error) {
      if (pool.signal.aborted) return null
      ports.logger.warn(
        { pool: pool.name, ct: pool.ctid(id), error: String(error) },
        'a container did not start',
      )
      const isLast = tries + 1 >= AUTOSTART_ATTEMPTS
      return { id, notBefore: isLast ? 0 : this.#now() + COOLING_MS * (tries + 1), tries: tries + 1 }
    } finally {
      this.#active--
    }
  }

  async #command(plan: Plan, id: Ulid): Promise<void> {
    const pool = this.#pool
    const ct = pool.states.ct(id)
    const ctid = ctidOf(ct)
    this.#delay = ct.context.settings.autostart?.delay ?? 0
    const asked: Asked = { ...this.#daemon.asked('autostart', 'ct start', { id: ctid }), by: plan.id }
    const run = this.#daemon.ports.ids.ulid()
    const command = { type: 'ct.start', ctid, run, timeoutSeconds: START_TIMEOUT_S } as const
    await this.#daemon.bus.run(pool, asked, (view) => decideCt(view, command, asked), { noWait: false })
  }

  /** Resolves when the next container may start: soon, or when it has been held back for long enough. */
  async #admission(mine: symbol): Promise<void> {
    const since = this.#now()
    while (!this.#isOver(mine)) {
      const rest = this.#admittedAt + STEP_MS - this.#now()
      if (rest > 0) {
        await this.#sleep(rest)
        continue
      }
      const before = this.#look
      this.#look = { mono: this.#daemon.ports.clock.mono(), pressure: await this.#pressure() }
      const isHeld = before === null || pressing(before, this.#look) !== null
      if (!isHeld || this.#now() - since >= patienceAfter(this.#delay, this.#active)) break
      await this.#sleep(STEP_MS)
    }
    this.#admittedAt = this.#now()
  }

  /** A host that does not tell is not waited for. */
  async #pressure(): Promise<Look['pressure']> {
    try {
      return await this.#daemon.ports.host.pressure()
    } catch (error) {
      if (error instanceof HostError) return null
      throw error
    }
  }

  async #finish(mine: symbol, plan: Plan, failed: ReadonlySet<Ulid>): Promise<void> {
    const fact: Fact = { type: 'AutostartFinished', result: 'done', failed: [...failed], left: [] }
    await this.#pool.journal.submit((view) => {
      const isOpen = this.#current === mine && view.pool().context.autostart.join() === plan.cts.join()
      return { drafts: isOpen ? [{ stream: 'pool', fact }] : [], extra: null }
    })
    const { logger } = this.#daemon.ports
    logger.info(
      { pool: this.#pool.name, containers: plan.cts.length, failed: failed.size },
      'autostart is through',
    )
  }

  #now(): number {
    return this.#daemon.ports.clock.mono() / 1000
  }

  #tell(): void {
    this.#change.resolve()
    this.#change = Promise.withResolvers()
  }

  /** Until something changes, or for so long. */
  async #wait(ms: number): Promise<void> {
    const changed = this.#change.promise
    await (Number.isFinite(ms) ? Promise.race([changed, this.#sleep(ms)]) : changed)
  }

  /** The end of the pool ends it as well. */
  async #sleep(ms: number): Promise<void> {
    await this.#daemon.ports.clock.sleep(ms, this.#pool.signal).catch(() => {})
  }
}
