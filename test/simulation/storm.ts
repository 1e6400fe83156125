/**
 * A random life of a host, from one seed: commands on a handful of containers, waited for or racing each
 * other; an admin who changes things without osctl (hands.ts); containers that end, reboot and die; faults of host
 * and disks; daemons killed and power cut at any boundary; time that passes. Now and then the weather clears,
 * everything comes to rest, and all invariants must hold (invariants.ts), what was done by hand must be named, and can
 * be settled; what was acknowledged must be in the log for ever.
 *
 * A failure is told by its seed and the story of what happened, oldest first. Each step draws from a stream of its
 * own, so that a life can be told without some of its steps: that is how a failure is shrunk (shrink.ts).
 */
import { driftRows } from '../../src/audit/drift-rows.ts'
import type { DriftRow } from '../../src/rpc/results.ts'
import { type Action, type Boundary, DISK_TROUBLE, NOTHING } from './boundary.ts'
import { type Command, CTS, command, type Scope } from './commands.ts'
import { TWO } from './formats.ts'
import { Hands } from './hands.ts'
import { problems } from './invariants.ts'
import { Memory } from './memory.ts'
import { doubtsOf, openOf } from './operations.ts'
import { Random } from './random.ts'
import { TAR, tarImage, ZFS, zfsImage } from './verbs.ts'
import { ALPHA, BETA, type Request, World } from './world.ts'

export type Storm = {
  readonly wrong: readonly string[]
  readonly story: readonly string[]
  readonly counts: Counts
  /** Numbers of the steps that were taken. */
  readonly taken: readonly number[]
}
export type Counts = { commands: number; crashes: number; faults: number; checks: number; moments: number }

/** How often somebody does something by hand before whatever happens next, in a life where somebody does. */
const BY_HAND = 0.15
/** Of all that can be done by hand in one life so much is not settled. */
const MOST_DRIFT = 60
/** At this step a life without a crash gets one: where there is no pool, there is no boundary to die at. */
const UNPLUGGED = 60
/** A life that is too short to find anything, or without a crash, is prolonged; one that cannot be is a failure. */
export const LEAST_COMMANDS = 50
const MOST_STEPS = 400

export type StormOptions = {
  readonly steps?: number
  /** Only these steps, by number: what a failure was shrunk to (shrink.ts). The life is then not prolonged. */
  readonly keep?: readonly number[] | undefined
}

class Weather {
  readonly #world: World
  /** Of the present step: what one step draws changes nothing in the next, so steps can be left out. */
  #chance: Random
  readonly counts: Counts = { commands: 0, crashes: 0, faults: 0, checks: 0, moments: 0 }
  readonly wrong: string[] = []
  readonly memory: Memory
  readonly #hands: Hands
  /** In every other life somebody works at the machine without osctl. */
  readonly #handy: boolean
  readonly #acknowledged: { pool: string; op: string; what: string }[] = []
  readonly #open: Request[] = []
  readonly #sessions: string[] = []
  #keys = 0
  #isCarried = false

  constructor(world: World, chance: Random) {
    this.#world = world
    this.#chance = chance
    this.#hands = new Hands(world)
    this.#handy = chance.chance(0.5)
    this.memory = new Memory(world, new Random(world.seed ^ 0x9a57n))
  }

