/** What starts by itself: in order, as the host's pressure admits it, and whatever dies in between. */
import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import type { Standing } from '../../src/audit/autostart.ts'
import { pauseLeft } from '../../src/daemon/autostart.ts'
import type { AutostartRow, HistoryRow } from '../../src/rpc/results.ts'
import { type Action, type Boundary, NOTHING, nameOf, type Plan } from './boundary.ts'
import { at, initsOf } from './crashes.ts'
import { problems } from './invariants.ts'
import { assertWell, count, onHost, runs, scene, stateOf, types } from './scenes.ts'
import { World, type WorldCopy, type WorldOptions } from './world.ts'

const MINUTE = 60_000

/** Stopped containers with these priorities, by name. */
async function waiting(world: World, priorities: Readonly<Record<string, number>>, delay = 0): Promise<void> {
  for (const [id, priority] of Object.entries(priorities)) {
    await world.must('ct.new', { id, distribution: 'busybox' })
    await world.must('ct.set', { id, set: { autostart: { priority, delay } } })
  }
}

const starts = (world: World): string[] =>
  [...world.disks.named('tank').rows()].flatMap(({ event }) => {
    const { command, args } = event.data as { command?: string; args?: { id?: string } }
    return event.type === 'CommandAccepted' && command === 'ct start' ? [args?.id ?? ''] : []
  })

const queue = async (world: World): Promise<AutostartRow[]> =>
  (await world.must('pool.autostart-queue', { name: 'tank' })).result as AutostartRow[]
const ids = (rows: readonly AutostartRow[]): string[] => rows.map(({ id }) => id)

/** Starts take this long. */
const slow = (ms: number): Partial<WorldOptions> => ({ latency: (op) => (op === 'lxc.start' ? ms : 0) })

/** A boot in the middle of its plan: a is starting, b and c wait for their turn. */
async function begun(): Promise<World> {
  const world = await scene(slow(2000))
  await waiting(world, { a: 1, b: 2, c: 3 })
  await world.must('pool.set', { name: 'tank', set: { parallelStart: 1 } })
  world.powerCut()
  await world.boot()
  await world.pass(1000)
  return world
}

/** The start of a container with this name fails, as long as `fails` holds. */
const failing =
  (ctid: string, fails: () => boolean = () => true): Plan =>
  ({ what, phase, subject }) =>
    what === 'lxc.start' && phase === 'before' && subject === ctid && fails()
      ? { do: 'error', code: 'E_FAILED', failure: 'permanent' }
      : NOTHING

const ends = (world: World): { result: string; failed: string[]; left: string[] }[] =>
  [...world.disks.named('tank').rows()].flatMap(({ event }) =>
    event.type === 'AutostartFinished' ? [event.data as never] : [],
  )

