/** Pools as a whole: closing and opening, beside each other, and with logs that are damaged. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { chained } from '../../src/events/log/chain.ts'
import type { StoredEvent } from '../../src/events/types/envelope.ts'
import type { Accepted, PoolRow } from '../../src/rpc/results.ts'
import { NOTHING } from './boundary.ts'
import * as byHand from './by-hand.ts'
import { problems } from './invariants.ts'
import { assertWell, count, inside, onHost, row, running, runs, scene, stateOf, types } from './scenes.ts'
import type { Request, World } from './world.ts'

const poolRow = async (world: World, name: string): Promise<PoolRow> =>
  (await world.must('pool.show', { name })).result as PoolRow

type Change = (event: StoredEvent) => StoredEvent

/** An event of the log is another now: with hashes that fit, as a defect of the daemon would write it, or without. */
function tamper(world: World, is: (event: StoredEvent) => boolean, change: Change, fits: boolean): void {
  const segment = world.disks.named('tank').open()
  assert.ok(segment)
  const { rows } = segment
  let hash = segment.previous
  for (const [index, row] of rows.entries()) {
    const event = is(row.event) ? change(row.event) : row.event
    const link = chained(hash, event)
    rows[index] = fits ? { event, ...link } : { ...row, event, body: link.body }
    hash = link.hash
  }
}

describe('A pool', () => {
  it('is exported and imported: containers stop, in the end those with autostart run', async () => {
    const world = await scene()
    await running(world, 'auto', 'plain')
    await world.must('ct.set', { id: 'auto', set: { autostart: { priority: 1, delay: 0 } } })
    const refused = await world.call('pool.export', { name: 'tank' })
    assert.equal(refused.error?.kind, 'refused')
    await world.must('pool.export', { name: 'tank', force: true })
    assert.ok(!runs(world, 'auto') && !runs(world, 'plain'))
    assert.equal(types(world).at(-1), 'PoolClosed')
    assert.equal((await world.call('ct.list', {})).error, null)
    await world.must('pool.import', { name: 'tank' })
    await assertWell(world)
    assert.deepEqual([await stateOf(world, 'auto'), await stateOf(world, 'plain')], ['running', 'stopped'])
  })

  it('stays open when a container does not stop, and says which', async () => {
    const world = await scene()
    await running(world, 'a')
    world.plan = ({ what, phase }) =>
      what === 'lxc.stop' && phase === 'before'
        ? { do: 'error', code: 'E_FAILED', failure: 'permanent' }
        : NOTHING
    const { error } = await world.call('pool.export', { name: 'tank', force: true })
    assert.match(error?.message ?? '', /did not stop: a/)
    world.plan = () => NOTHING
    await assertWell(world)
    assert.equal(await stateOf(world, 'a'), 'running')
  })

  it('is given up and installed again with all that is on it', async () => {
    const world = await scene()
    await world.must('ct.new', { id: 'a', distribution: 'busybox' })
    await world.must('pool.export', { name: 'tank' })
    await world.must('pool.uninstall', { name: 'tank' })
    world.kill()
    await world.boot()
    assert.equal(world.daemon.pools.size, 0)
    await world.must('pool.install', { name: 'tank' })
    await assertWell(world)
    await world.must('ct.start', { id: 'a' })
  })

  it('beside another gives ids that the other does not have, however they race', async () => {
    const world = await scene({ pools: ['tank', 'deep'], scrambled: true })
    const requests = ['a', 'b', 'c', 'd', 'e', 'f'].map((id, i) =>
      world.send('ct.new', { id, pool: i % 2 === 0 ? 'tank' : 'deep', distribution: 'busybox' }),
    )
    await world.wait(() => requests.every(({ answered }) => answered), 'not answered')
    assert.deepEqual(
      requests.map(({ error }) => error),
      requests.map(() => null),
    )
    await assertWell(world)
  })

  it('brings ids that are taken here: it is imported, and the admin is told', async () => {
    const world = await scene({ pools: ['tank', 'deep'] })
    await world.must('pool.export', { name: 'deep' })
    await world.must('ct.new', { id: 'a', pool: 'tank', distribution: 'busybox' })
    await world.must('pool.export', { name: 'tank' })
    world.kill()
    const root = world.machine.state.datasets['tank']
    assert.ok(root)
    root.mounted = false
    await world.boot()
    await world.must('ct.new', { id: 'b', pool: 'deep', distribution: 'busybox' })
    root.mounted = true
    await world.must('pool.import', { name: 'tank' })
    const { result } = await world.must('healthcheck', {})
    assert.match(JSON.stringify(result), /share host ids/)
    assert.deepEqual(await problems(world), ['deep:b and tank:a share host ids'])
  })
})

