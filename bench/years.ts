/**
 * A log of years: a million events in segments of 250,000, `node bench/years.ts`. Verifying all of it must leave the
 * daemon's thread alone, and opening must not depend on how much there was before the open segment. BENCH_DIR says on
 * which file system; BENCH_QUICK makes it a tenth.
 */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { WorkerLog } from '../src/events/log/client.ts'
import { atMost, type Figure, percentile, report, timedAsync } from './lib.ts'
import { stamp } from './log-events.ts'
import { LongLog } from './long-log.ts'

const QUICK = process.env['BENCH_QUICK'] !== undefined
const EVENTS = QUICK ? 100_000 : 1_000_000
const SEGMENT = EVENTS / 4
const OPENINGS = 7
const PING_EVERY_MS = 1
const base = mkdtempSync(join(process.env['BENCH_DIR'] ?? tmpdir(), 'osctl-bench-'))
const years = join(base, 'years')
const young = join(base, 'young')

const opened = async (dir: string): Promise<WorkerLog> => {
  const log = new WorkerLog({ dir, stamp, create: false })
  await log.open()
  return log
}

/** What the daemon's thread feels meanwhile: the longest that its event loop stood still. */
async function verification(): Promise<Figure[]> {
  const log = await opened(years)
  const delay = monitorEventLoopDelay({ resolution: 1 })
  const pings: number[] = []
  let isOver = false
  delay.enable()
  const started = performance.now()
  const verified = log.verify({ full: true }).finally(() => {
    isOver = true
  })
  // A ping is answered out of the event loop alone: what it waits for is the loop.
  while (!isOver) {
    await sleep(PING_EVERY_MS)
    pings.push(await timedAsync(() => new Promise((resolve) => setImmediate(resolve))))
  }
  const { checked, damage, segments } = await verified
  const ms = performance.now() - started
  delay.disable()
  await log.close()
  if (damage.length > 0) throw new Error(`the log of the benchmark is damaged: ${JSON.stringify(damage[0])}`)
  const stall = pings.reduce((most, ms) => Math.max(most, ms), 0)
  return [
    {
      name: `verify --full of ${checked} events in ${segments} segments`,
      value: ms / 1000,
      unit: 's',
      starts: "the main thread's call",
      stops: 'its answer there',
      note: `${Math.round((checked / ms) * 1000).toLocaleString('en')} events/s: chain, copies and indexes`,
      bar: atMost(ms * (1_000_000 / checked), 10_000, '≤ 10 s for 1 M events'),
    },
    {
      name: "longest stall of the daemon's event loop meanwhile",
      value: stall,
      unit: 'ms',
      starts: 'a turn of the loop asked for',
      stops: 'its turn',
      note: `p99 ${percentile(pings, 99).toFixed(3)} ms of ${pings.length} turns; timer delay at most ${(delay.max / 1e6).toFixed(1)} ms`,
      bar: atMost(stall, 20, '≤ 20 ms'),
    },
  ]
}

/** The same open segment, with three full ones behind it and with none. */
async function openings(): Promise<Figure> {
  mkdirSync(young)
  cpSync(join(years, 'log.db'), join(young, 'log.db'))
  const times = { years: [] as number[], young: [] as number[] }
  for (let i = 0; i < OPENINGS; i++) {
    for (const [name, dir] of [
      ['years', years],
      ['young', young],
    ] as const) {
      const log = new WorkerLog({ dir, stamp, create: false })
      times[name].push(await timedAsync(() => log.open()))
      await log.close()
    }
  }
  const [old, fresh] = [percentile(times.years, 50), percentile(times.young, 50)]
  return {
    name: 'open a log with three full segments behind the open one',
    value: old,
    unit: 'ms',
    floor: { name: 'the open segment alone', value: fresh },
    starts: 'open() in the main thread',
    stops: 'its answer, thread started, tail checked',
    bar: atMost(old, 1.5 * fresh + 5, '≤ 1.5 × alone + 5 ms'),
  }
}

function size(): Figure {
  const files = readdirSync(years).map((name) => statSync(join(years, name)).size)
  const bytes = files.reduce((sum, each) => sum + each, 0) / EVENTS
  return {
    name: 'bytes an event in the files, indexes included',
    value: bytes,
    unit: 'B',
    starts: 'first',
    stops: 'last file',
  }
}

try {
  mkdirSync(years)
  const { bodies } = await new LongLog(EVENTS).write(years, SEGMENT)
  const body: Figure = {
    name: 'bytes of an event',
    value: bodies / EVENTS,
    unit: 'B',
    starts: 'first',
    stops: "last event's body",
    bar: atMost(bodies / EVENTS, 500, '≤ 500 on average'),
  }
  const figures = [body, size(), await openings(), ...(await verification())]
  if (!report('a log of years', figures)) process.exitCode = 1
} finally {
  rmSync(base, { recursive: true, force: true })
}
