/** What somebody changes by hand is noticed once, hinders nobody else, and is settled by adopt or repair. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ctStream } from '../../src/events/types/ids.ts'
import type { DriftRow, HealthRow, HistoryRow, ZfsChangeRow } from '../../src/rpc/results.ts'
import { NOTHING } from './boundary.ts'
import * as byHand from './by-hand.ts'
import { assertWell, count, inside, row, running, runs, scene, stateOf } from './scenes.ts'
import type { World } from './world.ts'

const scan = async (world: World): Promise<DriftRow[]> =>
  (await world.must('drift.scan', {})).result as DriftRow[]
const list = async (world: World): Promise<DriftRow[]> =>
  (await world.must('drift.list', {})).result as DriftRow[]
const ops = async (world: World): Promise<unknown> => (await world.must('op.list', {})).result
const ids = (rows: readonly DriftRow[]): string[] => rows.map(({ id }) => id)

/** web is stopped, other runs. */
async function two(): Promise<World> {
  const world = await scene()
  await running(world, 'web', 'other')
  await world.must('ct.stop', { id: 'web' })
  return world
}

/** What is done by hand, the drift that it is, and what settles it; afterwards all must be well. */
const CASES: readonly {
  readonly what: string
  readonly hand: (world: World) => Promise<void> | void
  readonly id: string
  readonly settle: readonly ('adopt' | 'repair')[]
  readonly hinders: readonly ('ct.start' | 'ct.delete')[]
}[] = [
  {
    what: 'a dataset that was renamed',
    hand: (world) => byHand.renamed(world, 'tank/ct/web', 'tank/ct/www'),
    id: 'web/renamed',
    settle: ['adopt', 'repair'],
    hinders: ['ct.start', 'ct.delete'],
  },
  {
    what: 'a dataset that was moved elsewhere',
    hand: (world) => byHand.renamed(world, 'tank/ct/web', 'tank/web'),
    id: 'web/renamed',
    settle: ['repair'],
    hinders: ['ct.start', 'ct.delete'],
  },
  {
    what: 'a dataset that was destroyed',
    hand: (world) => byHand.destroyed(world, 'tank/ct/web'),
    id: 'web/missing',
    settle: ['adopt'],
    hinders: ['ct.start', 'ct.delete'],
  },
  {
    what: 'a dataset that was exchanged',
    hand: (world) => {
      byHand.destroyed(world, 'tank/ct/web')
      byHand.created(world, 'tank/ct/web')
      byHand.set(world, 'tank/ct/web', 'canmount', 'noauto')
    },
    id: 'web/replaced',
    settle: ['adopt'],
    hinders: ['ct.start', 'ct.delete'],
  },
  ...(['quota', 'canmount', 'mountpoint', 'readonly'] as const).map((property) => ({
    what: `the property ${property}`,
    hand: (world: World) =>
      byHand.set(
        world,
        'tank/ct/web',
        property,
        { quota: '1000', canmount: 'off', mountpoint: '/x', readonly: 'on' }[property],
      ),
    id: `web/${property}`,
    settle:
      property === 'quota' || property === 'readonly'
        ? (['adopt', 'repair'] as const)
        : (['repair'] as const),
    hinders: property === 'quota' ? ([] as const) : (['ct.start'] as const),
  })),
  {
    what: 'a dataset that was rolled back',
    hand: (world) => {
      byHand.snapshot(world, 'tank/ct/web@before')
      byHand.rolledBack(world, 'tank/ct/web@before')
    },
    id: 'web/rolledback',
    settle: ['adopt'],
    hinders: [],
  },
  {
    what: 'a container that was started',
    hand: async (world) =>
      byHand.started(world.machine, { pool: 'tank', ctid: 'web', id: (await row(world, 'web')).stream }),
    id: 'web/running',
    settle: ['adopt', 'repair'],
    hinders: ['ct.start', 'ct.delete'],
  },
  {
    what: 'a dataset of somebody else',
    hand: (world) => byHand.created(world, 'tank/ct/strange'),
    id: 'tank/ct/strange/foreign',
    settle: ['adopt'],
    hinders: [],
  },
  {
    what: 'a dataset of the layout that is gone',
    hand: (world) => byHand.destroyed(world, 'tank/hook'),
    id: 'tank/hook/missing',
    settle: ['repair'],
    hinders: [],
  },
  {
    what: 'the mark of the pool',
    hand: (world) => byHand.set(world, 'tank', 'org.vpsadminos.osctl:active', 'no'),
    id: 'tank/org.vpsadminos.osctl:active',
    settle: ['repair'],
    hinders: [],
  },
]

