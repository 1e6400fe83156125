/**
 * npm run sim -- --seeds N [--seed S] [--steps K]: N random lives from seed S on (default: a fresh one).
 *
 * Prints the first failures with their seeds and stories; the exit status is 1 when there was any.
 */
import { parseArgs } from 'node:util'
import { type Counts, storm } from './storm.ts'

const DEFAULT_SEEDS = '1000'
const SHOWN = 3

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: DEFAULT_SEEDS },
    seed: { type: 'string' },
    steps: { type: 'string', default: '60' },
    story: { type: 'boolean', default: false },
  },
})
const first = values.seed === undefined ? BigInt(Date.now()) : BigInt(values.seed)
const count =
  values.seed !== undefined && process.argv.every((word) => !word.startsWith('--seeds'))
    ? 1
    : Number(values.seeds)
const totals: Counts = { commands: 0, crashes: 0, faults: 0, checks: 0 }
const began = performance.now()
const failed: bigint[] = []
for (let i = 0; i < count; i++) {
  const seed = first + BigInt(i)
  const { wrong, story, counts } = await storm(seed, Number(values.steps))
  for (const name of Object.keys(totals) as (keyof Counts)[]) totals[name] += counts[name]
  if (wrong.length > 0) failed.push(seed)
  if ((wrong.length > 0 && failed.length <= SHOWN) || values.story)
    console.log(`\nseed ${seed}\n${[...story, ...wrong.map((what) => `WRONG ${what}`)].join('\n')}`)
}
const seconds = ((performance.now() - began) / 1000).toFixed(1)
console.log(
  `\n${count} seeds from ${first}, ${failed.length} failed${failed.length > 0 ? `: ${failed.slice(0, 20).join(' ')}` : ''}`,
)
console.log(
  `${totals.commands} commands, ${totals.crashes} crashes, ${totals.faults} faults, ${totals.checks} checks in ${seconds} s`,
)
process.exitCode = failed.length > 0 ? 1 : 0
