/** Lives of which one spins, for spin.test.ts: `node spinning.ts FIRST COUNT HOW`. Its seed is 3. */
import type { Counts, Storm, storm } from './storm.ts'
import { heard, lives } from './watch.ts'

const [first = '1', count = '1', how = ''] = process.argv.slice(2)
const counts: Counts = { commands: 50, crashes: 1, faults: 0, checks: 1, moments: 0 }
const wrong = (what: string[]): Storm => ({ wrong: what, story: [], counts, taken: [] })

/** No timer and no socket is ever served again. */
async function spin(): Promise<never> {
  for (;;) await Promise.resolve()
}

const live: typeof storm = async (seed) => {
  if (seed === 3n && how === 'lives') await spin()
  return wrong(seed === 3n || seed === 5n ? ['it is wrong'] : [])
}

await lives(BigInt(first), Number(count), live, async (seed, { wrong: what }) => {
  if (what.length > 0) console.log(`seed ${seed} is told`)
  if (seed === 3n && how === 'is shrunk') {
    await heard(live)(seed)
    await spin()
  }
  if (seed === 4n && how === 'dies') process.exit(1)
})
