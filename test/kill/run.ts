/**
 * npm run kills -- [--kills N] [--seed S] [--ledger] [--ledger-file FILE]
 *
 * Builds the daemon and kills it N times (default 250) with `kill -9`, each time asking the next one what there is. The
 * exit status is 1 when something was lost or halved; the message has the newest events of the log, and the simulated
 * machine with its log is kept.
 *
 * --ledger adds a row to docs/kills.md (or FILE); it refuses a tree with changes that are in no commit.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { optionsOf } from '../options.ts'
import { productCommit } from '../product.ts'
import { Random } from '../simulation/random.ts'
import { DaemonLives, type Lived } from './daemon-life.ts'
import { formatLedger, parseLedger } from './ledger.ts'

const TOP = join(import.meta.dirname, '..', '..')
const LEDGER = 'docs/kills.md'
const TOLD_EVERY = 25

const OPTIONS = {
  kills: { type: 'string', default: '250' },
  seed: { type: 'string', default: `${Date.now()}` },
  ledger: { type: 'boolean', default: false },
  'ledger-file': { type: 'string', default: join(TOP, LEDGER) },
} as const
const values = optionsOf(import.meta.filename, 'kills', OPTIONS, ['kills', 'seed'])

const commitOfProduct = (): string => productCommit('test/kill')

function enter(commit: string, lived: Lived, failures: number): void {
  if (commitOfProduct() !== commit) throw new Error(`the product is no longer that of ${commit}`)
  const file = values['ledger-file']
  const rows = existsSync(file) ? parseLedger(readFileSync(file, 'utf8')) : []
  const date = new Date().toISOString().slice(0, 10)
  writeFileSync(file, formatLedger([...rows, { commit, seed: values.seed, ...lived, failures, date }]))
}

async function main(): Promise<void> {
  const commit = values.ledger ? commitOfProduct() : ''
  execFileSync(process.execPath, ['scripts/build.mjs'], { cwd: TOP, stdio: ['ignore', 'ignore', 'inherit'] })
  const directory = mkdtempSync(join(tmpdir(), 'osctl-daemon-kill-'))
  const lives = new DaemonLives(directory, new Random(BigInt(values.seed)))
  let told = 0
  const tell = ({ kills, whileStarting, acknowledged }: Lived): void => {
    if (kills < told + TOLD_EVERY) return
    told = kills
    console.log(
      `${kills} kills, ${whileStarting} of them while starting, ${acknowledged} acknowledged commands`,
    )
  }
  let failures = 0
  try {
    await lives.run(Number(values.kills), tell)
  } catch (error) {
    failures = 1
    console.error(`WRONG ${error instanceof Error ? error.message : error}\nkept: ${directory}`)
  } finally {
    await lives.end()
    if (failures === 0) rmSync(directory, { recursive: true, force: true })
  }
  const { kills, acknowledged } = lives.lived
  console.log(
    `${kills} kills from seed ${values.seed}, ${acknowledged} acknowledged commands, ${failures} failed`,
  )
  process.exitCode = failures
  if (values.ledger) enter(commit, lives.lived, failures)
}

await main().catch((error: unknown) => {
  console.error(`kills: ${error instanceof Error ? error.message : error}`)
  process.exitCode = 2
})
