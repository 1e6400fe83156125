/**
 * npm run power-cuts -- [--points N] [--seed S] [--dir DIR] [--minutes M] [--report] [--report-file FILE]
 *
 * Builds the image, records the script once, and looks at N points of the record (default 210, from a fresh seed).
 * Prints each; the exit status is 1 when something was wrong at any.
 *
 * --dir keeps the record and what was seen there; called again with it, it goes on at the first point that was not looked
 * at. --minutes ends the go after that time. --report writes docs/power-cuts.md (or FILE) of the points looked at. A
 * tree with changes that are in no commit is refused: what was seen is said of a commit.
 */
import { execFileSync } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { optionsOf } from '../../options.ts'
import { productCommit } from '../../product.ts'
import { Random } from '../../simulation/random.ts'
import { scratch } from '../driver.ts'
import { MINUTE } from '../scene.ts'
import { type Outcome, outcomeOf } from './judge.ts'
import { type Look, Looker } from './look.ts'
import { type Point, pointsOf } from './points.ts'
import { record, recordingIn } from './recording.ts'
import { formatReport, type Run } from './report.ts'

const TOP = join(import.meta.dirname, '..', '..', '..')
const REPORT = 'docs/power-cuts.md'
/** Every so many points, `healthcheck` is asked and containers are started, too. */
const STARTS_EVERY = 7
/** Points apart of two looks that follow each other. */
const STRIDE = 11

const OPTIONS = {
  points: { type: 'string', default: '210' },
  seed: { type: 'string', default: `${Date.now()}` },
  dir: { type: 'string' },
  minutes: { type: 'string' },
  report: { type: 'boolean', default: false },
  'report-file': { type: 'string', default: join(TOP, REPORT) },
} as const
const values = optionsOf(import.meta.filename, 'power-cuts', OPTIONS, ['points', 'seed', 'minutes'])

function buildImage(): void {
  for (const argv of [[process.execPath, 'scripts/build.mjs'], ['os/build.sh']])
    execFileSync(argv[0] ?? '', argv.slice(1), { cwd: TOP, stdio: ['ignore', 'ignore', 'inherit'] })
}

/** That of the first go in this directory. */
function runIn(dir: string): { commit: string; seed: string; points: number } {
  const file = join(dir, 'run.json')
  const now = { commit: productCommit('test/vm'), seed: values.seed, points: Number(values.points) }
  if (!existsSync(file)) writeFileSync(file, JSON.stringify(now))
  const first = JSON.parse(readFileSync(file, 'utf8')) as typeof now
  if (first.commit !== now.commit)
    throw new Error(`${dir} was begun on ${first.commit}, this is ${now.commit}`)
  return first
}

const looksFile = (dir: string): string => join(dir, 'looks.jsonl')

/** What was seen so far, by the key of the point. */
function looksIn(dir: string): Map<string, Look> {
  const lines = existsSync(looksFile(dir)) ? readFileSync(looksFile(dir), 'utf8').split('\n') : []
  const looks = lines.flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Look]))
  return new Map(looks.map((look) => [look.key, look]))
}

function tell({ name, fate, wrong, started }: Outcome, seconds: number): void {
  const mark = wrong.length > 0 ? '✘' : '✔'
  console.log(`${mark} ${name}: ${fate}${started > 0 ? `, ${started} started` : ''}, ${seconds} s`)
  for (const what of wrong) console.log(`  WRONG ${what}`)
}

/** So that a go that ends early has looked at points of the whole run. */
const interleaved = <T>(all: readonly T[]): T[] =>
  Array.from({ length: STRIDE }, (_, from) => all.filter((_, i) => i % STRIDE === from)).flat()

async function lookAtAll(dir: string): Promise<void> {
  const { commit, seed, points: count } = runIn(dir)
  buildImage()
  const end = performance.now() + Number(values.minutes ?? Number.MAX_SAFE_INTEGER) * MINUTE
  const recording = recordingIn(dir) ?? (await record(dir))
  await using looker = new Looker(recording, dir)
  const { entries } = looker
  const points = pointsOf(entries, recording.acknowledged, count, new Random(BigInt(seed)))
  const looks = looksIn(dir)
  const outcomeAt = (point: Point): Outcome | null => {
    const look = looks.get(point.key)
    return look ? outcomeOf(look, point, recording.acknowledged, entries.length) : null
  }
  for (const [i, point] of interleaved([...points.entries()])) {
    if (looks.has(point.key) || performance.now() > end) continue
    const look = await looker.look(point, i % STARTS_EVERY === 0)
    appendFileSync(looksFile(dir), `${JSON.stringify(look)}\n`)
    looks.set(point.key, look)
    const outcome = outcomeAt(point)
    if (outcome) tell(outcome, look.seconds)
  }
  const outcomes = points.map(outcomeAt).filter((outcome) => outcome !== null)
  const wrong = outcomes.filter((it) => it.wrong.length > 0).length
  console.log(`${outcomes.length} of ${points.length} points, ${wrong} wrong; seed ${seed}`)
  process.exitCode = wrong > 0 ? 1 : 0
  const date = new Date().toISOString().slice(0, 10)
  const run: Run = { commit, date, seed, points: points.length, entries: entries.length }
  if (values.report) writeFileSync(values['report-file'], formatReport(run, outcomes))
}

const dir = values.dir ?? scratch()
mkdirSync(dir, { recursive: true })
try {
  await lookAtAll(dir)
} catch (error) {
  console.error(`power-cuts: ${error instanceof Error ? error.message : error}`)
  process.exitCode = 2
} finally {
  if (values.dir === undefined) rmSync(dir, { recursive: true, force: true })
}
