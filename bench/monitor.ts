/**
 * How long after its commit an event is with whoever follows the log: `node bench/monitor.ts`. The real daemon, log and
 * socket in this thread; in another, clients that make 5,000 events a second, and a subscriber. A second subscriber
 * reads nothing at all meanwhile. BENCH_DIR says on which file system; BENCH_QUICK makes it a tenth.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { realClock } from '../src/daemon/adapters/clock.ts'
import { ulids } from '../src/daemon/adapters/ids.ts'
import { logPorts } from '../src/daemon/adapters/logs.ts'
import { Daemon } from '../src/daemon/daemon.ts'
import { handlers } from '../src/daemon/handlers/index.ts'
import { rehearsalOf } from '../src/effects/linux/rehearsal/index.ts'
import { simulatedHost } from '../src/effects/simulated/host.ts'
import { createSandbox } from '../src/effects/simulated/sandbox.ts'
import { effects } from '../src/effects/table.ts'
import { serve } from '../src/rpc/server.ts'
import { atLeast, atMost, type Figure, percentile, report } from './lib.ts'

const QUICK = process.env['BENCH_QUICK'] !== undefined
const SECONDS = QUICK ? 2 : 20
const CONTAINERS = 20
const EVENTS_A_SECOND = 5000
/** A setting is three events: the command, the change, the end. */
const EVENTS_A_COMMAND = 3
const TICK_MS = 5
const CAPACITY = 1_000_000

/** When each event was committed, by seq, in ms of the process. */
type Shared = { readonly socket: string; readonly committed: SharedArrayBuffer }
type Measured = { lags: number[]; pings: number[]; events: number; gaps: number; seconds: number }

const now = (): number => Number(process.hrtime.bigint()) / 1e6

class Client {
  readonly socket: Socket
  readonly #waiting = new Map<number, (value: unknown) => void>()
  #n = 0

  constructor(path: string, onEvent: (seq: number, at: number) => void = () => {}) {
    this.socket = connect(path)
    createInterface({ input: this.socket }).on('line', (line) => {
      const at = now()
      const { id, method, params, result, error } = JSON.parse(line) as {
        id?: number
        method?: string
        params?: { event?: { seq: number } }
        result?: unknown
        error?: { message: string }
      }
      if (method === 'event') onEvent(params?.event?.seq ?? 0, at)
      if (error) throw new Error(error.message)
      if (id === undefined) return
      this.#waiting.get(id)?.(result)
      this.#waiting.delete(id)
    })
  }

