/**
 * Random lives of a host: some of those that `npm test -- seeds` lives, for a quick look;
 * `npm run sim -- --seeds N [--seed S]` runs more of them.
 */
import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { shrink } from './shrink.ts'
import { type Counts, storm } from './storm.ts'

const SEEDS = 100
const BATCH = 20
const totals: Counts = { commands: 0, crashes: 0, faults: 0, checks: 0, moments: 0 }

async function lives(seed: bigint): Promise<void> {
  const { wrong, story, counts } = await storm(seed)
  for (const name of Object.keys(totals) as (keyof Counts)[]) totals[name] += counts[name]
  const told = [`npm run sim -- --seed ${seed}`, ...story, ...wrong.map((what) => `WRONG ${what}`)].join('\n')
  assert.deepEqual(wrong, [], told)
}

describe('Whatever happens to a host, it comes to rest with nothing lost, leaked or halved', () => {
  for (let first = 1; first <= SEEDS; first += BATCH) {
    it(`seeds ${first} to ${first + BATCH - 1}`, async () => {
      for (let seed = first; seed < first + BATCH; seed++) await lives(BigInt(seed))
    })
  }
  it('a life can be lived without some of its steps, which shrinking relies on', async () => {
    const whole = await storm(1n, { steps: 40 })
    const half = await storm(1n, { steps: 40, keep: whole.taken.filter((step) => step % 2 === 0) })
    assert.ok(half.taken.length < whole.taken.length)
    assert.deepEqual((await storm(1n, { steps: 40, keep: half.taken })).story, half.story, 'and lived again')
  })
  it('a failure is shrunk to the steps that it takes', async () => {
    const live: typeof storm = async (_seed, { steps = 60, keep } = {}) => {
      const taken = Array.from({ length: steps }, (_, i) => i).filter((i) => keep?.includes(i) ?? true)
      const wrong = taken.includes(17) && taken.includes(42) ? ['both'] : []
      return { wrong, story: [], counts: { ...totals }, taken }
    }
    assert.deepEqual((await shrink(1n, 60, live))?.keep, [17, 42])
    assert.equal(await shrink(1n, 30, live), null, 'what does not fail is not shrunk')
  })
})

after(() => {
  const { commands, crashes, faults, checks, moments } = totals
  console.log(
    `${commands} commands, ${crashes} crashes, ${faults} faults, ${checks} checks, ${moments} moments compared`,
  )
})