  async prepare(): Promise<void> {
    const { machine } = this.#world
    machine.addZpool('tank')
    machine.putFile(TAR, tarImage)
    machine.putFile(ZFS, zfsImage)
    if (this.#chance.chance(0.3)) machine.addZpool('deep')
    await this.#world.boot()
    for (const name of Object.keys(machine.state.zpools)) await this.#world.must('pool.install', { name })
    this.#world.formats = TWO
  }

  get #scope(): Scope {
    const pools = [...this.#world.daemon.pools.values()]
    const doubts = pools.flatMap((pool) => doubtsOf(pool))
    const ops = pools.flatMap((pool) => openOf(pool))
    const drifts = pools.flatMap((pool) => driftRows(pool).map(({ id }) => `${pool.name}:${id}`))
    return { pools: this.#pools, doubts, ops, sessions: this.#sessions, drifts }
  }

  get #pools(): string[] {
    return this.#world.machine.poolNames()
  }

  /** One thing that happens, whatever it is, decided by `chance` alone. */
  async step(chance: Random): Promise<void> {
    this.#chance = chance
    const roll = chance.below(100)
    if (!this.#world.isUp) return await this.#recover()
    if (this.#handy && chance.chance(BY_HAND)) this.#hands.act(chance)
    if (roll < 45) await this.#command()
    else if (roll < 52) await this.#race()
    else if (roll < 55) await this.#hang()
    else if (roll < 67) this.#insideContainer()
    else if (roll < 77) await this.#world.pass(chance.below(8000))
    else if (roll < 84) this.#storm()
    else if (roll < 92) this.#crashSoon()
    else if (roll < 94) await this.#upkeep()
    else await this.check()
  }

  #send({ method, params }: Command): Request {
    this.#keys += 1
    this.counts.commands += 1
    const meta = { key: `key-of-${this.#keys}-of-the-storm` }
    const request = this.#world.send(method, { ...params, meta } as never)
    this.#open.push(request)
    return request
  }

  async #command(): Promise<void> {
    const request = this.#send(command(this.#chance, this.#scope))
    if (this.#chance.chance(0.5)) await this.#world.wait(() => request.answered, 'the storm waits')
    else await this.#world.pass(this.#chance.below(50))
  }

  /** Several admins at once. */
  async #race(): Promise<void> {
    for (let i = 2 + this.#chance.below(4); i > 0 && this.#world.isUp; i--) {
      this.#send(command(this.#chance, this.#scope))
      if (this.#chance.chance(0.5)) await this.#world.pass(this.#chance.below(30))
    }
  }

  /** A call that never answers: only a kill, or the daemon's death, ends its operation. */
  async #hang(): Promise<void> {
    let hung = false
    this.#world.plan = ({ what, phase }) => {
      if (
        hung ||
        phase !== 'before' ||
        !/^(lxc\.|images\.|zfs\.(create|clone|rename))/.test(what) ||
        what === 'lxc.inspect'
      )
        return NOTHING
      hung = true
      this.counts.faults += 1
      return { do: 'hang' }
    }
    this.#send(command(this.#chance, this.#scope))
    await this.#world.pass(5000)
    this.#world.plan = () => NOTHING
    if (!hung || !this.#world.isUp) return
    for (const id of CTS) this.#send({ method: 'ct.stop', params: { id, mode: 'kill' } })
    await this.#world.pass(5000)
    if (this.#world.isUp) this.#world.kill()
  }

  /** Something inside of a container ends it. */
  #insideContainer(): void {
    const { machine } = this.#world
    const running = Object.values(machine.state.containers).filter(
      ({ state }) => state === 'running' || state === 'frozen',
    )
    if (running.length === 0) return
    const { pool, id, ctid, state } = this.#chance.pick(running)
    const how =
      state === 'frozen' ? 'crash' : this.#chance.pick(['stop', 'reboot', 'reboot', 'crash'] as const)
    this.#world.tell(`${pool}:${ctid} ${how}s from inside`)
    if (this.#chance.chance(0.2)) machine.setStubborn(id, this.#chance.chance(0.5))
    machine.containerExits({ pool, id }, how)
  }

  /** For some time, any call may fail. */
  #storm(): void {
    const until = this.#world.met + 5 + this.#chance.below(40)
    const odds = this.#chance.pick([0.02, 0.1, 0.3])
    this.#world.tell(`bad weather (${odds}) until #${until}`)
    this.#world.plan = (boundary) => {
      if (boundary.n > until) this.#world.plan = () => NOTHING
      if (boundary.n > until || !this.#chance.chance(odds)) return NOTHING
      this.counts.faults += 1
      return this.#fault(boundary)
    }
  }

  #fault({ where, phase }: Boundary): Action {
    const chance = this.#chance
    if (where === 'log') {
      const fault = chance.pick(DISK_TROUBLE)
      return phase === 'before' ? { do: 'disk', fault } : NOTHING
    }
    if (chance.chance(0.7)) return { do: 'fail' }
    return {
      do: 'error',
      code: chance.pick(['E_FAILED', 'E_NO_SPACE', 'E_BUSY']),
      failure: chance.pick(['permanent', 'transient']),
    }
  }

