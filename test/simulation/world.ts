/**
 * A whole world in one process: machine, disks, clock, chance, and osctld on top of it.
 *
 * The daemon is the real one: journal, engine, recovery, bus and handlers are those that run on a server.
 * Only its ports are simulated: the host is a model (src/effects/simulated), the logs lie on disks in memory
 * with sync points, time is virtual, and ids and interleavings come from a 64-bit seed. Requests come in
 * through the RPC layer's own dispatch, so they are validated as on the socket.
 *
 *   machine, disks, caches   outlive every daemon; a power cut takes from them what it would take
 *   life                     one daemon: its host, its timers, its open logs; dead at once, without a word
 *   boundaries               every call of the host and every sync point of a log, in order; the plan is
 *                            asked at each, and answers with a crash, a fault, or nothing
 *
 * Nothing here waits for real time, and nothing random happens that the seed does not decide: a failure is
 * reproduced by its seed and, where one was chosen, the number of its boundary.
 */
import { ulids } from '../../src/daemon/adapters/ids.ts'
import { Daemon } from '../../src/daemon/daemon.ts'
import { handlers } from '../../src/daemon/handlers/index.ts'
import type { Pool } from '../../src/daemon/pool.ts'
import type { DaemonPorts, Logger } from '../../src/daemon/ports.ts'
import { type Host, HostError } from '../../src/effects/host.ts'
import { rehearsalOf } from '../../src/effects/linux/rehearsal/index.ts'
import { type SimulatedHost, simulatedHost } from '../../src/effects/simulated/host.ts'
import { SimulatedMachine } from '../../src/effects/simulated/machine.ts'
import { addDefaultRepository } from '../../src/effects/simulated/sandbox.ts'
import type { MachineState } from '../../src/effects/simulated/state.ts'
import { effects } from '../../src/effects/table.ts'
import { MemoryLog } from '../../src/events/log/memory.ts'
import type { LogStore } from '../../src/events/log/store.ts'
import { FORMATS, type Formats } from '../../src/events/types/formats.ts'
import { dispatch, type Handlers } from '../../src/rpc/dispatch.ts'
import { RpcError, type RpcErrorData } from '../../src/rpc/errors.ts'
import type { MethodInput, MethodName } from '../../src/rpc/methods.ts'
import { type Boundary, diskFault, hostFault, noPlan, type Plan } from './boundary.ts'
import { fakeCall } from './call.ts'
import { Disks, type DisksCopy } from './disks.ts'
import { Random } from './random.ts'
import { Shadow } from './shadow.ts'
import { drained, type Life, VirtualTime } from './time.ts'

/** A daemon that lives, or lived. */
type Running = Life & { readonly host: SimulatedHost; readonly daemon: Daemon; readonly handlers: Handlers }

/** One request on its way; `error` and `result` are null until it is answered, for ever when its daemon died. */
export type Request = {
  readonly method: MethodName
  readonly params: unknown
  operation: string | null
  answered: boolean
  result: unknown
  error: (RpcErrorData & { message: string }) | null
}

export type WorldOptions = {
  seed: bigint
  /** Chance decides who runs next and how long a call takes; else first come, first served, in no time. */
  scrambled?: boolean
  /** Keep states in caches, as a daemon does at export. */
  caching?: boolean
  /** How long a call of the host takes, ms; by chance when scrambled, else no time at all. */
  latency?: (op: string, random: () => number) => number
  /** Other hands for the daemon, on the same machine. */
  hands?: (host: SimulatedHost) => Host
  /** Seal a segment after so many events. */
  segmentEvents?: number
  /** What the daemons know, until `formats` is set anew. */
  formats?: Formats
  /** Go on from what another world left on its machine and disks. */
  from?: WorldCopy
}

export type WorldCopy = {
  readonly now: number
  readonly machine: MachineState
  readonly disks: DisksCopy
  readonly formats: Formats
}

/** Another host, and the one that a world begins with. */
export const BETA = { hostName: 'beta', hostId: '0000beba' } as const
export const ALPHA = { hostName: 'sim', hostId: '5ca1ab1e' } as const

const EPOCH_MS = Date.UTC(2026, 0, 5)
/** A monitor that died in a reboot is noticed within ten seconds. */
const REST_MS = 12_000
/** A simulated hour in which nothing comes to rest is a hang. */
const PATIENCE_MS = 3_600_000

