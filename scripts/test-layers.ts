/**
 * npm test: runs the layers of DESIGN §7, each within a time budget, and sums them up.
 *
 * A layer is a folder of test/, or a list of commands. Past its limit, or that of the whole run, a layer's processes
 * are killed as a group and the layer has failed; past its budget it is only marked. The last line, alone, is
 * `N passed, N failed, N skipped`; the exit status is 0 when nothing failed, 130 after Ctrl-C.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { LAYERS, type Layer, RUN_LIMIT, tooLate } from './layers.ts'
import type { TestReport } from './reporter.ts'

type Result = {
  layer: string
  verdict: 'passed' | 'FAILED' | 'skipped' | 'no tests'
  passed: number
  failed: number
  skipped: number
  seconds: number
  budget: number
  note: string
}

const say = (text: string) => process.stdout.write(`${text}\n`)
const elapsed = (began: number) => (performance.now() - began) / 1000
/** Seconds that a layer that began then still has: of its own limit, and of the run's. */
const left = (layer: Layer, began: number) =>
  Math.max(0, Math.min(layer.limit - elapsed(began), runLimit - elapsed(0)))

let runLimit = RUN_LIMIT
let running: ChildProcess | undefined
let interrupted = false

/** Kills a step's whole process group: test files, daemons and virtual machines that they started. */
function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, signal)
  } catch {
    // ESRCH: the group is gone, which is what is wanted.
  }
}

type Ended = { status: number; timedOut: boolean }

function run(argv: readonly string[], limitSeconds: number, env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  return new Promise((resolve) => {
    const [file, ...args] = argv
    if (file === undefined) throw new Error('a step without a command')
    const child = spawn(file, args, {
      detached: true,
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, ...env },
    })
    running = child
    let timedOut = false
    const gently = setTimeout(() => {
      timedOut = true
      killGroup(child, 'SIGTERM')
    }, limitSeconds * 1000)
    const firmly = setTimeout(() => killGroup(child, 'SIGKILL'), (limitSeconds + 10) * 1000)
    const end = (status: number) => {
      clearTimeout(gently)
      clearTimeout(firmly)
      killGroup(child, 'SIGKILL')
      running = undefined
      resolve({ status, timedOut })
    }
    child.on('error', (error) => {
      say(`cannot run ${file}: ${error.message}`)
      end(127)
    })
    child.on('exit', (status, signal) => end(status ?? (signal ? 128 : 1)))
  })
}

async function runChecks(layer: Layer, result: Result, began: number): Promise<void> {
  for (const { name, argv } of layer.checks ?? []) {
    const start = performance.now()
    const { status } = await run(argv, left(layer, began))
    say(`${status === 0 ? '✔' : '✘'} ${name}  ${elapsed(start).toFixed(1)} s`)
    if (status === 0) result.passed += 1
    else result.failed += 1
    if (interrupted) return
  }
}

async function prepare(layer: Layer, result: Result, began: number): Promise<boolean> {
  for (const { name, argv } of layer.prepare ?? []) {
    const { status } = await run(argv, left(layer, began))
    if (status !== 0) {
      result.failed += 1
      result.note = `${name} failed`
      return false
    }
  }
  return true
}

async function runFiles(
  layer: Layer,
  files: string[],
  pattern: string | undefined,
  result: Result,
  began: number,
) {
  const scratch = mkdtempSync(join(tmpdir(), 'npm-test-'))
  const reportFile = join(scratch, 'report.json')
  const argv = [
    process.execPath,
    join(import.meta.dirname, 'run-files.ts'),
    `--concurrency=${layer.concurrency ?? availableParallelism()}`,
    ...(pattern ? [`--grep=${pattern}`] : []),
    ...files,
  ]
  const { status, timedOut } = await run(argv, left(layer, began), {
    OSCTL_TEST_REPORT: reportFile,
  })
  const report: TestReport | null = existsSync(reportFile)
    ? JSON.parse(readFileSync(reportFile, 'utf8'))
    : null
  const missing = files.filter((file) => !report?.ended.includes(relative('.', file)))
  rmSync(scratch, { recursive: true, force: true })
  result.passed += report?.passed ?? 0
  result.failed += report?.failed ?? 0
  result.skipped += report?.skipped ?? 0
  if (timedOut) result.note = `killed after ${elapsed(began).toFixed(0)} s: ${missing.join(' ')}`
  else if (!report?.finished) result.note = `ended without a report (status ${status}): ${missing.join(' ')}`
  if (result.failed === 0 && (status !== 0 || !report?.finished)) result.failed += 1
}

/** Those that take longest are begun first, so that none runs alone at the end. */
function filesOf({ files, first = [] }: Layer): string[] {
  if (files === undefined) return []
  const found = globSync(files).sort()
  return [...first.filter((file) => found.includes(file)), ...found.filter((file) => !first.includes(file))]
}

