/**
 * The event log on a real disk: `node bench/log.ts`. BENCH_DIR says on which file system (default: the
 * system's temporary directory); the floor is measured on the same one.
 */
import {
  closeSync,
  fdatasyncSync,
  fsyncSync,
  mkdtempSync,
  openSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { WorkerLog } from '../src/events/log/client.ts'
import { SqliteLog } from '../src/events/log/sqlite/log.ts'
import type { LogStore } from '../src/events/log/store.ts'
import {
  atMost,
  type Figure,
  interleave,
  percentile,
  report,
  type Samples,
  type Subject,
  timed,
  timedAsync,
} from './lib.ts'
import { baselines, command, ctOf, stamp } from './log-events.ts'

const base = mkdtempSync(join(process.env['BENCH_DIR'] ?? tmpdir(), 'osctl-bench-'))
const QUICK = process.env['BENCH_QUICK'] !== undefined
const SEGMENT = QUICK ? 25_000 : 250_000
const BLOCK = 4096
const RAW_BYTES = 4 * 1024 * 1024

/** The floor: one block written in place and synced, as a settled WAL does it. */
function rawSync(): { subject: Subject; close: () => void } {
  const fd = openSync(join(base, 'raw'), 'w')
  writeSync(fd, Buffer.alloc(RAW_BYTES), 0, RAW_BYTES, 0)
  fsyncSync(fd)
  const block = Buffer.alloc(BLOCK, 1)
  let at = 0
  const run = (): number => {
    at = (at + BLOCK) % RAW_BYTES
    return timed(() => {
      writeSync(fd, block, 0, BLOCK, at)
      fdatasyncSync(fd)
    })
  }
  return { subject: { name: 'fdatasync', run }, close: () => closeSync(fd) }
}

async function opened(name: string, log: LogStore): Promise<LogStore> {
  await log.open()
  // The WAL is reused from its first checkpoint on; before that, each commit makes the file longer.
  for (let i = 0; i < 20; i++)
    await log.append({ events: Array.from({ length: 100 }, () => command(name)).flat(), expected: {} })
  return log
}

async function commits(): Promise<Figure[]> {
  let commitMs = 0
  const inner = new SqliteLog({
    dir: dirOf('commit'),
    stamp,
    runCommit: (commit) => {
      commitMs = timed(commit)
    },
  })
  const inProcess = await opened('commit', inner)
  const behind = await opened('worker', new WorkerLog({ dir: dirOf('worker'), stamp }))
  const raw = rawSync()
  const whole: number[] = []
  const subjects: Subject[] = [
    raw.subject,
    {
      name: 'COMMIT',
      run: async () => {
        const events = command('commit')
        whole.push(await timedAsync(() => inProcess.append({ events, expected: {} })))
        return commitMs
      },
    },
    {
      name: 'worker',
      run: () => {
        const events = command('worker')
        return timedAsync(() => behind.append({ events, expected: {} }))
      },
    },
  ]
  const rounds = QUICK ? 300 : 2000
  const samples = await interleave(subjects, { rounds, warmUp: 200 })
  raw.close()
  await inProcess.close()
  await behind.close()
  return commitFigures(samples, whole.slice(-rounds))
}

function commitFigures(samples: ReadonlyMap<string, Samples>, whole: readonly number[]): Figure[] {
  const p = (name: string, at: number): number => percentile(samples.get(name)?.ms ?? [], at)
  const floor = { name: 'fdatasync p50 ms', value: p('fdatasync', 50) }
  const append = percentile(whole, 50)
  const commit = p('COMMIT', 50)
  const worker = p('worker', 50)
  return [
    {
      name: 'COMMIT of 3 events, p50',
      value: commit,
      unit: 'ms',
      floor,
      starts: 'before the COMMIT statement',
      stops: 'when it returned, synced',
      bar: atMost(commit, 1.3 * floor.value, '≤ 1.3 × fdatasync'),
      note: `p99 ${p('COMMIT', 99).toFixed(2)} ms, fdatasync p99 ${p('fdatasync', 99).toFixed(2)} ms`,
    },
    {
      name: 'append of 3 events in process, p50',
      value: append,
      unit: 'ms',
      floor,
      starts: 'append() called',
      stops: 'its promise resolved: encoded, hashed, inserted, synced',
    },
    {
      name: 'append of 3 events through the worker, p50',
      value: worker,
      unit: 'ms',
      floor,
      starts: 'append() called in the main thread',
      stops: 'its promise resolved there',
      note: `${(worker - floor.value).toFixed(3)} ms above fdatasync; p99 ${p('worker', 99).toFixed(2)} ms`,
    },
  ]
}

/** Clients that append one command after another for a while. @returns commands a second */
async function throughput(log: LogStore, clients: number, ms: number): Promise<number> {
  const end = performance.now() + ms
  let done = 0
  await Promise.all(
    Array.from({ length: clients }, async (_, i) => {
      while (performance.now() < end) {
        await log.append({ events: command(`client ${i}`), expected: {} })
        done += 1
      }
    }),
  )
  return (done / ms) * 1000
}

async function groups(): Promise<Figure[]> {
  const log = await opened('group', new WorkerLog({ dir: dirOf('group'), stamp }))
  const rates = { one: [] as number[], many: [] as number[] }
  for (let round = 0; round < (QUICK ? 2 : 5); round++) {
    rates.one.push(await throughput(log, 1, 400))
    rates.many.push(await throughput(log, 64, 400))
  }
  await log.close()
  const [one, many] = [percentile(rates.one, 50), percentile(rates.many, 50)]
  return [
    {
      name: 'group commit, 64 in flight',
      value: many,
      unit: 'commands/s',
      floor: { name: '1 in flight', value: one },
      starts: 'first of 64 concurrent appends of 3 events',
      stops: 'last acknowledgement; median of rounds of 0.4 s in turn',
      bar: { text: '≥ 5,000/s and ≥ 4 × one', isMet: many >= 5000 && many >= 4 * one },
    },
  ]
}

async function fill(log: LogStore): Promise<void> {
  while (log.segmentEvents() < SEGMENT) {
    await log.append({ events: Array.from({ length: 300 }, () => command('fill')).flat(), expected: {} })
  }
}

async function readThrough(log: LogStore): Promise<number> {
  let count = 0
  for (let from: number | null = 1; from !== null; ) {
    const slice = await log.read({ from, limit: 5000 })
    count += slice.events.length
    from = slice.next
  }
  return count
}

const clock = { starts: 'call in the main thread', stops: 'its answer there' }

async function segment(): Promise<Figure[]> {
  const dir = dirOf('segment')
  const filler = new SqliteLog({ dir, stamp })
  await filler.open()
  await fill(filler)
  const events = filler.segmentEvents()
  const some = (await filler.read({ from: 1, limit: 1000 })).events
  const body = some.reduce((sum, event) => sum + Buffer.byteLength(JSON.stringify(event)), 0) / some.length
  await filler.close()
  const bytes = statSync(join(dir, 'log.db')).size / events
  const log = new WorkerLog({ dir, stamp, cache: { dir, key: 'bench' } })
  const openMs = await timedAsync(() => log.open())
  const readMs = await timedAsync(() => readThrough(log))
  const figures: Figure[] = [
    {
      name: 'bytes of an event',
      value: body,
      unit: 'B',
      starts: 'first',
      stops: "1,000th event's body",
      bar: atMost(body, 500, '≤ 500 on average'),
    },
    {
      name: 'bytes an event in the file',
      value: bytes,
      unit: 'B',
      starts: 'first',
      stops: 'last event of a segment',
    },
    {
      name: `open a segment of ${events} events`,
      value: openMs,
      unit: 'ms',
      ...clock,
      note: 'thread started, tail checked',
    },
    {
      name: 'read and JSON.parse a full segment',
      value: (events / readMs) * 1000,
      unit: 'events/s',
      ...clock,
      note: `${readMs.toFixed(0)} ms`,
      bar: atMost((readMs / events) * 250_000, 8000, '250,000 in ≤ 8 s'),
    },
    await verification(log, events),
    ...(await questions(log)),
    await cache(log),
  ]
  const sealMs = await timedAsync(() => log.seal(baselines(1000)))
  figures.push({
    name: 'seal with 1,000 baselines',
    value: sealMs,
    unit: 'ms',
    ...clock,
    note: 'builds 3 indexes; appends wait',
  })
  await log.close()
  return figures
}

/** The whole check, with one client appending all the while. */
async function verification(log: LogStore, events: number): Promise<Figure> {
  let isOver = false
  const waits: number[] = []
  const started = performance.now()
  const verified = log.verify({ full: true }).then(() => {
    isOver = true
    return performance.now() - started
  })
  while (!isOver) waits.push(await timedAsync(() => log.append({ events: command('during'), expected: {} })))
  const ms = await verified
  const note = `${ms.toFixed(0)} ms; appends meanwhile p50 ${percentile(waits, 50).toFixed(1)}, max ${Math.max(...waits).toFixed(1)} ms`
  return {
    name: 'verify chain, copies and indexes',
    value: (events / ms) * 1000,
    unit: 'events/s',
    ...clock,
    note,
  }
}

async function questions(log: LogStore): Promise<Figure[]> {
  const ask = (name: string, query: Omit<Parameters<LogStore['query']>[0], 'limit'>) =>
    timedAsync(async () => {
      for (let from: number | null = 1; from !== null; )
        from = (await log.query({ ...query, from, limit: 1000 })).next
    }).then((value): Figure => ({ name, value, unit: 'ms', ...clock }))
  return [
    await ask('history of one container of 1,000', { stream: ctOf(7) }),
    await ask('query by type over an open segment, none found', { types: ['TrashDestroyed'] }),
  ]
}

async function cache(log: WorkerLog): Promise<Figure> {
  const state = JSON.stringify({ text: 'x'.repeat(2000) })
  const states = Array.from({ length: 1000 }, (_, i) => ({ stream: ctOf(i), ver: 1, state }))
  const { seq } = log.head()
  await log.saveStates({ seq, base: null, states })
  const value = await timedAsync(() => log.loadStates(seq))
  return { name: 'load 1,000 states of 2 KB from cache.db', value, unit: 'ms', ...clock }
}

const dirOf = (name: string): string => mkdtempSync(join(base, `${name}-`))

try {
  const figures = [...(await commits()), ...(await groups()), ...(await segment())]
  if (!report('event log', figures)) process.exitCode = 1
} finally {
  rmSync(base, { recursive: true, force: true })
}
