/**
 * Questions to a long log, as the daemon asks them: `node bench/history.ts`. A million events in 1,000 containers, in
 * segments of 250,000, the last one open. BENCH_DIR says on which file system; BENCH_QUICK makes it a tenth.
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ask } from '../src/audit/ask.ts'
import { type HistoryFilter, history } from '../src/audit/history.ts'
import { eventRows } from '../src/audit/read.ts'
import { subjects } from '../src/audit/subjects.ts'
import type { PoolView } from '../src/audit/view.ts'
import { WorkerLog } from '../src/events/log/client.ts'
import type { EventQuery } from '../src/events/log/store.ts'
import { ctStream } from '../src/events/types/ids.ts'
import { Fold } from '../src/machines/fold.ts'
import { atMost, type Figure, percentile, report, timedAsync } from './lib.ts'
import { stamp } from './log-events.ts'
import { CONTAINERS, END, earlierOf, LongLog, nameOf } from './long-log.ts'

const QUICK = process.env['BENCH_QUICK'] !== undefined
const EVENTS = QUICK ? 100_000 : 1_000_000
const SEGMENT = EVENTS / 4
const ROUNDS = 5
const BAR_MS = 200
const HOUR_MS = 3_600_000
const dir = mkdtempSync(join(process.env['BENCH_DIR'] ?? tmpdir(), 'osctl-bench-'))

async function viewOf(log: WorkerLog): Promise<PoolView> {
  const fold = new Fold()
  const gone = new Set(Array.from({ length: 100 }, (_, i) => earlierOf(i)))
  const creations = {
    types: ['CommandAccepted', 'CtCreateRequested'],
    to: 3 * CONTAINERS,
    limit: 10_000,
  } as const
  for (const event of await ask(log, creations)) if (!gone.has(event.stream)) fold.apply(event)
  const named = [...fold.states.all()].filter((ct) => ct.context.identity !== null).length
  if (named !== CONTAINERS) throw new Error(`${named} containers have a name`)
  return {
    name: 'tank',
    guid: null,
    dataset: 'tank',
    directory: '/tank',
    bootId: 'b',
    states: fold.states,
    quarantined: fold.quarantined,
  }
}

/** A question, by the command that asks it. */
type Question = { readonly name: string; readonly ask: () => Promise<number> }

function questions(pool: PoolView, log: WorkerLog, op: string): Question[] {
  const rows = async (filter: Partial<HistoryFilter>): Promise<number> =>
    (await history(pool, log, { limit: 1000, ...filter })).length
  const of = async (
    wanted: Parameters<typeof subjects>[2],
    filter: Partial<HistoryFilter> = {},
  ): Promise<number> => {
    const named = await subjects(pool, log, wanted)
    return await rows({ ...filter, streams: named.map(({ stream }) => ctStream(stream)) })
  }
  const events = async (query: Omit<EventQuery, 'limit'>): Promise<number> =>
    (await eventRows(pool, log, await ask(log, { ...query, limit: 1000 }))).length
  const middle = END - 400 * 24 * HOUR_MS
  return [
    { name: 'history', ask: () => rows({}) },
    { name: 'history --ct of 1,000', ask: () => of({ ct: nameOf(777) }) },
    { name: 'history --ct that was two', ask: () => of({ ct: nameOf(7) }) },
    { name: 'history --ct ULID of one that is gone', ask: () => of({ ct: earlierOf(8).slice(3) }) },
    { name: 'history --user', ask: () => of({ user: nameOf(5) }) },
    { name: 'history --actor of many', ask: () => rows({ actors: ['carol'] }) },
    { name: 'history --actor of few commands', ask: () => rows({ actors: ['4711'] }) },
    { name: 'history --actor who never was', ask: () => rows({ actors: ['mallory'] }) },
    { name: 'history --failed', ask: () => rows({ failed: true }) },
    { name: 'history --failed --actor', ask: () => rows({ failed: true, actors: ['carol'] }) },
    { name: 'history --failed --ct', ask: () => of({ ct: nameOf(777) }, { failed: true }) },
    {
      name: 'history --since of an hour, long ago',
      ask: () => rows({ since: middle, until: middle + HOUR_MS }),
    },
    { name: 'history --until long ago', ask: () => rows({ until: middle }) },
    { name: 'history --since an hour ago', ask: () => rows({ since: END - HOUR_MS }) },
    { name: 'history --actor --until long ago', ask: () => rows({ actors: ['carol'], until: middle }) },
    { name: 'history --op', ask: () => rows({ op }) },
    { name: 'event ls --type of few', ask: () => events({ types: ['SessionOpened'], reverse: true }) },
    {
      name: 'event ls --type --until',
      ask: () => events({ types: ['CtExited'], until: middle, reverse: true }),
    },
    { name: 'event ls --failed', ask: () => events({ failed: true, reverse: true }) },
  ]
}

async function figureOf({ name, ask: once }: Question): Promise<Figure> {
  let found = 0
  const times: number[] = []
  for (let i = 0; i < ROUNDS; i++)
    times.push(
      await timedAsync(async () => {
        found = await once()
      }),
    )
  return {
    name,
    value: Math.max(...times),
    unit: 'ms',
    starts: 'the question in the daemon',
    stops: 'its rows there; the slowest of five, the first one included',
    bar: atMost(Math.max(...times), BAR_MS, '≤ 200 ms'),
    note: `${found} rows, p50 ${percentile(times, 50).toFixed(1)} ms`,
  }
}

/** Until the columns of the open segment are read. */
async function untilAtRest(log: WorkerLog): Promise<number> {
  const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
  const ask = (): Promise<number> =>
    timedAsync(() => log.query({ types: ['TrashDestroyed'], from: EVENTS - SEGMENT / 2, limit: 1 }))
  return await timedAsync(async () => {
    while ((await ask()) > 5) await wait(50)
  })
}

try {
  const { bodies } = await new LongLog(EVENTS).write(dir, SEGMENT)
  const files = readdirSync(dir).reduce((sum, name) => sum + statSync(join(dir, name)).size, 0)
  const log = new WorkerLog({ dir, stamp })
  await log.open()
  const columnsMs = await untilAtRest(log)
  const pool = await viewOf(log)
  const [some] = await ask(log, { types: ['CommandAccepted'], from: EVENTS / 2, limit: 1 })
  const figures: Figure[] = [
    {
      name: 'bytes of an event',
      value: bodies / EVENTS,
      unit: 'B',
      starts: 'first',
      stops: 'last event, its body; baselines of segments not counted',
      bar: atMost(bodies / EVENTS, 500, '≤ 500 on average'),
    },
    {
      name: 'bytes an event in the files',
      value: files / EVENTS,
      unit: 'B',
      starts: 'first',
      stops: 'last segment, with its indexes',
    },
    {
      name: 'columns of the open segment, after opening',
      value: columnsMs,
      unit: 'ms',
      starts: 'the log is open',
      stops: 'a question that finds nothing takes ≤ 5 ms; polled every 50 ms',
    },
  ]
  for (const question of questions(pool, log, some?.op ?? '')) figures.push(await figureOf(question))
  await log.close()
  if (!report(`history of ${EVENTS.toLocaleString('en')} events`, figures)) process.exitCode = 1
} finally {
  rmSync(dir, { recursive: true, force: true })
}