/** @param only  files of this layer named on the command line; empty = all of them */
async function runLayer(
  layer: Layer,
  only: string[],
  pattern: string | undefined,
  named: boolean,
): Promise<Result> {
  const began = performance.now()
  const result: Result = {
    layer: layer.name,
    verdict: 'passed',
    passed: 0,
    failed: 0,
    skipped: 0,
    seconds: 0,
    budget: layer.budget,
    note: '',
  }
  const files = only.length > 0 ? only : filesOf(layer)
  if (layer.root && process.getuid?.() !== 0) {
    return { ...result, verdict: 'skipped', skipped: 1, note: 'needs root' }
  }
  if (layer.files && files.length === 0) {
    return { ...result, verdict: 'no tests', failed: named ? 1 : 0, note: `nothing matches ${layer.files}` }
  }
  const late = named || only.length > 0 ? null : tooLate(layer, runLimit - elapsed(0))
  if (late !== null) return { ...result, verdict: 'skipped', skipped: 1, note: late }
  say(`\n── ${layer.name}: ${layer.proves}`)
  await runChecks(layer, result, began)
  if (files.length > 0 && (await prepare(layer, result, began))) {
    await runFiles(layer, files, pattern, result, began)
  }
  result.seconds = elapsed(began)
  result.verdict = result.failed > 0 ? 'FAILED' : 'passed'
  if (result.note === '' && result.seconds > layer.budget) result.note = 'over its budget'
  return result
}

function table(results: readonly Result[]): string {
  const head = ['layer', 'result', 'passed', 'failed', 'skipped', 'time', 'budget', '']
  const rows = results.map((result) => [
    result.layer,
    result.verdict,
    `${result.passed}`,
    `${result.failed}`,
    `${result.skipped}`,
    `${result.seconds.toFixed(1)} s`,
    `${result.budget} s`,
    result.note,
  ])
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)))
  const isText = (i: number) => i < 2 || i === 7
  const cell = (text: string, i: number) =>
    isText(i) ? text.padEnd(widths[i] ?? 0) : text.padStart(widths[i] ?? 0)
  return [head, ...rows].map((row) => row.map(cell).join('  ').trimEnd()).join('\n')
}

const HELP = `usage: npm test [-- [LAYER | FILE]… [--grep PATTERN] [--limit SECONDS]]

--limit: when the run is ended and what is left of it has failed; ${RUN_LIMIT} s unless told

layers (a prefix of the name is enough):
${LAYERS.map(({ name, proves, budget, root, extra }) => `  ${name.padEnd(11)} ${proves}; ${budget} s${root ? ', needs root' : ''}${extra ? ', only when named or in CI' : ''}`).join('\n')}
`

type Choice = { layer: Layer; files: string[]; named: boolean }

/** Which layers run, in their order: those named, those whose files are named, or all. */
function choose(words: readonly string[]): Choice[] | string {
  const isFile = (word: string) => word.endsWith('.ts')
  const files = words.filter(isFile)
  const names = words.filter((word) => !isFile(word))
  for (const name of names)
    if (!LAYERS.some((layer) => layer.name.startsWith(name))) return `no layer ${name}`
  for (const file of files) if (!existsSync(file)) return `no file ${file}`
  const choices: Choice[] = []
  for (const layer of LAYERS) {
    const own = layer.files && files.length > 0 ? globSync(layer.files) : []
    const mine = files.filter((file) => own.includes(file.replace(/^\.\//, '')))
    const named = names.some((name) => layer.name.startsWith(name))
    const byDefault = words.length === 0 && (!layer.extra || process.env['CI'] === 'true')
    if (named || mine.length > 0 || byDefault) choices.push({ layer, files: named ? [] : mine, named })
  }
  return choices.length > 0 ? choices : `no layer has ${files.join(' ')}`
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { help: { type: 'boolean', short: 'h' }, grep: { type: 'string' }, limit: { type: 'string' } },
  })
  if (values.help) {
    process.stdout.write(HELP)
    return 0
  }
  const choices = choose(positionals)
  runLimit = Number(values.limit ?? RUN_LIMIT)
  const wrong = typeof choices === 'string' ? choices : runLimit > 0 ? '' : `--limit ${values.limit}: seconds`
  if (typeof choices === 'string' || wrong) {
    process.stderr.write(`npm test: ${wrong}\n\n${HELP}`)
    return 2
  }
  const interrupt = (signal: NodeJS.Signals) => {
    interrupted = true
    if (running) killGroup(running, signal)
  }
  process.on('SIGINT', interrupt)
  process.on('SIGTERM', interrupt)
  const results: Result[] = []
  for (const { layer, files, named } of choices) {
    if (!interrupted) results.push(await runLayer(layer, files, values.grep, named))
  }
  const sum = (key: 'passed' | 'failed' | 'skipped') =>
    results.reduce((total, result) => total + result[key], 0)
  say(`\n${table(results)}\n\n${sum('passed')} passed, ${sum('failed')} failed, ${sum('skipped')} skipped`)
  return interrupted ? 130 : sum('failed') > 0 ? 1 : 0
}

try {
  process.exitCode = await main()
} catch (error) {
  process.stderr.write(`npm test: ${error instanceof Error ? error.message : error}\n`)
  process.exitCode = 2
}
