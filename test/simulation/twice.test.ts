/**
 * Dying again: a daemon that finds many open operations dies at every boundary of its start and of what it
 * takes up, and the third one must still bring everything to rest. And a segment that is being sealed.
 */
import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { type Boundary, NOTHING, nameOf } from './boundary.ts'
import { at, type Way, waysAt } from './crashes.ts'
import { problems } from './invariants.ts'
import { onHost, running, scene } from './scenes.ts'
import { ZFS } from './verbs.ts'
import { World, type WorldCopy } from './world.ts'

const counts = { boundaries: 0, crashes: 0 }

/** A machine on which a daemon died with operations of many kinds on their way, so many boundaries after they began. */
async function interrupted(later: number, by: 'kill' | 'power-cut'): Promise<WorldCopy> {
  const world = await scene()
  await running(world, 'stubborn', 'deleted', 'restarted', 'frozen')
  world.machine.setStubborn(onHost(world, 'stubborn').id, true)
  await world.must('ct.set', { id: 'restarted', set: { autostart: { priority: 1, delay: 0 } } })
  await world.must('ct.new', { id: 'old', distribution: 'busybox' })
  await world.must('ct.delete', { id: 'old' })
  await world.settle()
  world.plan = at(world.met + later, { do: by })
  world.send('ct.new', { id: 'new', distribution: 'debian' })
  world.send('ct.import', { id: 'imported', file: ZFS })
  world.send('ct.stop', { id: 'stubborn', timeoutSeconds: 5 })
  world.send('ct.delete', { id: 'deleted', force: true })
  world.send('ct.restart', { id: 'restarted' })
  world.send('ct.freeze', { id: 'frozen' })
  world.send('trash.prune', {})
  await world.wait(() => !world.isUp, 'the daemon does not die')
  return world.copy()
}

async function start(from: WorldCopy, plan: World['plan'] = () => NOTHING): Promise<World> {
  const world = new World({ seed: 3n, from })
  world.plan = plan
  await world.boot()
  if (world.isUp) await world.settle()
  return world
}

async function again(from: WorldCopy, boundary: Boundary, { action, orphan }: Way): Promise<void> {
  const world = await start(from, at(boundary.n, action))
  const told = (): string =>
    [`died again ${nameOf(boundary)}: ${action.do} ${orphan}`, ...world.story].join('\n')
  assert.ok(!world.isUp, told())
  world.plan = () => NOTHING
  if (orphan !== 'never') world.machine.finishHelpers()
  await world.boot()
  await world.settle()
  assert.deepEqual(await problems(world), [], told())
}

describe('A daemon that dies while it recovers is followed by one that brings all to rest', () => {
  for (const [later, by] of [
    [12, 'kill'],
    [45, 'kill'],
    [60, 'power-cut'],
  ] as const) {
    it(`after a ${by} ${later} boundaries into seven commands`, async () => {
      const from = await interrupted(later, by)
      const world = new World({ seed: 3n, from })
      world.recording = []
      await world.boot()
      await world.settle()
      assert.deepEqual(await problems(world), [], world.story.join('\n'))
      const boundaries = world.recording ?? []
      for (const boundary of boundaries) {
        counts.boundaries += 1
        for (const way of waysAt(boundary)) {
          if (way.orphan === 'as the next daemon starts to fence') continue
          counts.crashes += 1
          await again(from, boundary, way)
        }
      }
    })
  }
})

describe('A segment that is being sealed', () => {
  for (const how of ['kill', 'power-cut'] as const) {
    for (const offset of [1, 2]) {
      it(`opens as it was or as it will be after a ${how} ${offset === 1 ? 'before' : 'after'} its sync`, async () => {
        const world = await scene()
        await running(world, 'a', 'b')
        await world.must('ct.delete', { id: 'b', force: true })
        await world.settle()
        world.plan = at(world.met + offset, { do: how })
        world.daemon.pools
          .get('tank')
          ?.upkeep.seal()
          .catch(() => {})
        await world.wait(() => !world.isUp, 'the daemon does not die')
        world.plan = () => NOTHING
        await world.boot()
        await world.settle()
        assert.deepEqual(await problems(world), [], world.story.join('\n'))
        assert.equal(world.disks.named('tank').segments.length, offset)
        await world.must('ct.new', { id: 'b', distribution: 'busybox' })
        await world.settle()
        assert.deepEqual(await problems(world), [])
      })
    }
  }

  it('is sealed while commands come one after the other, and while many are on their way', async () => {
    const world = await scene({ segmentEvents: 100, scrambled: true })
    await running(world, 'a', 'b')
    const set = (id: string, n: number) => ({ id, set: { attrs: { 'a:n': `${n}` } } })
    const segments = (): number => world.disks.named('tank').segments.length
    for (let n = 0; n < 60; n++) await world.must('ct.set', set('a', n))
    const afterOne = segments()
    assert.ok(afterOne >= 2, `${afterOne} segments`)
    for (let n = 0; n < 20; n++) {
      const requests = Array.from({ length: 8 }, (_, i) =>
        world.send('ct.set', set(i % 2 ? 'a' : 'b', 100 * n + i)),
      )
      await world.wait(() => requests.every(({ answered }) => answered), 'not answered')
      assert.deepEqual(
        requests.flatMap(({ error }) => error ?? []),
        [],
      )
    }
    assert.ok(segments() > afterOne + 1, `${segments()} segments`)
    await world.settle()
    assert.deepEqual(await problems(world), [], world.story.join('\n'))
  })

  it('waits for a commit of unknown outcome until the log was reopened, and lets others run meanwhile', async () => {
    const world = await scene()
    await running(world, 'a')
    for (const fault of ['unknown-applied', 'unknown-lost'] as const) {
      let isHit = false
      world.plan = ({ where, phase }) => {
        if (isHit || where !== 'log' || phase !== 'before') return NOTHING
        isHit = true
        return { do: 'disk', fault }
      }
      const request = world.send('ct.set', { id: 'a', set: { hostname: fault } })
      const sealing = world.daemon.pools
        .get('tank')
        ?.upkeep.seal()
        .catch(() => {})
      await world.until(sealing ?? Promise.resolve())
      await world.wait(() => request.answered, 'not answered')
      assert.ok(isHit)
      await world.settle()
      assert.deepEqual(await problems(world), [], world.story.join('\n'))
    }
  })

  it('keeps the keys of its commands: one that is sent again is the same operation', async () => {
    const world = await scene()
    const first = await world.must('ct.new', {
      id: 'a',
      distribution: 'busybox',
      meta: { key: 'key-of-a-creation' },
    })
    await world.until(world.daemon.pools.get('tank')?.upkeep.seal() ?? Promise.resolve())
    const second = await world.must('ct.new', {
      id: 'a',
      distribution: 'busybox',
      meta: { key: 'key-of-a-creation' },
    })
    assert.equal(second.operation, first.operation)
  })
})

after(() => console.log(`${counts.boundaries} boundaries, ${counts.crashes} second crashes`))
