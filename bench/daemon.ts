/**
 * The daemon as its clients see it: the real process and the real log on this disk, the simulated host.
 * `node bench/daemon.ts`; needs `npm run build`. BENCH_QUICK makes everything a tenth.
 */
import { spawnSync } from 'node:child_process'
import { closeSync, existsSync, fdatasyncSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { atLeast, atMost, type Figure, interleave, percentile, report, timed } from './lib.ts'
import { type Client, Osctld } from './osctld.ts'
import { populate } from './population.ts'

const TOP = join(import.meta.dirname, '..')
const QUICK = process.env['BENCH_QUICK'] !== undefined
const CONTAINERS = 1000
const EVENTS = QUICK ? 25_000 : 249_000
const osctl = join(TOP, 'dist', 'osctl.cjs')

const osctld = new Osctld()
const { base, socketPath } = osctld

const setAttr = (client: Client, n: number) =>
  client.call('ct.set', {
    id: `ct${n % CONTAINERS}`,
    set: { attrs: { 'my.org:bench': `${n} ${performance.now()}` } },
  })

async function latency(client: Client): Promise<Figure> {
  const fd = openSync(join(base, 'raw'), 'w')
  const block = Buffer.alloc(4096, 1)
  writeSync(fd, block, 0, 4096, 0)
  const sync = (): number =>
    timed(() => {
      writeSync(fd, block, 0, 4096, 0)
      fdatasyncSync(fd)
    })
  let n = 0
  const command = async (): Promise<number> => {
    const began = performance.now()
    await setAttr(client, n++)
    return performance.now() - began
  }
  const rounds = QUICK ? 200 : 2000
  const samples = await interleave(
    [
      { name: 'fdatasync', run: sync },
      { name: 'command', run: command },
    ],
    { rounds, warmUp: 50 },
  )
  closeSync(fd)
  const floor = percentile(samples.get('fdatasync')?.ms ?? [], 50)
  const value = percentile(samples.get('command')?.ms ?? [], 50)
  return {
    name: 'socket to reply, one client, p50',
    value,
    unit: 'ms',
    starts: 'the request is written to the socket',
    stops: 'the reply was parsed; the command is durable',
    floor: { name: 'fdatasync p50, ms', value: floor },
    bar: atMost(value, floor + 0.4, '≤ fdatasync + 0.4 ms'),
  }
}

async function rate(clients: number, seconds: number): Promise<number> {
  const connections = Array.from({ length: clients }, () => osctld.client())
  const until = performance.now() + seconds * 1000
  const began = performance.now()
  let done = 0
  await Promise.all(
    connections.map(async (client, c) => {
      for (let n = c; performance.now() < until; n += clients) {
        await setAttr(client, n)
        done++
      }
    }),
  )
  for (const client of connections) client.close()
  return done / ((performance.now() - began) / 1000)
}

async function throughput(): Promise<Figure[]> {
  const seconds = QUICK ? 2 : 5
  const one = await rate(1, seconds)
  const many = await rate(64, seconds)
  const clock = { starts: 'all clients send', stops: 'the last reply; each command durable before its reply' }
  return [
    { name: '64 clients', value: many, unit: 'commands/s', ...clock, bar: atLeast(many, 5000, '≥ 5,000/s') },
    {
      name: '64 clients against one',
      value: many,
      unit: 'commands/s',
      ...clock,
      floor: { name: 'one client, commands/s', value: one },
      bar: atLeast(many / one, 4, '≥ 4 × one client'),
    },
  ]
}

async function listing(client: Client): Promise<Figure> {
  const floor: number[] = []
  const ls: number[] = []
  for (let i = 0; i < 60; i++) {
    let began = performance.now()
    await client.call('ping', {})
    floor.push(performance.now() - began)
    began = performance.now()
    await client.call('ct.list', {})
    ls.push(performance.now() - began)
  }
  const value = percentile(ls, 50)
  return {
    name: `ct ls of ${CONTAINERS} containers, p50`,
    value,
    unit: 'ms',
    starts: 'the request is written',
    stops: 'all rows were parsed by the client',
    floor: { name: 'ping, ms', value: percentile(floor, 50) },
    bar: atMost(value, 10, '≤ 10 ms in the daemon, no fork'),
    note: 'the bar is on the daemon alone; this includes the socket and the client, so passing here passes there',
  }
}

/** Resident memory of the daemon, MiB. */
function resident(): number {
  const status = readFileSync(`/proc/${osctld.pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024
}

async function starts(): Promise<Figure[]> {
  await osctld.end('SIGTERM')
  osctld.forget()
  const replayed = await osctld.start()
  const client = osctld.client()
  // Enough commits for the states to be cached.
  for (let n = 0; n < 5500; n += 50)
    await Promise.all(Array.from({ length: 50 }, (_, i) => setAttr(client, n + i)))
  await new Promise((resolve) => setTimeout(resolve, 1000))
  client.close()
  await osctld.end('SIGTERM')
  const cached = await osctld.start()
  await new Promise((resolve) => setTimeout(resolve, 3000))
  const memory = resident()
  const clock = { starts: 'the process is spawned', stops: 'the pool takes commands' }
  return [
    {
      name: `start by replay of ${EVENTS} events`,
      value: replayed / 1000,
      unit: 's',
      ...clock,
      bar: atMost(replayed, 8000, '≤ 8 s'),
    },
    {
      name: `start from snapshots, ${CONTAINERS} containers`,
      value: cached / 1000,
      unit: 's',
      ...clock,
      bar: atMost(cached, 1000, '≤ 1 s'),
    },
    {
      name: 'resident after a start from snapshots',
      value: memory,
      unit: 'MiB',
      starts: '-',
      stops: '3 s after the start',
      bar: atMost(memory, 128, '≤ 128 MiB'),
    },
  ]
}

async function commandLine(): Promise<Figure[]> {
  const env = { ...process.env, OSCTL_SOCKET: socketPath }
  const runner = (name: string, ...argv: string[]) => ({
    name,
    run: () =>
      timed(() => {
        const { status, stderr } = spawnSync(process.execPath, argv, {
          env,
          stdio: ['ignore', 'ignore', 'pipe'],
        })
        if (status !== 0) throw new Error(`${name}: ${stderr}`)
      }),
  })
  const subjects = [
    runner('node', '-e', '0'),
    runner('ping', osctl, 'ping'),
    runner('ct ls', osctl, 'ct', 'ls', '-o', 'id,state'),
  ]
  const samples = await interleave(subjects, { rounds: QUICK ? 10 : 30, warmUp: 3 })
  const p50 = (name: string): number => percentile(samples.get(name)?.ms ?? [], 50)
  return ['ping', 'ct ls'].map((name) => ({
    name: `osctl ${name}, p50`,
    value: p50(name),
    unit: 'ms',
    starts: 'the process is spawned',
    stops: 'it has exited',
    floor: { name: 'node -e 0, ms', value: p50('node') },
    bar: atMost(p50(name), 2 * p50('node'), '≤ 2 × node -e 0'),
  }))
}

async function main(): Promise<boolean> {
  await osctld.install()
  await populate(osctld.log, CONTAINERS, EVENTS)
  osctld.forget()
  await osctld.start()
  const client = osctld.client()
  const figures = [await latency(client), ...(await throughput()), await listing(client)]
  if (existsSync(osctl)) figures.push(...(await commandLine()))
  client.close()
  figures.push(...(await starts()))
  await osctld.end('SIGTERM')
  return report('The daemon', figures)
}

try {
  process.exitCode = (await main()) ? 0 : 1
} finally {
  osctld[Symbol.dispose]()
}
