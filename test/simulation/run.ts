/**
 * npm run sim -- [--seeds N] [--seed S] [--steps K] [--keep I,J,…] [--jobs J] [--story]
 *                [--ledger] [--ledger-file FILE] [--merge FILE]
 *
 * N random lives from seed S on (default: 1,000 from a fresh one; with --seed alone, that one), on all cores.
 * Prints the first failures, each shrunk to the steps that it takes, and how to live them again; the exit status
 * is 1 when there was any. A life of which nothing is heard for a minute of its processor time is killed, and has
 * failed (watch.ts).
 *
 * --ledger adds the lives to docs/simulation-ledger.md (or FILE), with the commit that they ran on; it refuses a tree
 * with changes that are in no commit. --merge adds the rows of another ledger, as one that another machine filled.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { optionsOf } from '../options.ts'
import { added, type Entry, formatLedger, parseLedger } from './ledger.ts'
import { shrink } from './shrink.ts'
import { type Counts, type Storm, storm } from './storm.ts'
import { heard, type Life, launched, lives, SILENCE_MS, watched } from './watch.ts'

const SHOWN = 3
const STEPS = 60
const ROOT = join(import.meta.dirname, '../..')
const LEDGER = 'docs/simulation-ledger.md'

const OPTIONS = {
  seeds: { type: 'string' },
  seed: { type: 'string' },
  steps: { type: 'string', default: `${STEPS}` },
  keep: { type: 'string' },
  jobs: { type: 'string', default: `${availableParallelism()}` },
  story: { type: 'boolean', default: false },
  ledger: { type: 'boolean', default: false },
  merge: { type: 'string' },
  'ledger-file': { type: 'string', default: join(ROOT, LEDGER) },
} as const
const values = optionsOf(import.meta.filename, 'sim', OPTIONS, ['seeds', 'seed', 'steps', 'jobs'])

type Tally = Counts & { failed: string[]; fewest: { commands: number; crashes: number } }
const NEVER: Pick<Storm, 'story' | 'wrong'> = { story: [], wrong: [] }
const keep = values.keep?.split(',').map(Number)
const nothing = (): Tally => ({
  commands: 0,
  crashes: 0,
  faults: 0,
  checks: 0,
  moments: 0,
  failed: [],
  fewest: { commands: Number.MAX_SAFE_INTEGER, crashes: Number.MAX_SAFE_INTEGER },
})

function add(to: Tally, { seed, isWrong, counts }: Life): void {
  for (const name of ['commands', 'crashes', 'faults', 'checks', 'moments'] as const) to[name] += counts[name]
  if (isWrong) return void to.failed.push(seed)
  for (const name of ['commands', 'crashes'] as const)
    to.fewest[name] = Math.min(to.fewest[name], counts[name])
}

const git = (...argv: string[]): string => execFileSync('git', argv, { cwd: ROOT, encoding: 'utf8' }).trim()

/**
 * The commit whose tree this is.
 * @throws when it is that of no commit; the ledger itself may have grown
 */
function commitOfTree(): string {
  const changes = git('status', '--porcelain', '--', '.', `:!${LEDGER}`)
  if (changes !== '') throw new Error(`the ledger is for trees without changes; commit first:\n${changes}`)
  return git('rev-parse', '--short=10', 'HEAD')
}

const readLedger = (file: string): Entry[] =>
  existsSync(file) ? parseLedger(readFileSync(file, 'utf8')) : []

function writeLedger(entries: readonly Entry[]): void {
  const file = values['ledger-file']
  writeFileSync(`${file}.new`, formatLedger(entries))
  renameSync(`${file}.new`, file)
}

const entryOf = (commit: string, { commands, crashes, failed }: Tally): Entry => ({
  commit,
  first,
  seeds: count,
  commands,
  crashes,
  failures: failed.length,
  date: new Date().toISOString().slice(0, 10),
  failed,
})

/** @throws when the tree changed while it ran, or when the ledger has these lives already */
function enter(commit: string, tally: Tally): void {
  if (commitOfTree() !== commit)
    throw new Error(`the tree is no longer that of ${commit}: nothing was entered`)
  writeLedger(added(readLedger(values['ledger-file']), entryOf(commit, tally)))
}