describe('Changes by others', () => {
  const changes = async (world: World): Promise<ZfsChangeRow[]> =>
    (await world.must('drift.changes', {})).result as ZfsChangeRow[]

  it('are told from all that osctld did, with the command that made them', async () => {
    const world = await two()
    await world.must('ct.delete', { id: 'web' })
    await world.must('trash.prune', {})
    await world.pass(3 * 3_600_000)
    assert.deepEqual(await changes(world), [], 'all of it was ours: effects, anchors, the reserve')
    byHand.snapshot(world, 'tank/ct/other@daily')
    byHand.set(world, 'tank/ct/other', 'compression', 'zstd')
    byHand.set(world, 'tank', 'compression', 'zstd')
    byHand.set(world, 'tank/events', 'sync', 'disabled')
    byHand.created(world, 'tank/ct/other/own')
    byHand.destroyed(world, 'tank/hook')
    const rows = await changes(world)
    assert.deepEqual(
      rows.map(({ command, user, host }) => [command, user, host]),
      [
        ['zfs snapshot tank/ct/other@daily', 'root', 'sim'],
        ['zfs set compression=zstd tank/ct/other', 'root', 'sim'],
        ['zfs set sync=disabled tank/events', 'root', 'sim'],
        ['zfs destroy -r tank/hook', 'root', 'sim'],
      ],
    )
    assert.ok(rows.every(({ change }) => change === 'foreign'))
  })

  it('on what osctld had just changed are theirs all the same', async () => {
    const world = await two()
    // Of the second in which the log began nothing is told.
    await world.pass(2000)
    byHand.renamed(world, 'tank/ct/web', 'tank/ct/www')
    await scan(world)
    await world.must('drift.repair', { id: 'web/renamed' })
    await world.pass(10_000)
    byHand.renamed(world, 'tank/ct/web', 'tank/ct/www')
    assert.deepEqual(
      (await changes(world)).map(({ command }) => command),
      ['zfs rename tank/ct/web tank/ct/www', 'zfs rename tank/ct/web tank/ct/www'],
    )
  })

  it('and an effect of which ZFS knows nothing is named', async () => {
    const world = await two()
    const zpool = world.machine.state.zpools['tank']
    assert.ok(zpool)
    zpool.history = zpool.history.filter((line) => !/rename tank\/staging\S+ .*-> tank\/ct\/web /.test(line))
    const [row, ...others] = await changes(world)
    assert.deepEqual([row?.change, others], ['unrecorded', []])
    assert.match(`${row?.what} ${row?.subject}`, /^dataset\.rename is done, .*"to":"ct\/web"/)
  })
})

