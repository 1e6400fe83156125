/**
 * Lives of a whole daemon on the simulated host, with its real log files, each ended by `kill -9`.
 *
 * Clients that own a container each send one command after the other; the daemon is killed at a random moment, now and
 * then once more while it recovers; the next one is asked what there is. What was acknowledged is there; the one
 * command of each client that was not is there whole, or not at all; nothing is in doubt.
 *
 * A seed repeats the choice of moments and commands; where a moment falls is for the machine to say.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Client, ConnectionError, connectTo } from '../../src/rpc/client.ts'
import { RpcError } from '../../src/rpc/errors.ts'
import type { Random } from '../simulation/random.ts'

const CLIENTS = 4
const READY_MS = 60_000
/** A life ends after fewer acknowledgements than this, and so much time more. */
const LIFE_COMMANDS = 12
const LIFE_MS = 300
/** Of the lives after a kill, so many end while the daemon starts and recovers. */
const DIES_STARTING = 0.2
const START_MS = 700
/** Every so many lives, and at the end, the whole log is verified. */
const VERIFIED_EVERY = 25
/** Events that a failure quotes. */
const QUOTED = 60

const TOP = join(import.meta.dirname, '..', '..')
const OSCTLD = join(TOP, 'dist', 'osctld.cjs')

/** What a client knows of its container; null when it does not exist. */
type Known = { hostname: string | null; state: 'running' | 'stopped' } | null
/** What there was, and what there will be when the command under way is done. */
type Owner = { id: string; now: Known; next: Known; acknowledged: number }

export type Lived = { kills: number; whileStarting: number; acknowledged: number }

export class DaemonLives {
  readonly #directory: string
  readonly #socket: string
  readonly #chance: Random
  readonly #owners: readonly Owner[]
  #daemon: ChildProcess | null = null
  #kills = 0
  #whileStarting = 0

