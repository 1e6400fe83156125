/** A pool on a second host: refused while the first may still use it, taken by force, and told so for ever. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { HealthRow, HistoryRow, PoolRow, Status } from '../../src/rpc/results.ts'
import { assertWell, onHost, running, runs, scene, stateOf } from './scenes.ts'
import { ALPHA, BETA, type World } from './world.ts'

const history = async (world: World): Promise<HistoryRow[]> =>
  (await world.must('history.list', {})).result as HistoryRow[]
const cameFrom = async (world: World): Promise<string | null> =>
  ((await world.must('pool.show', { name: 'tank' })).result as PoolRow).came_from
const health = async (world: World): Promise<string> =>
  ((await world.must('healthcheck', {})).result as HealthRow[]).map(({ problem }) => problem).join('\n')

/** Its host lost power with two containers that ran, and another one has the disks and a daemon. */
async function carried(): Promise<World> {
  const world = await scene()
  await running(world, 'auto', 'plain')
  await world.must('ct.set', { id: 'auto', set: { autostart: { priority: 1, delay: 0 } } })
  await world.settle()
  world.carryDisks()
  await world.boot()
  return world
}

describe('A pool that another host had', () => {
  it('and did not export is refused, with who had it, until when, the danger, and the ways out', async () => {
    const world = await carried()
    const { error } = await world.call('pool.import', { name: 'tank' })
    assert.equal(error?.code, 'E_POOL_ELSEWHERE')
    const message = error?.message ?? ''
    assert.match(
      message,
      /^pool tank was last used by sim \(host id 5ca1ab1e\) at 2026-01-05 \S+ \S+, which did/,
    )
    assert.match(message, /two hosts that use one pool destroy it/)
    assert.match(
      message,
      /osctl pool export tank && zpool export tank on sim, then osctl pool import tank here/,
    )
    assert.match(message, /osctl pool import --force tank\)$/)
    assert.ok('tank' in world.machine.state.shelf, 'nothing was imported')
    const { problems } = (await world.must('status', {})).result as Status
    assert.deepEqual(problems, [`tank: ${message}`])
    assert.ok((await health(world)).includes(message))
    const { event } =
      [...world.disks.host().rows()].findLast(({ event: { type } }) => type === 'CommandRefused') ?? {}
    assert.match(JSON.stringify(event?.data), /E_POOL_ELSEWHERE/, 'the host log has the refusal')
  })

  it('is taken by force: what starts by itself starts, the log names both hosts, and it is well', async () => {
    const world = await carried()
    await world.call('pool.import', { name: 'tank' })
    await world.must('pool.import', { name: 'tank', force: true })
    await assertWell(world)
    assert.deepEqual([await stateOf(world, 'auto'), await stateOf(world, 'plain')], ['running', 'stopped'])
    assert.equal(onHost(world, 'auto').evidence?.bootId, world.machine.state.bootId)
    assert.deepEqual(((await world.must('status', {})).result as Status).problems, [])
    const rows = await history(world)
    const opened = rows.filter(({ type }) => type === 'PoolOpened').at(-1)
    assert.match(
      opened?.command ?? '',
      /^pool imported by force from sim \(host id 5ca1ab1e\), which had it until/,
    )
    assert.equal(opened?.host, 'beta')
    assert.deepEqual(new Set(rows.map(({ host }) => host)), new Set(['sim', 'beta']))
    assert.match((await cameFrom(world)) ?? '', /^sim \(host id 5ca1ab1e\) on .*, by force$/)
    world.kill()
    await world.boot()
    await assertWell(world)
    assert.match((await cameFrom(world)) ?? '', /by force$/, 'a restart of osctld is no move')
    world.powerCut()
    await world.boot()
    assert.ok(world.daemon.pools.has('tank'), 'it is the pool of this host now')
  })

  it('and exported is imported like any other, and the history says where it came from', async () => {
    const world = await scene()
    await running(world, 'auto')
    await world.must('pool.export', { name: 'tank', force: true })
    world.kill()
    await world.machine.exportPool('tank')
    world.carryDisks()
    await world.boot()
    assert.ok(world.daemon.pools.has('tank'), 'at boot')
    assert.match((await cameFrom(world)) ?? '', /^sim \(host id 5ca1ab1e\) on [^,]*$/)
    const opened = (await history(world)).filter(({ type }) => type === 'PoolOpened').at(-1)
    assert.equal(opened?.command, 'pool imported from sim (host id 5ca1ab1e), which had exported it')
    await assertWell(world)
  })

  it('goes back and forth, and its log knows each move', async () => {
    const world = await carried()
    for (const to of [ALPHA, BETA, ALPHA]) {
      const { error } = await world.call('pool.import', { name: 'tank' })
      assert.ok(error === null || error.code === 'E_POOL_ELSEWHERE')
      if (error) await world.must('pool.import', { name: 'tank', force: true })
      await assertWell(world)
      world.carryDisks(to)
      await world.boot()
    }
    await world.must('pool.import', { name: 'tank', force: true })
    await assertWell(world)
    const moves = (await history(world)).filter(({ command }) => command.includes('by force from'))
    assert.deepEqual(
      moves.map(({ host }) => host),
      ['beta', 'sim', 'beta', 'sim'],
    )
  })

  it('may come to another host that writes to it this moment: force is refused as well', async () => {
    const world = await carried()
    const shelved = world.machine.state.shelf['tank']
    if (shelved?.usedBy) shelved.usedBy.isActive = true
    for (const force of [false, true]) {
      const { error } = await world.call('pool.import', { name: 'tank', force })
      assert.equal(error?.code, 'E_POOL_ELSEWHERE')
      assert.match(error?.message ?? '', /is in use by sim .* it writes to it now/)
    }
    assert.ok(!runs(world, 'auto'))
  })

  it('that is none of ours is let go again, and one of which there are none is not found', async () => {
    const world = await carried()
    const shelved = world.machine.state.shelf['tank']
    const root = shelved?.datasets['tank']
    assert.ok(shelved && root)
    delete root.properties['org.vpsadminos.osctl:active']
    const { error } = await world.call('pool.import', { name: 'tank', force: true })
    assert.equal(error?.code, 'E_POOL_NOT_INSTALLED')
    assert.ok('tank' in world.machine.state.shelf)
    assert.equal((await world.call('pool.import', { name: 'moon' })).error?.code, 'E_POOL_NOT_FOUND')
  })

  it('is planned: what would be refused is, and what cannot be known before is said', async () => {
    const world = await carried()
    const before = structuredClone(world.machine.state)
    const plan = async (force: boolean) =>
      (
        (await world.must('pool.import', { name: 'tank', force, meta: { dryRun: true } })).result as {
          plan: { refusal: { code: string } | null; before: { text: string }[] }
        }
      ).plan
    assert.equal((await plan(false)).refusal?.code, 'E_POOL_ELSEWHERE')
    assert.equal((await plan(true)).before[0]?.text, 'zpool import -N -f tank')
    assert.deepEqual(world.machine.state, before)
  })

  it('is no problem any more once its host has it again', async () => {
    const world = await carried()
    await world.call('pool.import', { name: 'tank' })
    assert.match(await health(world), /last used by sim/)
    delete world.machine.state.shelf['tank']
    assert.equal(await health(world), '')
    assert.deepEqual(((await world.must('status', {})).result as Status).problems, [])
  })
})