describe('A plan', () => {
  it('starts by priority, then by name, so many at a time as the pool allows', async () => {
    const world = await scene(slow(2000))
    await waiting(world, { b: 5, a: 5, late: 9, '10': 5, first: 1 })
    await world.must('pool.set', { name: 'tank', set: { parallelStart: 2 } })
    world.powerCut()
    await world.boot()
    await world.pass(1500)
    assert.deepEqual(starts(world), ['first', '10'])
    assert.deepEqual(ids(await queue(world)), ['a', 'b', 'late'])
    await world.must('pool.set', { name: 'tank', set: { parallelStart: 3 } })
    await world.pass(MINUTE)
    assert.deepEqual(starts(world), ['first', '10', 'a', 'b', 'late'])
    assert.deepEqual(await queue(world), [])
    assert.deepEqual(ends(world).at(-1), { result: 'done', failed: [], left: [] })
    await assertWell(world)
  })

  it('holds starts back while the host is under pressure, and never for ever', async () => {
    for (const [strain, delay, within] of [
      [{ memory: 0.5, io: 0 }, 0, 5000],
      [{ memory: 0, io: 0.9 }, 20, 20_000],
    ] as const) {
      const world = await scene()
      await waiting(world, { a: 1, b: 2, c: 3 }, delay)
      world.powerCut()
      Object.assign(world.machine.strain, strain)
      await world.boot()
      await world.pass(5500)
      assert.deepEqual(starts(world), ['a'])
      await world.pass(within - 1000)
      assert.deepEqual(starts(world), ['a'])
      await world.pass(1000)
      assert.deepEqual(starts(world), ['a', 'b'])
      Object.assign(world.machine.strain, { memory: 0, io: 0 })
      await world.pass(1000)
      assert.deepEqual(starts(world), ['a', 'b', 'c'], 'it starts as soon as the pressure is gone')
      await assertWell(world)
    }
  })

  it('under pressure forces no start beside one that goes on, until that has had its time', async () => {
    const world = await scene(slow(8000))
    await waiting(world, { a: 1, b: 2, c: 3 })
    world.powerCut()
    Object.assign(world.machine.strain, { memory: 0.5, io: 0 })
    await world.boot()
    await world.pass(12_500)
    assert.deepEqual(starts(world), ['a'], 'a goes on until 13 s')
    await world.pass(2000)
    assert.deepEqual(starts(world), ['a', 'b'])
    await world.pass(MINUTE)
    assert.deepEqual(starts(world), ['a', 'b', 'c'])
    await assertWell(world)
  })

  it('does not ask a host that cannot tell its pressure twice', async () => {
    const world = await scene()
    await waiting(world, { a: 1, b: 2 })
    world.powerCut()
    world.plan = ({ what, phase }) =>
      what === 'host.pressure' && phase === 'before' ? { do: 'fail' } : NOTHING
    await world.boot()
    await world.pass(1000)
    assert.deepEqual(starts(world), ['a', 'b'])
    await assertWell(world)
  })

  it('tries one that fails again, five times in all, and goes on with the others meanwhile', async () => {
    const world = await scene()
    await waiting(world, { bad: 1, good: 2, soon: 0 })
    world.powerCut()
    let left = 2
    const soon = failing('soon', () => --left >= 0)
    world.plan = (boundary) => (boundary.subject === 'soon' ? soon(boundary) : failing('bad')(boundary))
    await world.boot()
    await world.pass(2000)
    assert.ok(runs(world, 'good'))
    assert.deepEqual(
      (await queue(world)).map(({ id, attempts, problem }) => [id, attempts, problem]),
      [
        ['soon', 1, 'injected E_FAILED'],
        ['bad', 1, 'injected E_FAILED'],
      ],
    )
    await world.pass(MINUTE)
    assert.ok(runs(world, 'soon'))
    assert.equal(starts(world).filter((id) => id === 'bad').length, 5)
    const [end] = ends(world).slice(-1)
    assert.deepEqual([end?.result, end?.failed.length], ['done', 1])
    const rows = (await world.must('history.list', {})).result as HistoryRow[]
    assert.ok(rows.some(({ command }) => command === 'autostart done: 1 container did not start'))
    world.plan = () => NOTHING
    await world.pass(10 * MINUTE)
    assert.equal(starts(world).filter((id) => id === 'bad').length, 5)
    await assertWell(world)
  })

  it('leaves alone what an admin has taken into his own hands', async () => {
    const world = await scene(slow(1000))
    await waiting(world, { first: 0, stopped: 1, unset: 2, gone: 3, mine: 4, cancelled: 5, last: 6 })
    await world.must('pool.set', { name: 'tank', set: { parallelStart: 1 } })
    world.powerCut()
    await world.boot()
    await world.pass(500)
    await world.must('ct.stop', { id: 'stopped' })
    await world.must('ct.set', { id: 'unset', set: { autostart: null } })
    await world.must('ct.delete', { id: 'gone' })
    const mine = world.send('ct.start', { id: 'mine' })
    await world.pass(10)
    assert.deepEqual(ids(await queue(world)), ['cancelled', 'last'])
    await world.wait(() => starts(world).includes('cancelled'), 'it does not start')
    await world.pass(100)
    const op = world.daemon.pool('tank').states.byCtid('cancelled')?.context.op?.id
    await world.must('op.cancel', { op: op ?? '' })
    await world.pass(MINUTE)
    assert.ok(mine.answered && mine.error === null)
    assert.deepEqual(starts(world), ['first', 'mine', 'cancelled', 'last'])
    assert.equal(await stateOf(world, 'cancelled'), 'stopped')
    assert.deepEqual(ends(world).at(-1), { result: 'done', failed: [], left: [] })
    await assertWell(world)
  })

  it('ends with an export, and the next import makes another', async () => {
    const world = await scene(slow(1000))
    await waiting(world, { a: 1, b: 2, c: 3 })
    await world.must('pool.set', { name: 'tank', set: { parallelStart: 1 } })
    world.powerCut()
    await world.boot()
    await world.pass(1500)
    await world.must('pool.export', { name: 'tank', force: true })
    assert.equal(ends(world).at(-1)?.result, 'cancelled')
    await world.pass(MINUTE)
    assert.deepEqual(starts(world), ['a', 'b'])
    await world.must('pool.import', { name: 'tank' })
    await world.pass(MINUTE)
    for (const id of ['a', 'b', 'c']) assert.ok(runs(world, id))
    await assertWell(world)
  })
})