  /** @param directory  for the simulated machine, its logs and the socket; empty */
  constructor(directory: string, chance: Random) {
    this.#directory = directory
    this.#socket = join(directory, 's')
    this.#chance = chance
    this.#owners = Array.from({ length: CLIENTS }, (_, i) => ({
      id: `c${i}`,
      now: null,
      next: null,
      acknowledged: 0,
    }))
  }

  get lived(): Lived {
    const acknowledged = this.#owners.reduce((sum, owner) => sum + owner.acknowledged, 0)
    return { kills: this.#kills, whileStarting: this.#whileStarting, acknowledged }
  }

  /**
   * Lives and dies until the daemon was killed so many times.
   * @throws AssertionError telling what was lost or halved, with the newest events
   */
  async run(kills: number, tell: (lived: Lived) => void = () => undefined): Promise<Lived> {
    assert.ok(existsSync(OSCTLD), `${OSCTLD} is missing: npm run build`)
    let client = await this.#start()
    await client.call('pool.install', { name: 'tank' })
    for (let life = 1; this.#kills < kills; life++) {
      await this.#live()
      while (this.#chance.chance(DIES_STARTING)) await this.#dieStarting()
      client = await this.#start()
      try {
        await this.#check(client)
        if (life % VERIFIED_EVERY === 0 || this.#kills >= kills) await verify(client)
      } catch (error) {
        throw await withEvents(error, client, `after ${this.#kills} kills`)
      }
      tell(this.lived)
    }
    return this.lived
  }

  async #live(): Promise<void> {
    const clients = await Promise.all(this.#owners.map(() => connectTo(this.#socket)))
    const working = Promise.all(this.#owners.map((owner, i) => this.#work(clients[i] as Client, owner)))
    const moment = this.#moment(this.#chance.below(LIFE_COMMANDS), this.#chance.below(LIFE_MS))
    await Promise.race([moment, working])
    await this.#kill()
    await working
  }

  /** By time alone, a slow machine would be killed before it had done anything. */
  async #moment(commands: number, ms: number): Promise<void> {
    const enough = this.lived.acknowledged + commands
    const deadline = Date.now() + READY_MS
    while (this.lived.acknowledged < enough) {
      assert.ok(Date.now() < deadline, 'no command is answered any more')
      await sleep(2)
    }
    await sleep(ms)
  }

  async #dieStarting(): Promise<void> {
    this.#spawn()
    await sleep(this.#chance.below(START_MS))
    await this.#kill()
    this.#whileStarting += 1
  }

  #spawn(): ChildProcess {
    const argv = [OSCTLD, '--host', 'simulated', '--state', this.#directory, '--socket', this.#socket]
    this.#daemon = spawn(process.execPath, [...argv, '--log-level', 'error'], {
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    return this.#daemon
  }

  async #start(): Promise<Client> {
    const daemon = this.#spawn()
    const deadline = Date.now() + READY_MS
    for (;;) {
      try {
        const client = await connectTo(this.#socket)
        await client.call('ping', {})
        return client
      } catch (error) {
        if (!(error instanceof ConnectionError) || Date.now() > deadline || daemon.exitCode !== null)
          throw error
        await sleep(20)
      }
    }
  }

  /** `kill -9`, and it is gone; the next one will be asked. */
  async #kill(): Promise<void> {
    await this.end()
    this.#kills += 1
  }

  /** Leaves no daemon behind. */
  async end(): Promise<void> {
    const daemon = this.#daemon
    this.#daemon = null
    if (!daemon || daemon.exitCode !== null) return
    const died = once(daemon, 'exit')
    daemon.kill('SIGKILL')
    await died
  }

  /** Commands one after the other until the daemon is gone. */
  async #work(client: Client, owner: Owner): Promise<void> {
    for (let n = 0; ; n++) {
      const { method, params, next } = this.#pick(owner, owner.acknowledged + n)
      owner.next = next
      try {
        await client.call(method as 'ct.set', params as never)
      } catch (error) {
        if (!(error instanceof RpcError)) return
        const refused = new Error(`${method} ${JSON.stringify(params)}: ${error.message}`, { cause: error })
        throw await withEvents(refused, client, `after ${this.#kills} kills`)
      }
      owner.now = next
      owner.acknowledged += 1
    }
  }

  /** One command for this container, and what it makes of it. */
  #pick({ id, now }: Owner, n: number): { method: string; params: object; next: Known } {
    if (!now) {
      const params = { id, distribution: 'busybox' }
      return { method: 'ct.new', params, next: { hostname: null, state: 'stopped' } }
    }
    const roll = this.#chance.below(10)
    if (roll < 6) {
      const hostname = `h${n}`
      return { method: 'ct.set', params: { id, set: { hostname } }, next: { ...now, hostname } }
    }
    if (roll === 6) return { method: 'ct.delete', params: { id, force: true }, next: null }
    if (now.state === 'running')
      return { method: 'ct.stop', params: { id, mode: 'kill' }, next: { ...now, state: 'stopped' } }
    return { method: 'ct.start', params: { id }, next: { ...now, state: 'running' } }
  }

  async #check(client: Client): Promise<void> {
    await atRest(client)
    const rows = await client.call('ct.list', {})
    const there = new Map(rows.map(({ id, hostname, state }) => [id, JSON.stringify({ hostname, state })]))
    for (const owner of this.#owners) {
      const found = there.get(owner.id) ?? 'null'
      const legal = [owner.now, owner.next].map((known) => JSON.stringify(known))
      assert.ok(legal.includes(found), `${owner.id} is ${found}, not ${legal.join(' or ')}`)
      owner.now = JSON.parse(found) as Known
      owner.next = owner.now
    }
    assert.equal(there.size, this.#owners.filter(({ now }) => now !== null).length, 'a container of nobody')
  }
}

/** Waits for the pool to be imported, and for recovery to have settled all. */
async function atRest(client: Client): Promise<void> {
  const deadline = Date.now() + READY_MS
  for (;;) {
    const { pools, problems } = await client.call('status', {})
    assert.deepEqual(problems, [])
    const open = pools.length === 0 ? null : await client.call('op.list', {})
    if (open?.length === 0) return
    assert.ok(!open?.some(({ state }) => state === 'in doubt'), `in doubt: ${JSON.stringify(open)}`)
    assert.ok(Date.now() < deadline, open ? `not at rest: ${JSON.stringify(open)}` : 'no pool is imported')
    await sleep(20)
  }
}

async function verify(client: Client): Promise<void> {
  const verified = await client.call('event.verify', { full: true })
  assert.deepEqual(
    verified.map(({ result, problems }) => ({ result, problems })),
    verified.map(() => ({ result: 'ok', problems: [] })),
  )
}

/** The error with what the log says of the time before it. */
async function withEvents(error: unknown, client: Client, when: string): Promise<Error> {
  const what = error instanceof Error ? error.message : String(error)
  const events = await client.call('event.list', { reverse: true, limit: QUOTED }).catch(() => [])
  const lines = events
    .reverse()
    .map(({ position, target, type, op, data }) =>
      [position, target ?? '-', type, op ?? '-', JSON.stringify(data)].join(' '),
    )
  return new Error(`${when}: ${what}\n${lines.join('\n')}`, { cause: error })
}