describe('A log that is closed', () => {
  for (const fault of ['unknown-applied', 'unknown-lost'] as const) {
    it(`is let go of, though a commit meanwhile fails: ${fault}`, async () => {
      const world = await scene()
      let late: Request | undefined
      world.daemon.pools.get('tank')?.journal.listen(({ stored }) => {
        if (stored.at(-1)?.type === 'PoolClosed') late = world.send('ct.freeze', { id: 'a' })
      })
      let isFaulty = true
      world.plan = ({ where, what, phase }) => {
        if (phase === 'after') return NOTHING
        // Without an anchor to wait for, the log is closed before the commit has failed.
        if (what === 'zfs.set') return { do: 'fail' }
        if (where !== 'log' || types(world).at(-1) !== 'PoolClosed' || !isFaulty) return NOTHING
        isFaulty = false
        return { do: 'disk', fault }
      }
      await world.must('pool.export', { name: 'tank' })
      await world.wait(() => late?.answered ?? false, 'the late command is not answered')
      assert.ok(!isFaulty)
      assert.equal(late?.error?.kind, fault === 'unknown-applied' ? 'refused' : 'unavailable')
      assert.equal(types(world).at(-1), fault === 'unknown-applied' ? 'CommandRefused' : 'PoolClosed')
      world.plan = () => NOTHING
      await world.must('pool.import', { name: 'tank' })
      await assertWell(world)
    })
  }

  for (const when of ['just before', 'after'] as const) {
    it(`is not opened again for a command that comes ${when}, to look up a seal that failed`, async () => {
      const world = await scene()
      const pool = world.daemon.pools.get('tank')
      assert.ok(pool)
      const { journal, upkeep } = pool
      world.plan = ({ what, phase }) =>
        what === 'seal' && phase === 'before' ? { do: 'disk', fault: 'unknown-lost' } : NOTHING
      await assert.rejects(world.until(upkeep.seal()), /outcome is unknown/)
      const isRefused = (): Promise<void> => assert.rejects(journal.caughtUp(), /the log is closed/)
      const before = when === 'just before' ? isRefused() : null
      await world.until(journal.close())
      await world.until(before ?? isRefused())
      assert.ok(!world.disks.named('tank').isHeld)
    })
  }
})

describe('A log that is damaged', () => {
  it('in what one container says quarantines that container, which keeps running', async () => {
    const world = await scene()
    await running(world, 'good', 'bad')
    const { stream } = await row(world, 'bad')
    world.kill()
    const before = onHost(world, 'bad').evidence
    const illegal = (event: StoredEvent): StoredEvent => ({ ...event, type: 'CtThawRequested', data: {} })
    const isStart = (event: StoredEvent): boolean =>
      event.stream === `ct:${stream}` && event.type === 'CtStartRequested'
    tamper(world, isStart, illegal, true)
    await world.boot()
    await world.settle()
    assert.equal(world.daemon.pools.get('tank')?.journal.unavailable, null)
    assert.equal(await stateOf(world, 'bad'), 'error')
    assert.deepEqual(onHost(world, 'bad').evidence, before)
    await world.must('ct.restart', { id: 'good' })
    assert.equal(await stateOf(world, 'good'), 'running')
    const refused = await world.call('ct.stop', { id: 'bad' })
    assert.ok(refused.error && refused.error.kind !== 'internal', refused.error?.message)
  })

  it('in its chain makes the pool read-only: reads are answered, containers run, changes are refused', async () => {
    const world = await scene()
    await running(world, 'a')
    world.kill()
    const isStart = (event: StoredEvent): boolean => event.type === 'CtStartRequested'
    tamper(world, isStart, (event) => ({ ...event, t: event.t + 1 }), false)
    await world.boot()
    await world.pass(60_000)
    assert.equal(await stateOf(world, 'a'), 'stopped', 'as far as the log can be believed')
    assert.ok(runs(world, 'a'))
    const { error } = await world.call('ct.start', { id: 'a' })
    assert.equal(error?.kind, 'unavailable')
    assert.match(error?.message ?? '', /damaged/)
    assert.match(JSON.stringify((await world.must('healthcheck', {})).result), /damaged/)
    assert.ok(await poolRow(world, 'tank'))
    await world.must('history.list', {})
  })

  it('on a read-only file system is read, and changes are refused', async () => {
    const world = await scene()
    await running(world, 'a')
    world.kill()
    world.disks.named('tank').isReadOnly = true
    await world.boot()
    await world.pass(60_000)
    assert.equal(await stateOf(world, 'a'), 'running')
    const { error } = await world.call('ct.set', { id: 'a', set: { hostname: 'x' } })
    assert.equal(error?.kind, 'unavailable')
    inside(world, 'a', 'crash')
    await world.pass(60_000)
    world.disks.named('tank').isReadOnly = false
    await world.must('pool.export', { name: 'tank' })
    await world.must('pool.import', { name: 'tank' })
    await assertWell(world)
    assert.equal(await stateOf(world, 'a'), 'stopped')
  })

  it('whose dataset is gone leaves the other pools working', async () => {
    const world = await scene({ pools: ['tank', 'deep'] })
    await world.must('ct.new', { id: 'a', pool: 'deep', distribution: 'busybox' })
    world.kill()
    delete world.machine.state.datasets['tank/events']
    await world.boot()
    assert.deepEqual([...world.daemon.pools.keys()], ['deep'])
    await world.must('ct.start', { id: 'a' })
    const status = (await world.must('status', {})).result as { problems: string[] }
    assert.match(status.problems.join('\n'), /tank: tank\/events is missing/)
  })
})

