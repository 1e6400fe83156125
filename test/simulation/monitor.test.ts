/** Subscriptions: whatever the reader, the pools and the daemon do, every event comes once and in order. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Subscription, type SubscriptionOptions } from '../../src/daemon/subscription.ts'
import type { EventQuery } from '../../src/events/types/query.ts'
import type { Call } from '../../src/rpc/call.ts'
import type { EventNote } from '../../src/rpc/results.ts'
import { Random } from './random.ts'
import { running, scene } from './scenes.ts'
import type { World } from './world.ts'

type Note = Omit<EventNote, 'id'>

/** The other end of a subscription, which reads when it likes; its buffer takes `room` notes. */
class Reader {
  readonly read: Note[] = []
  readonly #room: number
  readonly #unread: Note[] = []
  readonly #gone = new AbortController()
  #drained: (() => void)[] = []
  ended: string | null = null
  /** What stood unread at most. */
  most = 0

  constructor(room: number) {
    this.#room = room
  }

  get call(): Call {
    const isFull = (): boolean => this.#unread.length >= this.#room
    return {
      actor: { uid: 0, gid: 0, pid: 1, start: 1, loginuid: 0, exe: null, tty: null },
      id: 1,
      signal: this.#gone.signal,
      progress: () => {},
      operation: () => {},
      notify: (note) => {
        this.#unread.push(note)
        this.most = Math.max(this.most, this.#unread.length)
      },
      get isFull() {
        return isFull()
      },
      drained: () => new Promise((resolve) => this.#drained.push(resolve)),
      end: (reason) => {
        this.ended = reason
        this.leave()
      },
    }
  }

  /** Reads so many, or all that is there. */
  take(count = Number.POSITIVE_INFINITY): void {
    this.read.push(...this.#unread.splice(0, count))
    if (this.#unread.length > 0) return
    const waiting = this.#drained
    this.#drained = []
    for (const resolve of waiting) resolve()
  }

  /** Reads until nothing more comes. */
  async takeAll(world: World): Promise<void> {
    for (let quiet = 0; quiet < 3; quiet++) {
      await world.pass(1)
      const before = this.read.length
      this.take()
      if (this.read.length > before) quiet = 0
    }
  }

  /** What was not read is lost with the connection. */
  leave(): void {
    this.#gone.abort()
    this.take(0)
  }

  seqs(pool: string): number[] {
    return this.read.filter(({ event }) => event.pool === pool).map(({ event }) => event.seq)
  }

  /** As `monitor --json` prints it. */
  get cursor(): Record<string, number> {
    return Object.fromEntries(this.read.map(({ event }) => [event.pool, event.seq]))
  }
}

type Wish = Partial<Omit<SubscriptionOptions, 'wanted'>> & { ct?: string; query?: Omit<EventQuery, 'limit'> }

async function subscribe(world: World, reader: Reader, wish: Wish = {}): Promise<Record<string, number>> {
  const { ct = null, query = {}, pools = null, from = {}, since = null } = wish
  const options = { pools, from, since, wanted: { ct, query } }
  let positions: Record<string, number> = {}
  await world.until(
    new Subscription(world.daemon, options, reader.call).start().then((begun) => {
      positions = begun
    }),
  )
  return positions
}

const logged = (world: World, pool: string, after = 0): number[] =>
  [...world.disks.named(pool).rows()].map(({ event }) => event.seq).filter((seq) => seq > after)

describe('A subscription', () => {
  it('gives what happens as it happens, with the state after it', async () => {
    const world = await scene()
    const reader = new Reader(1000)
    const { tank = 0 } = await subscribe(world, reader)
    await running(world, 'a')
    await reader.takeAll(world)
    assert.deepEqual(reader.seqs('tank'), logged(world, 'tank', tank))
    const last = reader.read.at(-1)
    assert.deepEqual(
      [last?.event.type, last?.event.target, last?.state],
      ['OperationFinished', 'a', 'running'],
    )
  })

  it('gives a reader that is slow everything, later, and keeps nothing for it but its buffer', async () => {
    const world = await scene()
    const reader = new Reader(5)
    const { tank = 0 } = await subscribe(world, reader)
    await running(world, 'a', 'b', 'c')
    assert.equal(reader.most, 5)
    assert.equal(reader.read.length, 0)
    await reader.takeAll(world)
    assert.deepEqual(reader.seqs('tank'), logged(world, 'tank', tank))
    assert.equal(reader.read.findLast(({ state }) => state !== undefined)?.state, 'running')
    assert.ok(reader.most <= 5)
  })

  it('begins at a position, at a time, or now', async () => {
    const world = await scene()
    await running(world, 'a')
    const noon = world.time.now + 1
    await world.pass(1000)
    await world.must('ct.stop', { id: 'a' })
    const all = logged(world, 'tank')
    const begun = async (wish: Wish): Promise<number[]> => {
      const reader = new Reader(10_000)
      await subscribe(world, reader, wish)
      await reader.takeAll(world)
      return reader.seqs('tank')
    }
    assert.deepEqual(await begun({ from: { tank: 0 } }), all)
    assert.deepEqual(await begun({ from: { tank: 7 } }), all.slice(7))
    assert.deepEqual(await begun({}), [])
    const stop = [...world.disks.named('tank').rows()].find(({ event }) => event.t >= noon)?.event.seq
    assert.ok(stop !== undefined)
    assert.deepEqual(await begun({ since: noon }), logged(world, 'tank', stop - 1))
  })

  it('is filtered alike for what is at hand and for what is read from the log', async () => {
    const world = await scene()
    const wishes: Wish[] = [
      { ct: 'b' },
      { query: { types: ['CtStartRequested'] } },
      { query: { failed: true } },
      { ct: 'b', query: { types: ['CommandAccepted'] } },
    ]
    const live = await Promise.all(
      wishes.map(async (wish) => {
        const reader = new Reader(1000)
        await subscribe(world, reader, wish)
        return reader
      }),
    )
    await running(world, 'a', 'b')
    await world.call('ct.start', { id: 'nothing' })
    await world.must('ct.delete', { id: 'b', force: true })
    for (const [i, wish] of wishes.entries()) {
      const later = new Reader(2)
      await subscribe(world, later, { ...wish, from: { tank: 0 } })
      await later.takeAll(world)
      const reader = live[i]
      await reader?.takeAll(world)
      assert.ok(later.read.length > 0)
      assert.deepEqual(reader?.seqs('tank'), later.seqs('tank'))
      assert.ok(wish.ct === undefined || later.read.every(({ event }) => event.target === wish.ct))
    }
  })

  it('follows a pool that goes and comes back, without a gap', async () => {
    const world = await scene({ pools: ['tank', 'dozer'] })
    const reader = new Reader(1000)
    const { dozer = 0, tank = 0 } = await subscribe(world, reader)
    await world.must('ct.new', { id: 'a', pool: 'dozer', distribution: 'busybox' })
    await world.must('pool.export', { name: 'dozer' })
    await world.must('pool.import', { name: 'dozer' })
    await world.must('ct.new', { id: 'b', pool: 'tank', distribution: 'busybox' })
    await reader.takeAll(world)
    assert.deepEqual(reader.seqs('dozer'), logged(world, 'dozer', dozer))
    assert.deepEqual(reader.seqs('tank'), logged(world, 'tank', tank))
    world.machine.addZpool('late')
    await world.must('pool.install', { name: 'late' })
    await reader.takeAll(world)
    assert.deepEqual(reader.seqs('late').slice(-3), logged(world, 'late').slice(-3))
    assert.equal(reader.ended, null)
  })

  it('gives the events of two pools in the order in which they happened', async () => {
    const world = await scene({ pools: ['tank', 'dozer'] })
    for (const [n, pool] of ['tank', 'dozer', 'tank', 'dozer'].entries()) {
      await world.pass(10)
      await world.must('ct.new', { id: `c${n}`, pool, distribution: 'busybox' })
    }
    const reader = new Reader(7)
    await subscribe(world, reader, { from: { tank: 0, dozer: 0 } })
    await reader.takeAll(world)
    const monos = reader.read.map(({ event }) => event.mono)
    assert.deepEqual(
      monos,
      monos.toSorted((a, b) => a - b),
    )
  })

  for (let seed = 1; seed <= 20; seed++)
    it(`misses nothing and repeats nothing, whoever stops, is slow or dies: ${seed}`, async () =>
      await chaos(seed))
})

/** Readers that go on from the cursor of the one before, over restarts, exports and bursts. */
async function chaos(seed: number): Promise<void> {
  const chance = new Random(BigInt(seed))
  const world = await scene({ pools: ['tank', 'dozer'], seed: BigInt(seed), scrambled: true })
  let reader = new Reader(chance.below(12) + 1)
  const begun = await subscribe(world, reader)
  const read: Note[] = []
  const cursor: Record<string, number> = { ...begun }
  const reconnect = async (): Promise<void> => {
    read.push(...reader.read)
    Object.assign(cursor, reader.cursor)
    reader.leave()
    reader = new Reader(chance.below(12) + 1)
    await subscribe(world, reader, { from: { ...cursor } })
  }
  for (let step = 0; step < 40; step++) {
    const roll = chance.below(10)
    const pool = chance.pick(['tank', 'dozer'])
    if (roll < 4) await world.call('ct.new', { id: `c${step}`, pool, distribution: 'busybox' })
    else if (roll < 7) reader.take(chance.below(10))
    else if (roll === 7) await reconnect()
    else if (roll === 8)
      await world.call(world.daemon.pools.has(pool) ? 'pool.export' : 'pool.import', { name: pool })
    else if (chance.chance(0.5)) {
      world.kill()
      await world.boot()
      await reconnect()
    }
    await world.pass(chance.below(3))
  }
  for (const name of ['tank', 'dozer'])
    if (!world.daemon.pools.has(name)) await world.must('pool.import', { name })
  await world.settle()
  await reader.takeAll(world)
  read.push(...reader.read)
  for (const name of ['tank', 'dozer']) {
    const seqs = read.filter(({ event }) => event.pool === name).map(({ event }) => event.seq)
    assert.deepEqual(seqs, logged(world, name, begun[name]), name)
  }
}
