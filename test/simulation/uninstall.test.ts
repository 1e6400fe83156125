/** `pool uninstall`, crashed at every boundary: the pool is ours afterwards, whole, or it is not. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { NOTHING, nameOf } from './boundary.ts'
import { at, type Way, waysAt } from './crashes.ts'
import { problems } from './invariants.ts'
import { scene } from './scenes.ts'
import { World, type WorldCopy } from './world.ts'

/** A pool of ours that is not imported; no daemon runs. */
async function exported(): Promise<WorldCopy> {
  const world = await scene()
  await world.must('ct.new', { id: 'a', distribution: 'busybox' })
  await world.must('pool.export', { name: 'tank', force: true })
  await world.stop()
  return world.copy()
}

/** A daemon that was started without importing, as with `osctl.pools=0`. */
async function begun(from: WorldCopy): Promise<World> {
  const world = new World({ seed: 5n, from })
  await world.boot({ autostart: false })
  await world.must('pool.export', { name: 'tank' })
  return world
}

const isOurs = (world: World): boolean =>
  world.machine.state.datasets['tank']?.properties['org.vpsadminos.osctl:active'] === 'yes'

async function crash(from: WorldCopy, n: number, { action, orphan }: Way): Promise<World> {
  const world = await begun(from)
  world.plan = at(n, action)
  const request = world.send('pool.uninstall', { name: 'tank' })
  await world.wait(() => request.answered, 'not answered')
  world.plan = () => NOTHING
  if (orphan === 'before the next start') world.machine.finishHelpers()
  if (!world.isUp) await world.boot()
  await world.settle()
  assert.ok(!(request.answered && request.error === null) || !isOurs(world), 'acknowledged and not done')
  return world
}

it('converges wherever the daemon or its host dies', async () => {
  const from = await exported()
  const world = await begun(from)
  world.recording = []
  await world.must('pool.uninstall', { name: 'tank' })
  const boundaries = world.recording
  assert.ok(boundaries.length > 0)
  for (const boundary of boundaries) {
    for (const way of waysAt(boundary)) {
      const after = await crash(from, boundary.n, way)
      const told = `${way.name} ${nameOf(boundary)}\n${after.story.join('\n')}`
      assert.deepEqual(await problems(after), [], told)
      const isImported = after.daemon.pools.has('tank')
      assert.equal(isImported, isOurs(after), told)
      if (isImported) {
        assert.equal(after.daemon.pools.get('tank')?.containers().length, 1, told)
        await after.must('pool.export', { name: 'tank', force: true })
        await after.must('pool.uninstall', { name: 'tank' })
      }
      assert.ok(!isOurs(after), told)
    }
  }
})