describe('A pool whose mark was taken away by hand', () => {
  const MARK = 'org.vpsadminos.osctl:active'
  const unmark = (world: World): void => byHand.set(world, 'tank', MARK, null)
  const isMarked = (world: World): boolean => world.machine.state.datasets['tank']?.properties[MARK] === 'yes'

  for (const how of ['exported', 'imported by a daemon that died', 'imported when the power went'] as const) {
    it(`is marked again by the way that its refusal names, when it was ${how}`, async () => {
      const world = await scene()
      await running(world, 'a')
      if (how === 'exported') await world.must('pool.export', { name: 'tank', force: true })
      unmark(world)
      if (how === 'imported by a daemon that died') world.kill()
      if (how === 'imported when the power went') world.powerCut()
      if (!world.isUp) await world.boot()
      const { error } = await world.call('pool.import', { name: 'tank' })
      assert.match(error?.message ?? '', /pool not installed: tank \(osctl pool install tank\)/)
      const { result } = await world.must('pool.install', { name: 'tank', meta: { dryRun: true } })
      const { plan } = result as Accepted
      assert.deepEqual(
        plan?.effects.map(({ kind }) => kind),
        ['pool.mark'],
      )
      assert.ok(!isMarked(world))
      await world.must('pool.install', { name: 'tank' })
      assert.ok(isMarked(world))
      assert.equal(
        await stateOf(world, 'a'),
        how === 'imported by a daemon that died' ? 'running' : 'stopped',
      )
      await assertWell(world)
      world.kill()
      await world.boot()
      assert.deepEqual([...world.daemon.pools.keys()], ['tank'], 'the next daemon finds it')
      const again = await world.call('pool.install', { name: 'tank' })
      assert.match(again.error?.message ?? '', /already imported/)
    })
  }

  it('is marked again while it is imported', async () => {
    const world = await scene()
    unmark(world)
    await world.must('pool.install', { name: 'tank' })
    assert.ok(isMarked(world))
    await assertWell(world)
  })
})

describe('A disk that does not answer', () => {
  it('suspends its pool: changes are refused, the other pool works, and it comes back by itself', async () => {
    const world = await scene({ pools: ['tank', 'deep'] })
    await running(world, 'a')
    await world.settle()
    const journal = world.daemon.pools.get('tank')?.journal
    const store = journal?.store
    assert.ok(journal && store)
    const append = store.append.bind(store)
    let release = (): void => {}
    const held = new Promise<void>((resolve) => (release = resolve))
    store.append = async (batch) => {
      await held
      return await append(batch)
    }
    const set = world.send('ct.set', { id: 'a', set: { hostname: 'x' } })
    await world.pass(7000)
    assert.equal(set.error?.kind, 'in-doubt', 'who waits for the commit is told')
    const { error } = await world.call('ct.set', { id: 'a', set: { hostname: 'y' } })
    assert.equal(error?.kind, 'unavailable')
    assert.match(error?.message ?? '', /suspended/)
    await world.must('ct.new', { id: 'b', pool: 'deep', distribution: 'busybox' })
    assert.equal(await stateOf(world, 'a'), 'running')
    release()
    await world.pass(2000)
    assert.equal((await row(world, 'a')).hostname, 'x', 'the commit came back with the disk')
    await world.must('ct.set', { id: 'a', set: { hostname: 'z' } })
    await assertWell(world)
    assert.equal(count(world, 'CtConfigSet'), 2)
  })
})