describe('Drift:', () => {
  for (const { what, hand, id, settle, hinders } of CASES) {
    it(`${what} is noticed once, and hinders what it is about`, async () => {
      const world = await two()
      await hand(world)
      const [drift, ...others] = await scan(world)
      assert.deepEqual([drift?.id, others], [id, []])
      assert.equal(drift?.settle, settle.join(', '))
      const noticed = count(world, 'DriftNoticed')
      await scan(world)
      await world.pass(3_600_000)
      assert.equal(count(world, 'DriftNoticed'), noticed, 'it does not grow the log when it persists')
      const health = (await world.must('healthcheck', {})).result as HealthRow[]
      assert.ok(
        health.some(({ problem }) => problem.startsWith(`drift ${id}:`)),
        JSON.stringify(health),
      )
      for (const method of ['ct.start', 'ct.delete'] as const) {
        if (!hinders.some((hindered) => hindered === method)) continue
        const { error } = await world.call(method, { id: 'web' })
        assert.equal(error?.code, 'E_DRIFT')
        assert.match(error?.message ?? '', new RegExp(`drift ${id}`))
      }
      await world.must('ct.restart', { id: 'other' })
      await world.must('ct.new', { id: 'third', distribution: 'busybox' })
    })

    for (const how of ['adopt', 'repair'] as const) {
      it(`${what} ${settle.includes(how) ? 'is settled by' : 'says why it is not settled by'} ${how}`, async () => {
        const world = await two()
        await hand(world)
        await scan(world)
        const before = count(world, 'CommandAccepted')
        const dry = await world.must(`drift.${how}`, { id, meta: { dryRun: true } })
        assert.equal(count(world, 'CommandAccepted'), before)
        const { error } = await world.call(`drift.${how}`, { id })
        if (!settle.includes(how)) {
          assert.equal(error?.code, how === 'adopt' ? 'E_DRIFT_ADOPT' : 'E_DRIFT_REPAIR')
          assert.match(error?.message ?? '', /: .{10}/)
          assert.ok((dry.result as { plan: { refusal: unknown } }).plan.refusal)
          return
        }
        assert.equal(error, null, error?.message)
        assert.deepEqual(ids(await scan(world)), [])
        await assertWell(world)
        world.kill()
        await world.boot()
        assert.deepEqual(ids(await list(world)), [], 'the next daemon finds nothing either')
        await assertWell(world)
      })
    }
  }

  it('names the command that made it so, and who gave it', async () => {
    const world = await two()
    byHand.set(world, 'tank/ct/web', 'quota', '1000')
    byHand.renamed(world, 'tank/ct/web', 'tank/ct/www')
    byHand.created(world, 'tank/ct/strange')
    const by = Object.fromEntries((await scan(world)).map(({ id, by }) => [id, by]))
    assert.match(by['web/renamed'] ?? '', /^zfs rename tank\/ct\/web tank\/ct\/www \(root on sim, 2026-/)
    assert.match(by['tank/ct/strange/foreign'] ?? '', /^zfs create tank\/ct\/strange \(root on sim/)
    byHand.renamed(world, 'tank/ct/www', 'tank/ct/web')
    const again = Object.fromEntries((await scan(world)).map(({ id, by }) => [id, by]))
    assert.match(again['web/quota'] ?? '', /^zfs set quota=1000 tank\/ct\/web \(root on sim/)
    const history = (await world.must('history.list', {})).result as HistoryRow[]
    assert.ok(history.some(({ command }) => command.includes('; by zfs set quota=1000 tank/ct/web')))
  })

  it('of a dataset that was rolled back is known until it is settled, and anew when it is rolled back again', async () => {
    const world = await two()
    byHand.snapshot(world, 'tank/ct/web@before')
    byHand.rolledBack(world, 'tank/ct/web@before')
    const [drift] = await scan(world)
    assert.match(
      drift?.seen ?? '',
      /^it was rolled back at 2026-\S+ \S+ \S+: zfs rollback tank\/ct\/web@before \(root on sim/,
    )
    assert.equal(drift?.level, 'warning')
    await world.must('ct.start', { id: 'web' })
    world.kill()
    await world.boot()
    assert.deepEqual(ids(await scan(world)), ['web/rolledback'], 'the next daemon knows it')
    assert.equal(count(world, 'DriftNoticed'), 1)
    await world.must('drift.adopt', { id: 'web/rolledback' })
    assert.deepEqual(await scan(world), [])
    await world.pass(2000)
    byHand.rolledBack(world, 'tank/ct/web@before')
    assert.deepEqual(ids(await scan(world)), ['web/rolledback'])
    await world.must('drift.adopt', { id: 'web/rolledback' })
    await assertWell(world)
  })

  it('of a dataset is not that of an older one which had its name', async () => {
    const world = await two()
    byHand.snapshot(world, 'tank/ct/web@before')
    byHand.rolledBack(world, 'tank/ct/web@before')
    await world.must('ct.delete', { id: 'web' })
    await world.pass(5000)
    await world.must('ct.new', { id: 'web', distribution: 'busybox' })
    assert.deepEqual(await scan(world), [])
  })

  it('that goes away by itself is gone, and the log says so once', async () => {
    const world = await two()
    byHand.set(world, 'tank/ct/web', 'quota', '1000')
    await scan(world)
    byHand.set(world, 'tank/ct/web', 'quota', null)
    await world.pass(400_000)
    assert.deepEqual(await list(world), [])
    assert.deepEqual([count(world, 'DriftNoticed'), count(world, 'DriftGone')], [1, 1])
    await assertWell(world)
  })

  it('is noticed by the first look after a segment was sealed, too (seed 1300)', async () => {
    const world = await scene()
    const pool = world.daemon.pool('tank')
    await world.until(pool.upkeep.seal())
    byHand.created(world, 'tank/ct/strange')
    assert.deepEqual(ids(await scan(world)), ['tank/ct/strange/foreign'])
  })

  it('is shown by a look that was asked for, also when the container and the pool are changed in its middle', async () => {
    const world = await scene({ latency: (op) => (op === 'zfs.list' ? 1000 : 0) })
    await world.must('ct.new', { id: 'web', distribution: 'busybox' })
    await world.pass(10 * 1000)
    byHand.created(world, 'tank/ct/strange')
    byHand.set(world, 'tank/ct/web', 'quota', '1000')
    const look = world.send('drift.scan', {})
    await world.pass(500)
    world.send('ct.set', { id: 'web', set: { attrs: { 'my.org:n': '1' } } })
    world.send('pool.set', { name: 'tank', set: { parallelStop: 3 } })
    await world.wait(() => look.answered, 'the look is not answered')
    assert.deepEqual(ids(look.result as DriftRow[]).sort(), ['tank/ct/strange/foreign', 'web/quota'])
  })

  it("in staging, somebody else's, is noticed and stays known while the log grows in the middle of a look (seed 133882)", async () => {
    const world = await scene({ latency: (op) => (op === 'zfs.list' ? 1000 : 0) })
    await world.must('ct.new', { id: 'web', distribution: 'busybox' })
    await world.pass(10 * 1000)
    byHand.created(world, 'tank/staging/mine')
    for (const n of ['1', '2']) {
      const look = world.send('drift.scan', {})
      await world.pass(500)
      world.send('ct.set', { id: 'web', set: { attrs: { 'my.org:n': n } } })
      await world.wait(() => look.answered, 'the look is not answered')
      assert.deepEqual(ids(look.result as DriftRow[]), ['tank/staging/mine/foreign'])
    }
    assert.equal(count(world, 'DriftGone'), 0)
    await assertWell(world)
  })

  it('of a container that has the dataset of another is not adopted: two would own it (seeds 3494, 4705)', async () => {
    const world = await two()
    await world.must('ct.stop', { id: 'other' })
    byHand.renamed(world, 'tank/ct/web', 'tank/ct/old')
    byHand.renamed(world, 'tank/ct/other', 'tank/ct/web')
    const found = ids(await scan(world))
    assert.ok(found.includes('other/renamed'), `${found}`)
    const { error } = await world.call('drift.adopt', { id: 'web/replaced' })
    assert.equal(error?.code, 'E_DRIFT_ADOPT')
    assert.match(error?.message ?? '', /container other/)
    await world.must('drift.repair', { id: 'other/renamed' })
    assert.deepEqual(ids(await scan(world)), ['web/renamed'])
    await world.must('drift.repair', { id: 'web/renamed' })
    assert.deepEqual(ids(await scan(world)), [])
    await assertWell(world)
  })

  /** What is done to the dataset of a container that runs. */
  const UNDER_A_RUN = {
    'other/replaced': async (world: World) => {
      byHand.renamed(world, 'tank/ct/other', 'tank/aside')
      byHand.created(world, 'tank/ct/other')
      byHand.set(world, 'tank/ct/other', 'canmount', 'noauto')
    },
    // It was started on the dataset of another, which has its name again.
    'web/missing': async (world: World) => {
      await world.must('ct.stop', { id: 'other' })
      byHand.destroyed(world, 'tank/ct/web')
      byHand.renamed(world, 'tank/ct/other', 'tank/ct/web')
      await world.must('ct.start', { id: 'web' })
      await scan(world)
      await world.must('drift.repair', { id: 'other/renamed' })
    },
  }
  for (const [id, hand] of Object.entries(UNDER_A_RUN))
    it(`${id}, of a container that runs, is adopted once it is stopped (seeds 45558, 51552)`, async () => {
      const world = await two()
      const ctid = id.split('/')[0] ?? ''
      await hand(world)
      assert.ok(ids(await scan(world)).includes(id))
      const { error } = await world.call('drift.adopt', { id })
      assert.match(error?.message ?? '', /cannot be adopted: it runs: osctl ct stop/)
      assert.ok(runs(world, ctid))
      await world.must('ct.stop', { id: ctid })
      await world.must('drift.adopt', { id })
      for (const row of await scan(world)) await world.must('drift.adopt', { id: row.id })
      await assertWell(world)
    })

  it('is noticed at an import, while no daemon ran', async () => {
    const world = await two()
    world.kill()
    byHand.renamed(world, 'tank/ct/web', 'tank/ct/www')
    await world.boot()
    assert.deepEqual(ids(await list(world)), ['web/renamed'])
    assert.equal((await row(world, 'web')).drift, 'web/renamed')
    await world.must('drift.adopt', { id: 'web/renamed' })
    assert.equal(await stateOf(world, 'www'), 'stopped')
    await world.must('ct.start', { id: 'www' })
    assert.ok(runs(world, 'www'))
    assert.equal((await world.call('ct.show', { id: 'web' })).error?.code, 'E_CT_NOT_FOUND')
    await assertWell(world)
  })

  it('of a container that was stopped by other means is none: it is stopped, and its history says so', async () => {
    const world = await two()
    inside(world, 'other', 'stop')
    await world.pass(2000)
    assert.equal(await stateOf(world, 'other'), 'stopped')
    assert.deepEqual(await scan(world), [])
    assert.equal(count(world, 'CtExited'), 1)
    await assertWell(world)
  })

  it('that nobody looked at yet: a container that was started by hand is not deleted, it would run on (seed 1069)', async () => {
    const world = await two()
    byHand.started(world.machine, {
      pool: 'tank',
      ctid: 'web',
      id: (await row(world, 'web')).stream,
    })
    for (const force of [false, true]) {
      const { error } = await world.call('ct.delete', { id: 'web', force })
      assert.match(error?.message ?? '', /web is running, and osctld did not start it \(osctl drift scan/)
    }
    assert.ok(runs(world, 'web'))
    await scan(world)
    await world.must('drift.adopt', { id: 'web/running' })
    await world.must('ct.delete', { id: 'web', force: true })
    assert.equal(runs(world, 'web'), false)
    await assertWell(world)
  })

  it('that comes in the middle of ct del: a container that was started by hand until its mount was taken is not deleted (seeds 134662, 154558)', async () => {
    const world = await two()
    const ct = { pool: 'tank', ctid: 'web', id: (await row(world, 'web')).stream }
    world.plan = ({ what, phase }) => {
      if (what === 'zfs.unmount' && phase === 'before') byHand.started(world.machine, ct)
      return NOTHING
    }
    const { error } = await world.call('ct.delete', { id: 'web' })
    world.plan = () => NOTHING
    assert.match(error?.message ?? '', /web is running, and osctld did not start it \(osctl drift scan/)
    assert.ok(runs(world, 'web'))
    assert.ok(world.machine.state.datasets['tank/ct/web']?.mounted)
    assert.deepEqual(ids(await scan(world)), ['web/running'])
    await world.must('drift.repair', { id: 'web/running' })
    await world.must('ct.delete', { id: 'web' })
    await assertWell(world)
  })

  for (const hand of ['renamed', 'destroyed'] as const) {
    it(`of a dataset that was ${hand} while a crash interrupted ct del is no doubt: the delete is undone (seeds 3826, 3879, 4709)`, async () => {
      const world = await two()
      world.plan = ({ what, phase, subject }) =>
        what === 'zfs.get' && phase === 'before' && subject === 'tank/ct/web' ? { do: 'kill' } : NOTHING
      const del = world.send('ct.delete', { id: 'web' })
      await world.wait(() => !world.isUp, 'the daemon does not die')
      world.plan = () => NOTHING
      if (hand === 'renamed') byHand.renamed(world, 'tank/ct/web', 'tank/aside')
      else byHand.destroyed(world, 'tank/ct/web')
      await world.boot()
      await world.settle()
      assert.equal(del.answered, false)
      assert.deepEqual(await ops(world), [])
      const id = hand === 'renamed' ? 'web/renamed' : 'web/missing'
      assert.deepEqual(ids(await scan(world)), [id])
      await world.must(hand === 'renamed' ? 'drift.repair' : 'drift.adopt', { id })
      await assertWell(world)
    })
  }

  it('of a deleted container that was renamed: it is not told as destroyed while it is there (seed 184485)', async () => {
    const world = await two()
    await world.must('ct.delete', { id: 'web' })
    const trash =
      Object.keys(world.machine.state.datasets).find((name) => name.startsWith('tank/trash/')) ?? ''
    byHand.renamed(world, trash, 'tank/aside')
    const { error } = await world.call('trash.prune', {})
    assert.equal(error?.message, `cannot destroy ${trash}: it is called tank/aside now (osctl drift scan)`)
    assert.equal(count(world, 'TrashDestroyed'), 0)
    await scan(world)
    await world.must('drift.repair', { id: `${trash}/renamed` })
    await world.must('trash.prune', {})
    assert.equal(count(world, 'TrashDestroyed'), 1)
    await assertWell(world)
  })

  it('of a container that is being worked on is left for the next look', async () => {
    const world = await two()
    const start = world.send('ct.start', { id: 'web' })
    await Promise.all([scan(world), world.wait(() => start.answered, 'the start is not answered')])
    assert.deepEqual(await scan(world), [])
    assert.equal(count(world, 'DriftNoticed'), 0)
    await assertWell(world)
  })

  it('is named by its id, and what is not there is said so', async () => {
    const world = await two()
    for (const id of ['web/quota', 'x']) {
      const { error } = await world.call('drift.adopt', { id })
      assert.equal(error?.code, 'E_DRIFT_NOT_FOUND')
    }
    byHand.set(world, 'tank/ct/web', 'quota', '1000')
    await scan(world)
    byHand.set(world, 'tank/ct/web', 'quota', null)
    assert.equal((await world.call('drift.repair', { id: 'tank:web/quota' })).error?.code, 'E_DRIFT_GONE')
    const stream = ctStream((await row(world, 'web')).stream)
    assert.match(stream, /^ct:/)
  })
})
