/**
 * Power cuts at points of a recorded run, on real ZFS: a script of commands is run on a disk whose every write and
 * flush QEMU records; then disks are made as a cut at many points between two acknowledgements can leave them, and
 * the pool on each is imported by another boot of the image. What must hold on each is in `powercut/judge.ts`.
 *
 * OSCTL_POWERCUT_SEED chooses other points. Hundreds of them, with a report: `npm run power-cuts`.
 */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { after, describe, it } from 'node:test'
import { Random } from '../simulation/random.ts'
import { scratch } from './driver.ts'
import { nameOf, outcomeOf } from './powercut/judge.ts'
import { Looker } from './powercut/look.ts'
import { pointsOf } from './powercut/points.ts'
import { record } from './powercut/recording.ts'
import { MINUTE } from './scene.ts'

const POINTS = 6
/** Every so many, `healthcheck` is asked and containers are started, too. */
const STARTS_EVERY = 3
const SEED = BigInt(process.env['OSCTL_POWERCUT_SEED'] ?? 1)

const directory = scratch()
after(() => {
  if (process.env['OSCTL_KEEP_VM'] === undefined) rmSync(directory, { recursive: true, force: true })
})

describe('a pool whose host lost power', { timeout: 30 * MINUTE }, () => {
  it(`comes back from ${POINTS} points of a recorded run`, async (t) => {
    const recording = await record(directory)
    const { acknowledged } = recording
    await using looker = new Looker(recording, directory)
    const { entries } = looker
    const points = pointsOf(entries, acknowledged, POINTS, new Random(SEED))
    assert.equal(points.length, POINTS)
    for (const [i, point] of points.entries())
      await t.test(nameOf(point, acknowledged, entries.length), async (t) => {
        const look = await looker.look(point, i % STARTS_EVERY === 0)
        const { wrong, fate, command } = outcomeOf(look, point, acknowledged, entries.length)
        assert.deepEqual(wrong, [])
        t.diagnostic(`'${command}': ${fate}, ${look.seconds} s`)
      })
  })
})
