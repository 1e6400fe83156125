/**
 * Answers about the past: `--at` random moments of a log of a million events in 1,000 containers, with and without
 * checkpoints, and what the daemon's loop notices of it. `node bench/past.ts`. BENCH_QUICK makes everything a tenth.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ctList } from '../src/audit/answers.ts'
import { foldAt, type PastSource, poolAt, positionOf } from '../src/audit/past.ts'
import { realClock } from '../src/daemon/adapters/clock.ts'
import { paceOf } from '../src/daemon/pace.ts'
import { WorkerLog } from '../src/events/log/client.ts'
import { atMost, type Figure, percentile, report, timedAsync } from './lib.ts'
import { stamp } from './log-events.ts'
import { populate } from './population.ts'

const QUICK = process.env['BENCH_QUICK'] !== undefined
const CONTAINERS = 1000
const EVENTS = QUICK ? 100_000 : 1_000_000
const SEGMENT = QUICK ? 25_000 : 250_000
const MOMENTS = QUICK ? 10 : 40
const COLD = QUICK ? 3 : 6
const base = mkdtempSync(join(process.env['BENCH_DIR'] ?? tmpdir(), 'osctl-bench-'))
const facts = { name: 'tank', guid: null, dataset: 'tank', directory: '/tank' }
const clock = { starts: 'the question', stops: 'the rows of ct ls are there' }

/** The longest time in which nobody else had the loop. */
async function stallDuring(work: () => Promise<unknown>): Promise<number> {
  let longest = 0
  let last = performance.now()
  const timer = setInterval(() => {
    const now = performance.now()
    longest = Math.max(longest, now - last)
    last = now
  }, 1)
  await work()
  clearInterval(timer)
  return longest
}

const ask = (source: PastSource, seq: number): Promise<number> =>
  timedAsync(async () => ctList([await poolAt(facts, source, seq, paceOf(realClock))], {}))

async function asked(source: PastSource, count: number): Promise<{ ms: number[]; stall: number }> {
  const head = source.log.head().seq
  const ms: number[] = []
  const stall = await stallDuring(async () => {
    for (let i = 0; i < count; i++) ms.push(await ask(source, 1 + Math.floor(Math.random() * head)))
  })
  return { ms, stall }
}

async function measured(log: WorkerLog): Promise<Figure[]> {
  const cold = await asked({ log, checkpoint: () => Promise.resolve(null) }, COLD)
  const warmSource: PastSource = {
    log,
    checkpoint: async (upTo) => {
      const kept = await log.loadStates(upTo)
      return kept && { seq: kept.position.seq, states: kept.states }
    },
    keep: async (kept) => {
      await log.saveStates(kept)
    },
  }
  const made = await timedAsync(async () => {
    for (let end = SEGMENT; end < EVENTS + SEGMENT; end += SEGMENT)
      await foldAt(warmSource, Math.min(end, log.head().seq), paceOf(realClock))
  })
  const warm = await asked(warmSource, MOMENTS)
  const first = (await log.read({ from: 1, limit: 1 })).events[0]?.t ?? 0
  const span = Date.now() - first
  const times: number[] = []
  for (let i = 0; i < MOMENTS; i++)
    times.push(await timedAsync(() => positionOf('tank', log, { time: first + Math.random() * span })))
  const worst = Math.max(...warm.ms)
  const stall = Math.max(warm.stall, cold.stall)
  return [
    { name: '--at from checkpoints, p50', value: percentile(warm.ms, 50), unit: 'ms', ...clock },
    {
      name: '--at from checkpoints, worst',
      value: worst,
      unit: 'ms',
      ...clock,
      bar: atMost(worst, 1000, '≤ 1 s'),
    },
    { name: '--at from baselines alone, worst', value: Math.max(...cold.ms), unit: 'ms', ...clock },
    {
      name: 'position of a time, worst',
      value: Math.max(...times),
      unit: 'ms',
      starts: 'the question',
      stops: 'the position is known',
    },
    {
      name: 'longest stall of the loop',
      value: stall,
      unit: 'ms',
      starts: 'the first of all these questions',
      stops: 'the last',
      bar: atMost(stall, 20, '≤ 20 ms'),
    },
    {
      name: 'folding all, and keeping checkpoints',
      value: made / 1000,
      unit: 's',
      starts: 'the first event',
      stops: 'the last checkpoint is kept',
    },
  ]
}

try {
  const [events, cache] = [join(base, 'events'), join(base, 'cache')]
  for (const dir of [events, cache]) mkdirSync(dir)
  await populate(events, CONTAINERS, EVENTS, SEGMENT)
  const log = new WorkerLog({ dir: events, stamp, cache: { dir: cache, key: 'bench' } })
  await log.open()
  if (!report(`the past: ${log.head().seq} events`, await measured(log))) process.exitCode = 1
  await log.close()
} finally {
  rmSync(base, { recursive: true, force: true })
}