describe('A disk that goes away in the middle of a commit', () => {
  /** The commit of the next command meets it. */
  function leaving(world: World, fault: 'away-applied' | 'away-lost', failingOpens: number): void {
    world.plan = ({ where, phase }) => {
      if (where !== 'log' || phase === 'before') return where === 'log' ? { do: 'disk', fault } : NOTHING
      world.plan = () => NOTHING
      world.disks.named('tank').failingOpens = failingOpens
      return NOTHING
    }
  }

  for (const fault of ['away-applied', 'away-lost'] as const) {
    it(`suspends its pool until it is back, and the command is there once: ${fault}`, async () => {
      const world = await scene({ pools: ['tank', 'deep'] })
      await running(world, 'a', 'b')
      await world.settle()
      leaving(world, fault, 9)
      const freeze = world.send('ct.freeze', { id: 'a' })
      await world.pass(1000)
      assert.ok(!freeze.answered)
      const { error } = await world.call('ct.freeze', { id: 'b' })
      assert.equal(error?.kind, 'unavailable')
      assert.match(error?.message ?? '', /suspended: its log cannot be opened again.*EIO/)
      assert.equal((await poolRow(world, 'tank')).log, 'suspended')
      inside(world, 'b', 'stop')
      await world.pass(6000)
      assert.equal(freeze.error?.kind, 'in-doubt', 'who waits is told')
      await world.must('ct.new', { id: 'c', pool: 'deep', distribution: 'busybox' })
      await world.pass(30_000)
      assert.equal((await poolRow(world, 'tank')).log, 'ok')
      assert.deepEqual([await stateOf(world, 'a'), await stateOf(world, 'b')], ['frozen', 'stopped'])
      assert.equal(count(world, 'CtFreezeRequested'), 1)
      await world.must('ct.start', { id: 'b' })
      await assertWell(world)
    })
  }

  it('does not keep who waits for long from hearing that it was done', async () => {
    const world = await scene()
    await running(world, 'a')
    leaving(world, 'away-applied', 3)
    await world.must('ct.set', { id: 'a', set: { hostname: 'x' } })
    assert.equal((await row(world, 'a')).hostname, 'x')
    await assertWell(world)
  })

  it('is let go of while an effect waits to be tried again: it is not, behind the next import', async () => {
    const world = await scene()
    await world.settle()
    const log = world.disks.named('tank')
    let hasFailed = false
    world.plan = ({ where, what, phase }) => {
      if (phase === 'after') return NOTHING
      if (where === 'log' && hasFailed) return { do: 'disk', fault: 'away-lost' }
      if (what !== 'zfs.create' || hasFailed) return NOTHING
      hasFailed = true
      log.failingOpens = 1000
      return { do: 'fail' }
    }
    const params = { id: 'a', pool: 'tank', distribution: 'x', version: '1', skipImage: true }
    const request = world.send('ct.new', params)
    const { journal } = world.daemon.pools.get('tank') ?? {}
    await world.wait(() => journal?.availability.isUnopened ?? true, 'the log is not away')
    await world.must('pool.export', { name: 'tank', force: true })
    world.plan = () => NOTHING
    log.failingOpens = 0
    await world.must('pool.import', { name: 'tank' })
    await world.pass(10_000)
    assert.equal(request.error?.kind, 'in-doubt')
    await assertWell(world)
  })

  it('can be let go of, and the next import reads what it has', async () => {
    const world = await scene()
    await running(world, 'a')
    await world.settle()
    leaving(world, 'away-applied', 1000)
    const set = world.send('ct.set', { id: 'a', set: { hostname: 'x' } })
    await world.pass(1000)
    await world.must('pool.export', { name: 'tank', force: true })
    assert.equal(set.error?.kind, 'unavailable')
    assert.ok(!world.disks.named('tank').isHeld)
    world.disks.named('tank').failingOpens = 0
    await world.must('pool.import', { name: 'tank' })
    assert.equal((await row(world, 'a')).hostname, 'x')
    await assertWell(world)
  })
})