  /** The daemon or its host dies at one of the next boundaries. */
  #crashSoon(): void {
    const at = this.#world.met + 1 + this.#chance.below(60)
    const power = this.#chance.chance(0.35)
    const orphan = this.#chance.chance(0.5)
    this.#world.plan = ({ n }) => (n === at ? { do: power ? 'power-cut' : 'kill', orphan } : NOTHING)
  }

  /** After a death: orphans may finish, containers may end, and a daemon starts; it may die again. */
  async #recover(): Promise<void> {
    const { machine } = this.#world
    this.counts.crashes += 1
    this.#harvest()
    this.#world.plan = () => NOTHING
    if (this.#chance.chance(0.4)) machine.finishHelpers()
    if (this.#chance.chance(0.3)) this.#insideContainer()
    if (this.#chance.chance(0.2)) this.#world.powerCut()
    if (this.#chance.chance(0.08)) {
      this.#isCarried = true
      this.#world.carryDisks(machine.state.hostName === BETA.hostName ? ALPHA : BETA)
    }
    if (this.#chance.chance(0.3)) this.#crashSoon()
    await this.#world.boot()
  }

  async #upkeep(): Promise<void> {
    const pool = this.#world.daemon.pools.get(this.#chance.pick(this.#pools))
    if (!pool || pool.journal.unavailable !== null) return
    const seal = this.#chance.chance(0.5)
    this.#world.tell(seal ? `${pool.name} seals its segment` : `${pool.name} caches its states`)
    await this.#world.until((seal ? pool.upkeep.seal() : pool.upkeep.save()).catch(() => {}))
  }

  /** Remembers what was acknowledged. */
  #harvest(): void {
    for (const request of this.#open.splice(0)) {
      const { op, result, position } = (request.result ?? {}) as {
        op?: string | null
        result?: string
        position?: string | null
      }
      const { session } = (request.result ?? {}) as { session?: string }
      if (session) this.#sessions.push(session)
      if (!request.answered || request.error || !op || result !== 'done' || !position) continue
      this.#acknowledged.push({ pool: position.split(':')[0] ?? '', op, what: request.method })
    }
  }

  /** Clear weather: everything comes to rest, then all must be well. */
  async check(): Promise<void> {
    const world = this.#world
    do {
      // A death that was decided before the weather cleared may still come.
      while (!world.isUp) await this.#recover()
      world.plan = () => NOTHING
      await this.#reimport()
      await world.settle()
      if (world.isUp) await this.#settleDoubts()
    } while (!world.isUp)
    this.#harvest()
    this.counts.checks += 1
    world.tell('check')
    this.wrong.push(...(await this.#drifted()))
    const found = (await problems(world)).filter((problem) => !isHarmless(problem) && !this.#isTold(problem))
    this.wrong.push(...found, ...this.#forgotten())
  }

  /** What was done by hand is named; now and then all of it is settled, as the rows say that it can be. */
  async #drifted(): Promise<string[]> {
    if (this.#hands.acts === 0) return []
    const result = await this.#scanned()
    const wrong = this.#hands.unanswered(result)
    return wrong.length > 0 || this.#chance.chance(0.5) ? wrong : await this.#settleDrift(result)
  }

  /** A seal may have left the log to be looked up by the next one who asks, on a disk that is away for a while. */
  async #scanned(): Promise<DriftRow[]> {
    for (let patience = 5; patience > 0; patience--) {
      const { error } = await this.#world.call('drift.scan', {})
      if (error?.code !== 'E_POOL_UNAVAILABLE') break
      await this.#world.pass(1000)
    }
    return (await this.#world.must('drift.scan', {})).result as DriftRow[]
  }

  async #settleDrift(known: readonly DriftRow[]): Promise<string[]> {
    let rows = known
    for (let left = MOST_DRIFT; left > 0; left--) {
      const row = rows.find(({ settle }) => settle !== 'by hand')
      if (!row) return []
      const how = this.#chance.pick(row.settle.split(', ') as ('adopt' | 'repair')[])
      const { error } = await this.#world.call(`drift.${how}`, { id: `${row.pool}:${row.id}` })
      const what = `drift ${row.id} (${row.seen}), to be settled by ${how},`
      if (error && error.code !== 'E_DRIFT_GONE') return [`${what} is not: ${error.message}`]
      await this.#world.settle()
      rows = (await this.#world.must('drift.scan', {})).result as DriftRow[]
      if (rows.some(({ id, pool, seen }) => id === row.id && pool === row.pool && seen === row.seen))
        return [`${what} is there still`]
    }
    return ['drift comes up again and again']
  }

  /** A host cannot know the ids of a pool that it has not seen yet; when that comes, the admin is told. */
  #isTold(problem: string): boolean {
    const isKnown = [...this.#world.daemon.problems.keys()].some((name) => name.endsWith(' ids'))
    return this.#isCarried && isKnown && problem.endsWith('share host ids')
  }

  /** A pool that could not be imported in bad weather is imported by the admin. */
  async #reimport(): Promise<void> {
    if (!this.#world.isUp) return
    const { daemon, machine } = this.#world
    for (const name of machine.poolNames()) {
      if (daemon.pools.has(name) || !this.#world.isUp) continue
      const isElsewhere = name in machine.state.shelf
      let { error, result } = await this.#world.call('pool.import', { name })
      if (isElsewhere && result !== null) this.wrong.push(`${name} was taken from another host unasked`)
      // Its disk is away for a while.
      while (error?.code === 'E_LOG_IO' && this.#world.isUp)
        error = (await this.#world.call('pool.import', { name })).error
      if (error?.code === 'E_POOL_ELSEWHERE' && this.#world.isUp)
        error = (await this.#world.call('pool.import', { name, force: true })).error
      if (error && error.code !== 'E_POOL_IMPORTED')
        this.wrong.push(`${name} cannot be imported: ${error.message}`)
    }
    this.#world.defects.splice(
      0,
      this.#world.defects.length,
      ...this.#world.defects.filter((it) => !it.includes('could not be imported')),
    )
  }

  /**
   * What bad weather left in doubt is settled in clear weather by `op retry` alone. What somebody started by hand while a
   * start was under way stays in doubt, and names itself: the admin's word settles that.
   */
  async #settleDoubts(): Promise<void> {
    const world = this.#world
    for (const pool of world.daemon.pools.values())
      for (const op of doubtsOf(pool)) {
        if (!world.isUp) continue
        const { error } = await world.call('op.retry', { op })
        if (error?.message.includes(' as run by-hand-')) await world.call('op.resolve', { op, as: 'failed' })
      }
    await world.settle()
  }

  #forgotten(): string[] {
    return this.#acknowledged.flatMap(({ pool, op, what }) => {
      for (const { event } of this.#world.disks.named(pool).rows()) {
        if (event.type === 'OperationFinished' && event.op === op) return []
      }
      return [`${what} (${op}) was acknowledged and is not in the log of ${pool}`]
    })
  }
}

/** Derived state that could not be removed goes with the next daemon. */
const isHarmless = (problem: string): boolean => problem.endsWith('left over')

/** @returns what went wrong, with the story; which steps were taken, for shrinking */
export async function storm(seed: bigint, { steps = 60, keep }: StormOptions = {}): Promise<Storm> {
  const chance = new Random(seed ^ 0x5eedn)
  const world = new World({ seed, scrambled: chance.chance(0.85), caching: chance.chance(0.5) })
  const weather = new Weather(world, chance.fork())
  const streams = chance.fork()
  const taken: number[] = []
  const isLongEnough = (): boolean =>
    keep !== undefined || (weather.counts.commands >= LEAST_COMMANDS && weather.counts.crashes > 0)
  try {
    await weather.prepare()
    for (let i = 0; i < steps || (!isLongEnough() && i < MOST_STEPS); i++) {
      const own = streams.fork()
      if (keep && !keep.includes(i)) continue
      if (weather.wrong.length > 0) break
      taken.push(i)
      if (i >= UNPLUGGED && weather.counts.crashes === 0 && world.isUp) world.powerCut()
      await weather.step(own)
      await weather.memory.look()
    }
    if (weather.wrong.length === 0) await weather.check()
    if (weather.wrong.length === 0) weather.wrong.push(...(await weather.memory.recall()))
    weather.counts.moments = weather.memory.compared
    if (weather.wrong.length === 0 && !isLongEnough())
      weather.wrong.push(`too short a life: ${JSON.stringify(weather.counts)} in ${MOST_STEPS} steps`)
  } catch (error) {
    weather.wrong.push(error instanceof Error ? (error.stack ?? error.message) : String(error))
  }
  const wrong = [...weather.wrong, ...world.defects]
  return { wrong, story: world.story, counts: weather.counts, taken }
}