export class World {
  readonly seed: bigint
  readonly chance: Random
  readonly time: VirtualTime
  readonly machine: SimulatedMachine
  readonly disks: Disks
  plan: Plan = noPlan
  /** Formats of logs that the next daemon knows. */
  formats: Formats
  /** Boundaries met so far. */
  met = 0
  /** Every boundary, when somebody collects them. */
  recording: Boundary[] | null = null
  /** What happened, for people. */
  readonly story: string[] = []
  /** Complaints of the daemon that no run may cause. */
  readonly defects: string[] = []
  readonly #ids: { ulid(): string }
  readonly #scrambled: boolean
  readonly #caching: boolean
  readonly #segmentEvents: number | undefined
  readonly #hands: (host: SimulatedHost) => Host
  readonly #latency: WorldOptions['latency']
  #running: Running | null = null
  #stillborn: (Life & { host: SimulatedHost }) | null = null

  constructor(options: WorldOptions) {
    const { seed, scrambled = false, caching = false, hands = (host) => host, from, segmentEvents } = options
    this.formats = options.formats ?? from?.formats ?? FORMATS
    this.seed = seed
    this.chance = new Random(seed)
    this.time = new VirtualTime(from?.now ?? EPOCH_MS, scrambled ? this.chance.fork() : null)
    this.#scrambled = scrambled
    this.#caching = caching
    this.#segmentEvents = segmentEvents
    this.#hands = hands
    this.#latency = options.latency ?? (scrambled ? anyTime : undefined)
    const minting = this.chance.fork()
    this.#ids = ulids(
      () => this.time.now,
      () => (minting.bits() << 16n) | (minting.bits() & 0xffffn),
    )
    const state = from ? { state: structuredClone(from.machine) } : {}
    this.machine = new SimulatedMachine({ hostName: 'sim', now: () => this.time.now, ...state })
    this.disks = new Disks({
      meet: (what, subject) => this.#meetDisk(what, subject),
      crashed: () => this.#crashed(),
    })
    if (from) this.disks.restore(from.disks)
    else addDefaultRepository(this.machine)
  }

  /** What outlives the daemon, which must be dead. */
  copy(): WorldCopy {
    if (this.#running) throw new Error('a daemon runs')
    const { machine, disks, time, formats } = this
    return { now: time.now, machine: structuredClone(machine.state), disks: disks.copy(), formats }
  }

  get daemon(): Daemon {
    if (!this.#running) throw new Error('no daemon runs')
    return this.#running.daemon
  }

  get isUp(): boolean {
    return this.#running !== null
  }

  tell(what: string): void {
    this.story.push(`${((this.time.now - EPOCH_MS) / 1000).toFixed(3).padStart(9)} s  ${what}`)
  }

  // --- faults ------------------------------------------------------------------------------------------

  #cause: 'kill' | 'power-cut' = 'kill'

  #boundary(
    where: Boundary['where'],
    phase: Boundary['phase'],
    what: string,
    subject: string,
    helper: boolean,
  ): Boundary {
    this.met += 1
    const boundary: Boundary = { n: this.met, where, phase, what, subject, helper }
    this.recording?.push(boundary)
    return boundary
  }

  #ask(boundary: Boundary): ReturnType<Plan> {
    const action = this.plan(boundary)
    if (action.do === 'kill' || action.do === 'power-cut') this.#cause = action.do
    if (action.do !== 'nothing')
      this.tell(`${action.do} ${boundary.phase} ${boundary.what} ${boundary.subject} (#${boundary.n})`)
    return action
  }

  #meetDisk(what: string, subject: string): ReturnType<typeof diskFault> {
    const before = this.#ask(this.#boundary('log', 'before', what, subject, false))
    const after = this.#ask(this.#boundary('log', 'after', what, subject, false))
    return diskFault(before, after)
  }

  /** A fault stopped the world in the middle of a call. */
  #crashed(): void {
    if (this.#cause === 'power-cut') this.powerCut()
    else this.kill()
  }

  // --- life and death ----------------------------------------------------------------------------------

  /** `kill -9`: nothing of the daemon goes on; its helpers do, and the containers. */
  kill(): void {
    const life = this.#running ?? this.#stillborn
    if (!life) return
    life.isDead = true
    life.host.kill()
    this.#running = null
    this.#stillborn = null
    this.disks.crash(this.#scrambled && this.chance.chance(0.5))
    this.tell('the daemon is dead')
  }

  /** The host loses power and boots again; no daemon runs on it yet. */
  powerCut(): void {
    this.kill()
    this.machine.powerCut()
    this.disks.powerCut()
    this.tell('power cut, the host boots')
  }

  /** The power goes, and the disks are put into another host, which boots; no daemon runs on it yet. */
  carryDisks(to: { hostName: string; hostId: string } = BETA): void {
    this.kill()
    this.machine.carryDisks(to)
    this.disks.powerCut()
    this.tell(`power cut, the disks are put into ${to.hostName}, which boots`)
  }

  /** A polite end, as by `sv stop`. */
  async stop(): Promise<void> {
    const running = this.#running
    if (!running) return
    await this.until(running.daemon.stop())
    running.isDead = true
    this.#running = null
    this.tell('the daemon has ended')
  }

  #ports(life: Life, host: Host): DaemonPorts {
    const { formats } = this
    const stamp = () => ({ id: this.#ids.ulid(), t: this.time.now, m: this.#mono() })
    const pause = () => this.time.turn(life)
    const logOf = (disk: ReturnType<Disks['of']>, create: boolean): LogStore =>
      new MemoryLog({ disk, stamp, pause, create, formats })
    return {
      host,
      formats,
      effects,
      rehearse: (stage) => rehearsalOf(host, stage),
      clock: {
        wall: () => this.time.now,
        mono: () => this.#mono(),
        sleep: (ms, signal) => this.time.sleep(life, ms, signal),
      },
      ids: this.#ids,
      logger: this.#logger(life),
      openPoolLog: async (pool, dataset, { create }) =>
        logOf(this.disks.of(pool, await eventsDataset(host, dataset, create)), create),
      openCache: async (_pool, dataset) => (this.#caching ? this.disks.cache(dataset) : null),
      openHostLog: async () => logOf(this.disks.host(), true),
      publishNames: () => {},
      version: '0.0.0-sim',
      ...(this.#segmentEvents === undefined ? {} : { segmentEvents: this.#segmentEvents }),
    }
  }

  #mono(): number {
    return Math.max(0, this.time.now - this.machine.state.bootedAt) * 1000
  }

  #logger(life: Life): Logger {
    const say =
      (level: string) =>
      (data: Record<string, unknown>, message: string): void => {
        if (life.isDead) return
        if (level !== 'info') this.tell(`osctld ${level}: ${message} ${JSON.stringify(data)}`)
        if (level === 'error') this.defects.push(`${message} ${JSON.stringify(data)}`)
      }
    return { info: say('info'), warn: say('warn'), error: say('error') }
  }

  /** Starts a daemon, which imports every installed pool. Resolves when it did, or when it died of the plan. */
  async boot(options: { autostart: boolean } = { autostart: true }): Promise<void> {
    if (this.#running) throw new Error('a daemon runs already')
    const life: Life = { isDead: false }
    const random = this.chance.fork()
    const host = simulatedHost(
      this.machine,
      {
        now: () => this.time.now,
        sleep: (ms, signal) => this.time.sleep(life, ms, signal),
        random: () => random.fraction(),
      },
      {
        faults: ({ op, phase, intent, changes, subject }) =>
          hostFault(this.#ask(this.#boundary('host', phase, op, subject, changes && intent !== null)), phase),
        onCrash: () => this.#crashed(),
        ...(this.#latency ? { latency: this.#latency } : {}),
      },
    )
    const daemon = new Daemon(this.#ports(life, this.#hands(host)))
    this.#stillborn = Object.assign(life, { host })
    this.#running = Object.assign(life, { host, daemon, handlers: handlers(daemon, 1) })
    this.tell('a daemon starts')
    await this.until(
      daemon
        .start()
        .then(() => daemon.importAll(options.autostart))
        // The look at an import belongs to it: no verb that a test crashes finds it under way.
        .then(() => Promise.all([...daemon.pools.values()].map(({ drift }) => drift.idle()))),
    )
    this.#stillborn = null
  }

  readonly #shadowed = new WeakSet<Pool>()

  /** Every pool has its shadow from the first moment on that somebody waits. */
  #shadow(): void {
    for (const pool of this.#running?.daemon.pools.values() ?? []) {
      if (this.#shadowed.has(pool) || pool.journal.unavailable !== null) continue
      this.#shadowed.add(pool)
      new Shadow(pool, this.disks.named(pool.name), (problem) => this.defects.push(problem))
    }
  }

  // --- commands ----------------------------------------------------------------------------------------

  /** Sends a request and returns at once. */
  send<M extends MethodName>(method: M, params: MethodInput<M>): Request {
    const request: Request = { method, params, operation: null, answered: false, result: null, error: null }
    const running = this.#running
    if (!running) throw new Error('no daemon runs')
    this.tell(`> ${method} ${JSON.stringify(params)}`)
    const call = fakeCall({ operation: (op) => (request.operation = op) })
    const answer = (outcome: Partial<Request>): void => {
      if (running.isDead) return
      Object.assign(request, outcome, { answered: true })
      this.tell(`< ${method}: ${request.error ? `${request.error.kind}: ${request.error.message}` : 'done'}`)
    }
    dispatch(running.handlers, { method, params, id: 1 }, call).then(
      (result) => answer({ result }),
      (error) => {
        const known = error instanceof RpcError
        if (!known && !running.isDead)
          this.defects.push(`${method}: ${error instanceof Error ? error.stack : String(error)}`)
        const data: RpcErrorData = known ? error.data : { kind: 'internal', code: 'E_INTERNAL' }
        answer({ error: { ...data, message: error instanceof Error ? error.message : String(error) } })
      },
    )
    return request
  }

  /** Sends a request and waits for its answer, or for the daemon's death. */
  async call<M extends MethodName>(method: M, params: MethodInput<M>): Promise<Request> {
    const request = this.send(method, params)
    await this.wait(() => request.answered, `${method} is not answered`)
    return request
  }

  /** Sends a request that must succeed. */
  async must<M extends MethodName>(method: M, params: MethodInput<M>): Promise<Request> {
    const request = await this.call(method, params)
    if (!request.answered || request.error)
      throw new Error(`${method} failed: ${request.error?.message ?? 'no answer'}`)
    return request
  }

  // --- time --------------------------------------------------------------------------------------------

  /** Lets the world go on until `is` holds or the daemon that runs now is dead. */
  async wait(is: () => boolean, complaint: string): Promise<void> {
    const running = this.#running
    const limit = this.time.now + PATIENCE_MS
    for (;;) {
      await drained()
      this.#shadow()
      if (is() || running === null || running !== this.#running) return
      if (!this.time.wake(limit)) throw new Error(`${complaint} in an hour`)
    }
  }

  async until(work: Promise<unknown>): Promise<void> {
    let ended: { error: unknown } | null = null
    work.then(
      () => (ended = { error: null }),
      (error: unknown) => (ended = { error }),
    )
    await this.wait(() => ended !== null, 'the work does not end')
    const { error } = (ended as { error: unknown } | null) ?? { error: null }
    if (error !== null) throw error
  }

  /** Lets this much time pass. */
  async pass(ms: number): Promise<void> {
    const until = this.time.now + ms
    do {
      await drained()
      this.#shadow()
    } while (this.time.wake(until))
    this.time.now = until
  }

  /** Lets everything come to rest: no operation is open but those in doubt, and nothing is about to happen. */
  async settle(): Promise<void> {
    await this.wait(() => !this.#isBusy(), 'operations do not end')
    await this.pass(REST_MS)
    await this.wait(() => !this.#isBusy(), 'operations do not end')
  }

  #isBusy(): boolean {
    for (const pool of this.#running?.daemon.pools.values() ?? []) {
      // What is on its way to the disk may be there already, and is not in the states yet.
      if (pool.journal.checkPending()) return true
      const states = [pool.journal.states.pool(), ...pool.journal.states.all()]
      if (states.some(({ context: { op } }) => op !== null && op.pending?.inDoubt === null)) return true
    }
    return false
  }
}

function anyTime(op: string, random: () => number): number {
  const long = /^(lxc\.(start|stop)|images\.(fetch|unpack|receive))$/.test(op)
  return random() < 0.3 ? 0 : random() * (long ? 2000 : 20)
}

/** The dataset that a pool's log lies on, by guid, as the daemon's own adapter finds it. */
async function eventsDataset(host: Host, dataset: string, create: boolean): Promise<string> {
  const name = `${dataset}/events`
  const fence = { intent: 'unlogged.events', signal: new AbortController().signal }
  const seen = await host.zfs.get(name)
  if (seen && !seen.mounted) await host.zfs.mount(name)
  if (seen) return seen.guid
  if (!create)
    throw new HostError('E_NOT_FOUND', 'permanent', `${name} is missing: this pool has no event log`)
  await host.zfs.create(name, { mount: true, properties: {} }, fence)
  return (await host.zfs.get(name))?.guid ?? ''
}