/** Tells of a life, if it was asked for or is one of the first that went wrong: these in as few steps as they take. */
async function telling(seed: bigint, life: Storm, nth: number): Promise<void> {
  if (nth > 0 && nth <= SHOWN && keep === undefined) await tellShortly(seed)
  else if (values.story || (nth > 0 && nth <= SHOWN)) tell(`seed ${seed}`, life)
}

function tell(title: string, { story, wrong }: Pick<Storm, 'story' | 'wrong'>): void {
  console.log(`\n${[title, ...story, ...wrong.map((what) => `WRONG ${what}`)].join('\n')}`)
}

/** The story of a failure with the steps alone that it takes. */
async function tellShortly(seed: bigint): Promise<void> {
  const shrunk = await shrink(seed, Number(values.steps), heard(storm))
  if (!shrunk) return tell(`seed ${seed}: it did not fail again, which is a defect of the simulator`, NEVER)
  const again = `npm run sim -- --seed ${seed} --steps ${1 + Math.max(...shrunk.keep)} --keep ${shrunk.keep.join(',')}`
  tell(`seed ${seed}, in ${shrunk.keep.length} steps (${again})`, shrunk.storm)
}

/** The same program, for a part of the seeds. */
function part(first: bigint, count: number): ReturnType<typeof launched> {
  const more = [...(values.story ? ['--story'] : []), ...(values.keep ? ['--keep', values.keep] : [])]
  const which = ['--seed', `${first}`, '--seeds', `${count}`, '--steps', values.steps]
  return launched([fileURLToPath(import.meta.url), '--jobs', '0', ...which, ...more])
}

const first = BigInt(values.seed ?? Date.now())
const count = Number(values.seeds ?? (values.seed === undefined ? 1000 : 1))
const jobs = Math.min(Number(values.jobs), count)
const steps = Number(values.steps)
const began = performance.now()

async function main(): Promise<void> {
  if (values.merge !== undefined)
    return writeLedger(readLedger(values.merge).reduce(added, readLedger(values['ledger-file'])))
  if (values.ledger && (Number(values.steps) !== STEPS || keep))
    throw new Error('the ledger is for whole lives: without --steps and --keep')
  const commit = values.ledger ? commitOfTree() : ''
  if (values.ledger) added(readLedger(values['ledger-file']), entryOf(commit, nothing()))
  if (jobs === 0) return await lives(first, count, (seed) => storm(seed, { steps, keep }), telling)
  const share = Math.ceil(count / jobs)
  const parts = Array.from({ length: jobs }, (_, i) => Math.max(0, Math.min(share, count - i * share)))
  const total = nothing()
  const onLife = (life: Life, spins: boolean): void => {
    add(total, life)
    const how = `nothing was heard of it for ${SILENCE_MS / 1000} s`
    if (spins) tell(`seed ${life.seed} does not end: ${how} (npm run sim -- --seed ${life.seed})`, NEVER)
  }
  await Promise.all(parts.map((size, i) => watched(part, first + BigInt(i * share), size, onLife)))
  total.failed.sort((a, b) => (BigInt(a) < BigInt(b) ? -1 : 1))
  report(total)
  if (values.ledger) enter(commit, total)
}

function report({ commands, crashes, faults, checks, moments, failed, fewest }: Tally): void {
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  const which = failed.length > 0 ? `: ${failed.slice(0, 20).join(' ')}` : ''
  if (!keep && failed.length < count)
    console.log(`each at least ${fewest.commands} commands and ${fewest.crashes} crashes`)
  console.log(`\n${count} seeds from ${first}, ${failed.length} failed${which}`)
  console.log(
    `${commands} commands, ${crashes} crashes, ${faults} faults, ${checks} checks, ${moments} moments compared in ${seconds} s`,
  )
  process.exitCode = failed.length > 0 ? 1 : 0
}

await main().catch((error: unknown) => {
  console.error(`sim: ${error instanceof Error ? error.message : error}`)
  process.exitCode = 2
})
