/** What a new daemon makes of what it finds. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { NOTHING, type Plan } from './boundary.ts'
import { assertWell, count, inside, onHost, row, running, runs, scene, stateOf, types } from './scenes.ts'
import type { World } from './world.ts'

/** Dies at the n-th time that this call is about to be made. */
const killAt = (what: string, nth = 1, action: 'kill' | 'power-cut' = 'kill'): Plan => {
  let seen = 0
  return (boundary) => {
    if (boundary.what !== what || boundary.phase !== 'before') return NOTHING
    seen += 1
    return seen === nth ? { do: action, orphan: true } : NOTHING
  }
}

async function backUp(world: World): Promise<void> {
  world.plan = () => NOTHING
  await world.boot()
}

describe('A daemon that comes back', () => {
  it('adopts what runs and restarts nothing', async () => {
    const world = await scene()
    await running(world, 'a', 'b')
    await world.must('ct.set', { id: 'a', set: { autostart: { priority: 1, delay: 0 } } })
    await world.must('ct.freeze', { id: 'b' })
    const before = [onHost(world, 'a').evidence, onHost(world, 'b').evidence]
    world.kill()
    await world.boot()
    await assertWell(world)
    assert.deepEqual([onHost(world, 'a').evidence, onHost(world, 'b').evidence], before)
    assert.equal(count(world, 'CtAdopted'), 2)
    assert.equal(await stateOf(world, 'b'), 'frozen')
    assert.equal(types(world).filter((type) => type === 'CtStartRequested').length, 2)
  })

  it('settles two operations of one kind, each on its own', async () => {
    const world = await scene()
    await world.must('ct.new', { id: 'first', distribution: 'busybox' })
    world.plan = killAt('zfs.rename', 2)
    // The first to rename is done, the second dies in it, its helper left behind.
    world.send('ct.new', { id: 'a', distribution: 'busybox' })
    world.send('ct.new', { id: 'b', distribution: 'busybox' })
    await world.wait(() => !world.isUp, 'the daemon does not die')
    await backUp(world)
    await assertWell(world)
    assert.deepEqual([await stateOf(world, 'a'), await stateOf(world, 'b')], ['stopped', 'stopped'])
    assert.equal(count(world, 'EffectFenced'), 1)
  })

  it('hears what containers did while it was down', async () => {
    const world = await scene()
    await running(world, 'ended', 'rebooted', 'crashed', 'rebooted-and-crashed', 'stayed')
    world.kill()
    inside(world, 'ended', 'stop')
    inside(world, 'rebooted', 'reboot')
    inside(world, 'crashed', 'crash')
    inside(world, 'rebooted-and-crashed', 'reboot')
    inside(world, 'rebooted-and-crashed', 'crash')
    await world.boot()
    await assertWell(world)
    assert.equal(await stateOf(world, 'rebooted'), 'running')
    assert.equal((await row(world, 'rebooted')).init_pid, onHost(world, 'rebooted').evidence?.initPid)
    for (const id of ['ended', 'crashed', 'rebooted-and-crashed'])
      assert.equal(await stateOf(world, id), 'stopped')
    assert.equal(await stateOf(world, 'stayed'), 'running')
  })

  it('does not start again what started and ended while it was down', async () => {
    const world = await scene()
    await world.must('ct.new', { id: 'a', distribution: 'busybox' })
    world.plan = killAt('lxc.start')
    world.send('ct.start', { id: 'a' })
    await world.wait(() => !world.isUp, 'the daemon does not die')
    world.machine.finishHelpers()
    inside(world, 'a', 'stop')
    await backUp(world)
    await assertWell(world)
    assert.equal(await stateOf(world, 'a'), 'stopped')
    assert.ok(!runs(world, 'a'))
  })

  it('goes on with an autostart that was interrupted twice', async () => {
    const world = await scene()
    const ids = ['a', 'b', 'c', 'd', 'e']
    for (const [priority, id] of ids.entries()) {
      await world.must('ct.new', { id, distribution: 'busybox' })
      await world.must('ct.set', { id, set: { autostart: { priority, delay: 0 } } })
    }
    await world.must('pool.set', { name: 'tank', set: { parallelStart: 1 } })
    world.powerCut()
    world.plan = killAt('lxc.start', 2)
    await world.boot()
    await world.wait(() => !world.isUp, 'the daemon does not die')
    world.plan = killAt('lxc.start', 2)
    await world.boot()
    await world.wait(() => !world.isUp, 'the daemon does not die')
    await backUp(world)
    await world.pass(60_000)
    await assertWell(world)
    for (const id of ids) assert.equal(await stateOf(world, id), 'running', world.story.join('\n'))
    assert.equal(count(world, 'AutostartPlanned'), 2, 'one of the installation, one of the boot')
  })

  it('plans the autostart that the daemon before it did not come to', async () => {
    for (const autostart of [true, false]) {
      const world = await scene()
      await world.must('ct.new', { id: 'a', distribution: 'busybox' })
      await world.must('ct.set', { id: 'a', set: { autostart: { priority: 1, delay: 0 } } })
      world.powerCut()
      world.plan = killAt('materialise.pool')
      await world.boot({ autostart })
      assert.ok(!world.isUp)
      world.plan = () => NOTHING
      await world.boot({ autostart })
      await assertWell(world)
      assert.equal(await stateOf(world, 'a'), autostart ? 'running' : 'stopped')
      world.kill()
      await world.boot()
      await assertWell(world)
      assert.equal(
        await stateOf(world, 'a'),
        autostart ? 'running' : 'stopped',
        'a restart of the daemon starts nothing',
      )
    }
  })
})