describe('pool autostart', () => {
  it('triggers what is stopped, also after a boot that started nothing, and says when there is nothing', async () => {
    const world = await scene()
    await waiting(world, { a: 1, b: 2 })
    world.powerCut()
    await world.boot({ autostart: false })
    await world.pass(MINUTE)
    assert.deepEqual(starts(world), [])
    const { result } = await world.must('pool.autostart-trigger', { name: 'tank' })
    assert.equal((result as { result: string }).result, 'done')
    await world.pass(MINUTE)
    assert.deepEqual(starts(world), ['a', 'b'])
    const again = await world.must('pool.autostart-trigger', { name: 'tank' })
    assert.equal((again.result as { result: string }).result, 'noop')
    await world.must('ct.stop', { id: 'a' })
    await world.must('pool.autostart-trigger', { name: 'tank' })
    await world.pass(MINUTE)
    assert.deepEqual(starts(world), ['a', 'b', 'a'])
    await assertWell(world)
  })

  it('triggered in the middle of a plan takes its rest along, and starts nothing twice', async () => {
    const world = await begun()
    await world.must('pool.autostart-trigger', { name: 'tank' })
    await world.pass(MINUTE)
    assert.deepEqual(starts(world), ['a', 'b', 'c'])
    assert.equal(ends(world).filter(({ result }) => result === 'done').length, 1)
    await assertWell(world)
  })

  it('is not made again by a daemon that starts, however often osctld was restarted since', async () => {
    const world = await scene()
    await waiting(world, { a: 1 })
    world.powerCut()
    await world.boot()
    await world.pass(MINUTE)
    await world.must('ct.stop', { id: 'a' })
    for (let restarts = 0; restarts < 105; restarts++) {
      world.kill()
      await world.boot()
    }
    await world.pass(MINUTE)
    assert.deepEqual(starts(world), ['a'])
    assert.equal(await stateOf(world, 'a'), 'stopped')
  })

  it('cancels what waits, lets go on what starts, and is remembered', async () => {
    const world = await begun()
    await world.must('pool.autostart-cancel', { name: 'tank' })
    assert.deepEqual(await queue(world), [])
    world.kill()
    await world.boot()
    await world.pass(MINUTE)
    assert.deepEqual(starts(world), ['a'])
    assert.ok(runs(world, 'a') || (await stateOf(world, 'a')) === 'running')
    const [end] = ends(world).slice(-1)
    assert.deepEqual([end?.result, end?.left.length], ['cancelled', 3])
    const again = await world.must('pool.autostart-cancel', { name: 'tank' })
    assert.equal((again.result as { result: string }).result, 'noop')
    await assertWell(world)
  })
})

const counts = { boundaries: 0, lives: 0 }

/** A machine that lost its power, with three containers to start, of which one fails the first time. */
async function darkened(): Promise<WorldCopy> {
  const world = await scene()
  await waiting(world, { a: 1, b: 2, c: 3 })
  await world.must('ct.new', { id: 'plain', distribution: 'busybox' })
  await world.must('ct.start', { id: 'plain' })
  await world.settle()
  world.powerCut()
  return world.copy()
}

const once = (): Plan => {
  let left = 1
  return failing('b', () => --left >= 0)
}
const both =
  (one: Plan, other: Plan): Plan =>
  (boundary) => {
    const action = one(boundary)
    return action.do === 'nothing' ? other(boundary) : action
  }

