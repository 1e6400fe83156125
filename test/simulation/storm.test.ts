/** Random lives of a host: `npm run sim -- --seeds N [--seed S]` runs more of them. */
import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { type Counts, storm } from './storm.ts'

const SEEDS = 200
const BATCH = 20
const totals: Counts = { commands: 0, crashes: 0, faults: 0, checks: 0 }

/** Lives that went wrong once: each is a defect that was found and mended. */
const FOUND = [
  31n,
  48n,
  141n,
  162n,
  1124n,
  1174n,
  3027n,
  3042n,
  3067n,
  3169n,
  100_328n,
  100_500n,
  101_463n,
  201_894n,
  302_027n,
  400_575n,
  401_781n,
] as const

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
  it('seeds that failed once', async () => {
    for (const seed of FOUND) await lives(seed)
  })
})

after(() => {
  const { commands, crashes, faults, checks } = totals
  console.log(`${commands} commands, ${crashes} crashes, ${faults} faults, ${checks} checks`)
})