  call(method: string, params: object): Promise<unknown> {
    const id = ++this.#n
    this.socket.write(`${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`)
    return new Promise((resolve) => this.#waiting.set(id, resolve))
  }
}

async function measure({ socket, committed }: Shared): Promise<Measured> {
  const times = new Float64Array(committed)
  const measured: Measured = { lags: [], pings: [], events: 0, gaps: 0, seconds: 0 }
  let last = 0
  const subscriber = new Client(socket, (seq, at) => {
    if (last !== 0 && seq !== last + 1) measured.gaps += 1
    last = seq
    measured.events += 1
    measured.lags.push(at - (times[seq] ?? 0))
  })
  await subscriber.call('event.subscribe', {})
  const deaf = new Client(socket)
  await deaf.call('event.subscribe', {})
  deaf.socket.pause()
  const [sender, pinger] = [new Client(socket), new Client(socket)]
  const began = now()
  const end = began + SECONDS * 1000
  let [sent, n] = [0, 0]
  const pinging = (async () => {
    for (; now() < end; ) {
      const start = now()
      await pinger.call('ping', {})
      measured.pings.push(now() - start)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  })()
  const commands: Promise<unknown>[] = []
  while (now() < end) {
    const due = ((now() - began) / 1000) * (EVENTS_A_SECOND / EVENTS_A_COMMAND)
    for (; sent < due; sent++) {
      const set = { attrs: { 'my.org:n': String(n++) } }
      commands.push(sender.call('ct.set', { id: `ct${n % CONTAINERS}`, set }))
    }
    await new Promise((resolve) => setTimeout(resolve, TICK_MS))
  }
  await Promise.all([...commands, pinging])
  measured.seconds = (now() - began) / 1000
  await new Promise((resolve) => setTimeout(resolve, 200))
  return measured
}

async function startDaemon(
  dir: string,
  committed: SharedArrayBuffer,
): Promise<{ socket: string; stop(): Promise<void> }> {
  const quiet = {
    info: () => {},
    warn: () => {},
    error: (data: object, text: string) => process.stderr.write(`${text} ${JSON.stringify(data)}\n`),
  }
  // In memory: the sandbox's own, which saves itself at each change, would measure that.
  const host = simulatedHost(createSandbox({ now: realClock.wall }), {
    now: realClock.wall,
    sleep: realClock.sleep,
    random: Math.random,
  })
  const logs = logPorts({
    clock: realClock,
    directory: (dataset, kind) => Promise.resolve(join(dir, dataset, kind)),
    host: join(dir, 'host-events'),
    version: 'bench',
    mountpoint: false,
  })
  const daemon = new Daemon({
    effects,
    clock: realClock,
    ids: ulids(),
    logger: quiet,
    version: 'bench',
    host,
    rehearse: (stage) => rehearsalOf(host, stage),
    ...logs,
    publishNames: () => {},
  })
  await daemon.start()
  const socket = join(dir, 's')
  const server = await serve({
    path: socket,
    handlers: handlers(daemon, process.pid),
    version: 'bench',
    simulated: true,
    allowUid: process.getuid?.() ?? 0,
    log: quiet,
  })
  const client = new Client(socket)
  await client.call('pool.install', { name: 'tank' })
  await Promise.all(
    Array.from({ length: CONTAINERS }, (_, i) =>
      client.call('ct.new', { id: `ct${i}`, distribution: 'busybox' }),
    ),
  )
  client.socket.destroy()
  const times = new Float64Array(committed)
  daemon.pools.get('tank')?.journal.listen(({ stored }) => {
    const at = now()
    for (const { seq } of stored) times[seq] = at
  })
  return {
    socket,
    stop: async () => {
      server.destroy()
      await server.close('over')
      await daemon.stop()
    },
  }
}

function figures({ lags, pings, events, gaps, seconds }: Measured): Figure[] {
  const p99 = percentile(lags, 99)
  const clock = {
    starts: "the daemon hears of the event's commit",
    stops: 'the subscriber, in another thread, has its line',
  }
  return [
    {
      name: 'lag from commit to subscriber, p99',
      value: p99,
      unit: 'ms',
      floor: { name: 'ping p50, ms', value: percentile(pings, 50) },
      ...clock,
      bar: atMost(p99, 5, '≤ 5 ms'),
      note: `p50 ${percentile(lags, 50).toFixed(2)}, max ${Math.max(...lags.slice(-100_000)).toFixed(1)} ms; ping p99 ${percentile(pings, 99).toFixed(2)} ms; two clients send, one reads nothing`,
    },
    {
      name: 'events a second meanwhile',
      value: events / seconds,
      unit: '/s',
      ...clock,
      bar: atLeast(events / seconds, EVENTS_A_SECOND * 0.98, '≥ 5,000/s, less 2 %'),
    },
    { name: 'gaps', value: gaps, unit: '', ...clock, bar: atMost(gaps, 0, 'none') },
  ]
}

async function main(): Promise<void> {
  const dir = mkdtempSync(join(process.env['BENCH_DIR'] ?? tmpdir(), 'osctl-bench-'))
  try {
    const committed = new SharedArrayBuffer(CAPACITY * Float64Array.BYTES_PER_ELEMENT)
    const { socket, stop } = await startDaemon(dir, committed)
    const shared: Shared = { socket, committed }
    const worker = new Worker(new URL(import.meta.url), { workerData: shared })
    const measured = await new Promise<Measured>((resolve, reject) => {
      worker.once('message', resolve)
      worker.once('error', reject)
    })
    await stop()
    if (!report('following the log', figures(measured))) process.exitCode = 1
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

if (isMainThread) await main()
else {
  parentPort?.postMessage(await measure(workerData as Shared))
  process.exit(0)
}
