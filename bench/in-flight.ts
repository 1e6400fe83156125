/**
 * A hundred operations that were under way when osctld died: how long after the next one's start each of them is
 * classified, which is recorded as the first event of its intent. The real process and the real log on this disk, the
 * simulated host. `node bench/in-flight.ts`; needs `npm run build`.
 */
import type { Journal } from '../src/daemon/journal.ts'
import type { EventData } from '../src/events/types/events.ts'
import { atMost, type Figure, percentile, report } from './lib.ts'
import { type Client, Osctld } from './osctld.ts'
import { begun, opened } from './population.ts'

const OPERATIONS = 100
const ROUNDS = process.env['BENCH_QUICK'] === undefined ? 10 : 2
const LIMIT_MS = 1000
const ctids = Array.from({ length: OPERATIONS }, (_, n) => `ct${n}`)
/** What recovery says of an intent that it found open. */
const VERDICTS = ['EffectResumed', 'EffectSucceeded', 'EffectFailed', 'EffectInDoubt'] as const

const now = (): number => Number(process.hrtime.bigint() / 1000n)

type Times = { classified: number; ready: number }
type Round = { readonly begun: number; readonly head: number }

/** µs from the spawn of osctld to the last of the first verdicts, and to the pool being ready. */
async function times(journal: Journal, round: Round): Promise<Times> {
  const query = { from: round.head + 1, types: [...VERDICTS, 'PoolReady'] as const, limit: 100_000 }
  const { events } = await journal.store.query(query)
  const first = new Map<string, number>()
  let ready = 0
  for (const { type, data, m } of events) {
    if (type === 'PoolReady') ready ||= m - round.begun
    else {
      const { intent } = data as EventData<'EffectSucceeded'>
      if (intent.endsWith('.1') && !first.has(intent)) first.set(intent, m - round.begun)
    }
  }
  return { classified: first.size === 0 ? 0 : Math.max(...first.values()), ready }
}

/** Once what is under way is over and the pool says that it is ready: it is called active before that, too. */
async function settled(client: Client, { head }: Round): Promise<void> {
  const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 50))
  const ready = { types: ['PoolReady'], from: `tank:${head + 1}` }
  while (((await client.call('event.list', ready)) as unknown[]).length === 0) await pause()
  while (((await client.call('op.list', {})) as unknown[]).length > 0) await pause()
}

/** A start after a death, with these operations in flight. */
async function round(osctld: Osctld, command: 'ct start' | 'ct stop' | null): Promise<Times> {
  const before = await opened(osctld.log)
  if (command !== null) await begun(before, command, ctids)
  const { seq: head } = before.head()
  await before.close()
  const at = { head, begun: now() }
  await osctld.start()
  const client = osctld.client()
  await settled(client, at)
  const rows = (await client.call('ct.list', {})) as { state: string }[]
  client.close()
  const wanted = { 'ct start': 'running', 'ct stop': 'stopped' }
  if (command !== null && !rows.every(({ state }) => state === wanted[command]))
    throw new Error(`not all are ${wanted[command]}`)
  await osctld.end('SIGKILL')
  const after = await opened(osctld.log)
  const found = await times(after, at)
  await after.close()
  return found
}

async function main(): Promise<boolean> {
  using osctld = new Osctld()
  await osctld.install()
  await osctld.start()
  const client = osctld.client()
  const created = ctids.map((id) => client.call('ct.new', { id, distribution: 'busybox' }))
  await Promise.all(created)
  client.close()
  await osctld.end('SIGKILL')
  const [classified, ready, floor]: [number[], number[], number[]] = [[], [], []]
  for (let n = 0; n < ROUNDS; n++) {
    const found = await round(osctld, n % 2 === 0 ? 'ct start' : 'ct stop')
    classified.push(found.classified / 1000)
    ready.push(found.ready / 1000)
    floor.push((await round(osctld, null)).ready / 1000)
  }
  const clock = { starts: 'osctld is spawned' }
  const beside = { name: 'the pool is ready, nothing in flight, ms', value: percentile(floor, 50) }
  const worst = Math.max(...classified)
  const figures: Figure[] = [
    {
      name: `${OPERATIONS} operations in flight, classified, the worst of ${ROUNDS}`,
      value: worst,
      unit: 'ms',
      ...clock,
      stops: 'the log has a verdict on each',
      floor: beside,
      bar: atMost(worst, LIMIT_MS, `≤ ${LIMIT_MS} ms`),
    },
    {
      name: 'the pool is ready, p50',
      value: percentile(ready, 50),
      unit: 'ms',
      ...clock,
      stops: 'PoolReady is in the log',
      floor: beside,
    },
  ]
  return report('Operations in flight', figures)
}

process.exitCode = (await main()) ? 0 : 1
