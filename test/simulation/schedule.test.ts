/**
 * How long a boot takes until everything is up, in virtual time: our plan against the original's schedule, both with
 * the very same start times, drawn from those that were recorded in the virtual machine (start-times.json).
 *
 * The original's (osctld, auto_start/plan.rb): two workers; each takes the next container, sleeps a random time of up
 * to three seconds, and starts it. The further `--delay` of five seconds, which it sleeps while the load of the last
 * five minutes is high, is left out, in its favour. Ours is the daemon itself on the simulated host, which models
 * eight processors: what starts beyond that waits for one, and is seen as pressure. A start takes there as long as was
 * recorded of one that started alone; that starts side by side slow each other down is not modelled, for either.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { BootReport } from '../../src/rpc/results.ts'
import { Random } from './random.ts'
import { assertWell, scene } from './scenes.ts'
import type { World } from './world.ts'

const FILE = join(import.meta.dirname, 'start-times.json')
const recorded = JSON.parse(readFileSync(FILE, 'utf8')) as { ms: number[] }
const CONTAINERS = 100
const PARALLEL_START = 2
const LONGEST_PAUSE_MS = 3000

const drawn = (chance: Random): number[] => Array.from({ length: CONTAINERS }, () => chance.pick(recorded.ms))

/** When the last container of the original's schedule is up, ms. @pure but for chance */
function originals(times: readonly number[], chance: Random): number {
  const workers = Array.from({ length: PARALLEL_START }, () => 0)
  for (const time of times) {
    const first = workers.indexOf(Math.min(...workers))
    workers[first] = (workers[first] ?? 0) + chance.fraction() * LONGEST_PAUSE_MS + time
  }
  return Math.max(...workers)
}

/** Containers with autostart on a machine that has just lost its power. */
async function population(latency: (op: string) => number): Promise<World> {
  const world = await scene({ latency })
  for (let i = 0; i < CONTAINERS; i++) {
    const id = `ct${i}`
    await world.must('ct.new', { id, distribution: 'busybox' })
    await world.must('ct.set', { id, set: { autostart: { priority: 1000, delay: 5 } } })
  }
  world.powerCut()
  return world
}

async function boots(times: readonly number[], processors: number): Promise<{ took: number; most: number }> {
  let n = 0
  const world = await population((op) => (op === 'lxc.start' ? (times[n++ % times.length] ?? 0) : 0))
  world.machine.processors = processors
  let most = 0
  world.plan = () => {
    most = Math.max(most, [...world.machine.helpers].filter(({ op }) => op === 'lxc.start').length)
    return { do: 'nothing' }
  }
  await world.boot()
  const isDone = (): boolean => world.daemon.pool('tank').states.pool().context.autostart.length === 0
  await world.pass(1)
  await world.wait(isDone, 'not all is up')
  const [report] = (await world.must('boot.report', {})).result as BootReport[]
  assert.equal(report?.containers.filter(({ result }) => result === 'started').length, CONTAINERS)
  await assertWell(world)
  return { took: report?.took ?? Number.POSITIVE_INFINITY, most }
}

describe(`${CONTAINERS} containers with autostart`, () => {
  it('are up in a third of the time that the original takes with the same start times', async (t) => {
    for (const seed of [1n, 2n, 3n]) {
      const chance = new Random(seed)
      const times = drawn(chance)
      const original = originals(times, chance)
      const { took, most } = await boots(times, 8)
      const share = ((100 * took) / original).toFixed(0)
      t.diagnostic(
        `seed ${seed}: ${(took / 1000).toFixed(1)} s, ${(original / 1000).toFixed(1)} s there: ${share} %`,
      )
      assert.ok(took <= original / 3, `${took} ms, ${original} ms there`)
      assert.ok(most <= 8, `${most} at once`)
    }
  })

  it('on a machine with fewer processors are held back by its pressure, and come up all the same', async (t) => {
    const times = drawn(new Random(1n))
    const { took, most } = await boots(times, 2)
    t.diagnostic(`two processors: ${(took / 1000).toFixed(1)} s, at most ${most} at once`)
    assert.ok(most < 8)
  })
})

it('the recorded start times are of one machine and plausible', () => {
  assert.ok(recorded.ms.length >= 30)
  assert.ok(recorded.ms.every((ms) => Number.isInteger(ms) && ms > 100 && ms < 60_000))
})