describe('A host that died', () => {
  it('comes back with what has autostart and what was caught in a reboot, and names the rest', async () => {
    const world = await scene()
    await running(world, 'auto', 'plain', 'rebooting')
    await world.must('ct.set', { id: 'auto', set: { autostart: { priority: 1, delay: 0 } } })
    await world.settle()
    const ct = onHost(world, 'rebooting')
    world.machine.report({
      pool: 'tank',
      id: ct.id,
      run: ct.run,
      inits: 1,
      last: 'reboot',
      initPid: null,
      at: world.time.now,
    })
    await world.pass(1000)
    assert.equal(await stateOf(world, 'rebooting'), 'rebooting')
    world.powerCut()
    await world.boot()
    await assertWell(world)
    assert.deepEqual(
      [await stateOf(world, 'auto'), await stateOf(world, 'plain'), await stateOf(world, 'rebooting')],
      ['running', 'stopped', 'running'],
    )
    assert.equal(count(world, 'CtLost'), 3)
  })

  it('starts nothing when it is told so', async () => {
    const world = await scene()
    await running(world, 'auto')
    await world.must('ct.set', { id: 'auto', set: { autostart: { priority: 1, delay: 0 } } })
    world.powerCut()
    await world.boot({ autostart: false })
    await assertWell(world)
    assert.equal(await stateOf(world, 'auto'), 'stopped')
  })
})

describe('While an operation is open', () => {
  for (const how of ['stop', 'reboot', 'crash'] as const) {
    it(`a container that does ${how} by itself is not forgotten`, async () => {
      const world = await scene()
      await running(world, 'a')
      world.machine.setStubborn(onHost(world, 'a').id, true)
      const stop = world.send('ct.stop', { id: 'a', mode: 'shutdown', timeoutSeconds: 30 })
      await world.pass(1000)
      inside(world, 'a', how)
      await world.wait(() => stop.answered, 'the stop is not answered')
      await assertWell(world)
      assert.equal(await stateOf(world, 'a'), how === 'reboot' ? 'running' : 'stopped')
    })
  }

  it('a container that dies unseen, with its daemon down as well, is noticed when the operation fails', async () => {
    const world = await scene()
    await running(world, 'a')
    await world.must('ct.freeze', { id: 'a' })
    world.plan = killAt('lxc.inspect')
    world.send('ct.unfreeze', { id: 'a' })
    await world.wait(() => !world.isUp, 'the daemon does not die')
    inside(world, 'a', 'crash')
    await backUp(world)
    await assertWell(world)
    assert.equal(await stateOf(world, 'a'), 'stopped')
  })

  it('a kill takes it over, and its late outcome changes nothing', async () => {
    const world = await scene()
    await running(world, 'a')
    world.machine.setStubborn(onHost(world, 'a').id, true)
    const stop = world.send('ct.stop', { id: 'a', timeoutSeconds: 300 })
    await world.pass(1000)
    await world.must('ct.stop', { id: 'a', mode: 'kill' })
    await assertWell(world)
    assert.match(stop.error?.message ?? '', /superseded/)
    assert.equal(await stateOf(world, 'a'), 'stopped')
    assert.equal(count(world, 'EffectLate'), 1)
  })

  it('a kill ends a start that hangs', async () => {
    const world = await scene()
    await world.must('ct.new', { id: 'a', distribution: 'busybox' })
    world.plan = ({ what, phase }) => (what === 'lxc.start' && phase === 'before' ? { do: 'hang' } : NOTHING)
    const start = world.send('ct.start', { id: 'a' })
    await world.pass(60_000)
    assert.ok(!start.answered)
    await world.must('ct.stop', { id: 'a', mode: 'kill' })
    world.plan = () => NOTHING
    await assertWell(world)
    assert.ok(start.error)
    await world.must('ct.start', { id: 'a' })
    await assertWell(world)
  })
})

describe('A container in a reboot loop', () => {
  it('writes twenty reboots a minute, and then their number', async () => {
    const world = await scene()
    await running(world, 'a')
    await world.settle()
    const before = types(world).length
    for (let i = 0; i < 600; i++) {
      inside(world, 'a', 'reboot')
      await world.pass(100)
    }
    await world.pass(70_000)
    await assertWell(world)
    const written = types(world).length - before
    assert.ok(written <= 2 * (20 + 20) + 6, `${written} events`)
    const sums = [...world.disks.named('tank').rows()].filter(({ event }) => event.type === 'RefusalsSummed')
    const told = sums.reduce((sum, { event }) => sum + (event.data as { count: number }).count, 0)
    assert.ok(told + count(world, 'CtExited') >= 600, `${told} summed, ${count(world, 'CtExited')} written`)
    assert.equal(await stateOf(world, 'a'), 'running')
  })
})