/** A boot that dies at a boundary of its plan, and what the daemon after it makes of that. */
async function dies(from: WorldCopy, boundary: Boundary, action: Action): Promise<void> {
  const world = new World({ seed: 7n, from })
  world.plan = both(at(boundary.n, action), once())
  await world.boot()
  await world.pass(MINUTE)
  const told = (): string => [`${action.do} ${nameOf(boundary)}`, ...world.story].join('\n')
  assert.ok(!world.isUp, told())
  const inits = initsOf(world)
  world.plan = () => NOTHING
  await world.boot()
  await world.pass(2 * MINUTE)
  await world.settle()
  assert.deepEqual(await problems(world), [], told())
  for (const id of ['a', 'b', 'c']) assert.ok(runs(world, id), `${id} does not run\n${told()}`)
  assert.ok(!runs(world, 'plain'), told())
  if (action.do === 'kill')
    for (const [id, init] of inits)
      if (init !== undefined)
        assert.equal(onHost(world, id).evidence?.initPid, init, `${id} was restarted\n${told()}`)
  assert.equal(ends(world).at(-1)?.result, 'done', told())
  const planned = types(world).lastIndexOf('AutostartPlanned')
  assert.ok(types(world).lastIndexOf('AutostartFinished') > planned, told())
  assert.ok(starts(world).length <= 1 + 2 * 4, told())
  counts.lives += 1
}

describe('A boot whose daemon or host dies at any boundary of the plan is gone on with', () => {
  it('starts everything, nothing twice, and ends', async () => {
    const from = await darkened()
    const whole = new World({ seed: 7n, from })
    whole.recording = []
    whole.plan = once()
    await whole.boot()
    await whole.pass(30_000)
    const boundaries = whole.recording
    whole.recording = null
    assert.deepEqual(starts(whole), ['plain', 'a', 'b', 'c', 'b'])
    for (const boundary of boundaries) {
      counts.boundaries += 1
      for (const action of [{ do: 'kill' }, { do: 'power-cut' }] as const) await dies(from, boundary, action)
    }
    assert.ok(counts.boundaries > 100)
  })

  it('counts the attempts of all daemons', async () => {
    const world = await scene()
    await waiting(world, { bad: 1 })
    world.powerCut()
    world.plan = failing('bad')
    await world.boot()
    await world.pass(2000)
    for (let i = 0; i < 3; i++) {
      world.kill()
      await world.boot()
      await world.pass(2000)
    }
    await world.pass(2 * MINUTE)
    assert.equal(starts(world).length, 5)
    assert.equal(ends(world).at(-1)?.failed.length, 1)
    world.kill()
    await world.boot()
    await world.pass(MINUTE)
    assert.equal(starts(world).length, 5, 'a plan that is over stays over')
    assert.equal(count(world, 'AutostartPlanned'), 2)
    await assertWell(world)
  })

  it('lets a pause last as long as it would have, and no longer when the clock was set back', async () => {
    const world = await scene()
    await waiting(world, { bad: 1 })
    world.powerCut()
    world.plan = failing('bad')
    await world.boot()
    await world.pass(17_000)
    assert.equal(starts(world).length, 3, 'after 0, 5 and 15 s')
    world.kill()
    await world.boot()
    await world.pass(11_000)
    assert.equal(starts(world).length, 3, 'the pause of 15 s was not over')
    await world.pass(3000)
    assert.equal(starts(world).length, 4)
    world.kill()
    await world.boot()
    await world.pass(2 * MINUTE)
    assert.equal(starts(world).length, 5)
    const standing = { is: 'waiting', attempts: 2, why: 'x', command: null, end: { t: 50_000 } } as Standing
    assert.equal(pauseLeft(standing, 54_000), 6000)
    assert.equal(pauseLeft(standing, 70_000), 0)
    assert.equal(pauseLeft(standing, 1000), 10_000)
    await assertWell(world)
  })

  it('records that a second boot interrupted the plan of the first', async () => {
    const world = await scene(slow(2000))
    await waiting(world, { a: 1, b: 2 })
    await world.must('pool.set', { name: 'tank', set: { parallelStart: 1 } })
    world.powerCut()
    await world.boot()
    await world.pass(3000)
    world.powerCut()
    await world.boot()
    await world.pass(MINUTE)
    assert.deepEqual(
      ends(world).map(({ result }) => result),
      ['interrupted', 'done'],
    )
    assert.equal(ends(world)[0]?.left.length, 1)
    for (const id of ['a', 'b']) assert.ok(runs(world, id))
    await assertWell(world)
  })
})

after(() => console.log(`${counts.boundaries} boundaries of a boot, ${counts.lives} deaths`))
