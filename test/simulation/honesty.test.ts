/** What recovery must not do, and whether the simulator would notice it. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { MethodInput, MethodName } from '../../src/rpc/methods.ts'
import { NOTHING } from './boundary.ts'
import { problems } from './invariants.ts'
import { assertWell, count, onHost, running, scene } from './scenes.ts'
import type { World } from './world.ts'

const made = async (world: World): Promise<void> => {
  await world.must('ct.new', { id: 'a', distribution: 'busybox' })
}
const started = (world: World): Promise<void> => running(world, 'a')

const CASES: readonly (readonly [
  string,
  MethodName,
  MethodInput<MethodName>,
  (world: World) => Promise<void>,
])[] = [
  ['lxc.start', 'ct.start', { id: 'a' }, made],
  ['lxc.stop', 'ct.stop', { id: 'a' }, started],
  ['lxc.freeze', 'ct.freeze', { id: 'a' }, started],
  ['zfs.clone', 'ct.new', { id: 'b', distribution: 'busybox' }, made],
  ['zfs.rename', 'ct.delete', { id: 'a' }, made],
  ['images.fetch', 'ct.new', { id: 'b', distribution: 'debian' }, made],
]

describe('What was done when the daemon died is found done, and not done again', () => {
  for (const [what, method, params, prepare] of CASES) {
    it(what, async () => {
      const world = await scene()
      await prepare(world)
      await world.settle()
      world.plan = (boundary) =>
        boundary.what === what && boundary.phase === 'after' ? { do: 'kill' } : NOTHING
      await world.call(method, params)
      assert.ok(!world.isUp)
      world.plan = () => NOTHING
      world.recording = []
      await world.boot()
      await world.settle()
      assert.equal(world.recording.filter((boundary) => boundary.what === what).length, 0)
      const found = [...world.disks.named('tank').rows()].filter(
        ({ event }) => event.type === 'EffectSucceeded' && (event.data as { by: string }).by === 'probe',
      )
      assert.equal(found.length, 1)
      await assertWell(world)
    })
  }
})

describe('The simulator waits', () => {
  it('for a commit that the daemon has not heard of, before it holds states against the log (seed 42944)', async () => {
    const world = await scene()
    const request = world.send('repo.add', { name: 'mine', url: '/usr/images' })
    assert.deepEqual(await problems(world), [])
    assert.ok(request.answered)
  })
})

describe('The simulator notices', () => {
  it('a disk that says synced and is not', async () => {
    const world = await scene()
    world.disks.named('tank').ignoresSync = true
    await world.must('ct.new', { id: 'a', distribution: 'busybox' })
    world.powerCut()
    await world.boot()
    await world.settle()
    assert.match((await problems(world)).join('\n'), /tank\/ct\/a belongs to nobody/)
  })

  it('a dataset that nobody claims, and one that is lost', async () => {
    const world = await scene()
    await made(world)
    const { datasets } = world.machine.state
    const own = datasets['tank/ct/a']
    assert.ok(own)
    datasets['tank/ct/stray'] = { ...structuredClone(own), name: 'tank/ct/stray', guid: '4711' }
    delete datasets['tank/ct/a']
    const found = (await problems(world)).join('\n')
    assert.match(found, /tank\/ct\/stray belongs to nobody/)
    assert.match(found, /tank\/ct\/a is lost/)
  })

  it('a container that runs as another than the log says', async () => {
    const world = await scene()
    await started(world)
    onHost(world, 'a').run = 'another'
    assert.match((await problems(world)).join('\n'), /tank:a runs as another/)
  })

  it('a state that replay does not give', async () => {
    const world = await scene()
    await made(world)
    const open = world.disks.named('tank').open()
    open?.pop()
    assert.match((await problems(world)).join('\n'), /replay/)
    assert.equal(count(world, 'CtCreateRequested'), 1)
  })

  it('a daemon that never hears of a commit', async () => {
    const world = await scene()
    await world.settle()
    const { fold } = world.daemon.pool('tank').journal
    const before = { seq: fold.seq, pool: fold.states.pool() }
    await world.must('repo.add', { name: 'mine', url: '/usr/images' })
    fold.states.set('pool', before.pool)
    fold.seq = before.seq
    assert.match((await problems(world)).join('\n'), /replay of tank: the pool differs/)
  })
})
