/**
 * What runs inside the machine at each point: the pool is imported, everything is asked over one connection, and the
 * pool is let go. One process instead of a dozen of `osctl`, each of which takes a second under emulation.
 *
 * It judges nothing. The last line it prints is what it saw.
 */
import { execFileSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Client, connectTo, socketPath } from '../../../src/rpc/client.ts'
import { parseHead } from '../../../src/rpc/heads.ts'
import type { VerifyRow } from '../../../src/rpc/proof.ts'
import type { HealthRow, OpRow, ZfsChangeRow } from '../../../src/rpc/results.ts'

/** `head`: one that the log must hold. Where containers are started, `healthcheck` is asked before. */
export type Question = { readonly head: string; readonly startsContainers: boolean }

type Container = { id: string; state: string; autostart: boolean; configured: string }

export type Seen = {
  readonly verified: VerifyRow[]
  readonly operations: Pick<OpRow, 'command' | 'state' | 'problem'>[]
  readonly containers: Container[]
  /** Below `ct`, then below `staging`, each without its parent. */
  readonly datasets: string[]
  readonly staged: string[]
  /** What `healthcheck` found, where it was asked. */
  readonly problems: HealthRow[]
  /** Those that were started to see whether they can be, with the state that each was in then. */
  readonly started: Record<string, string>
  /** Whose each change of our datasets was, by what ZFS wrote down; asked last. */
  readonly changes: Pick<ZfsChangeRow, 'change' | 'of' | 'subject' | 'what'>[]
  /** How long each step took, ms: where the time of a point goes. */
  readonly took: Record<string, number>
}

const PART = '/dev/vdb1'
const REST_MS = 120_000

const sh = (file: string, ...argv: string[]): string => execFileSync(file, argv, { encoding: 'utf8' })
const isOver = ({ state }: { state: string }): boolean => state !== 'running' && state !== 'retrying'

async function containers(osctld: Client): Promise<Container[]> {
  const rows = await osctld.call('ct.list', {})
  return rows.map((row) => {
    const { id = '', state = '', hostname, autostart, attrs = {} } = row
    const columns = [id, hostname, autostart || null, attrs['my.org:colour']]
    const configured = columns.map((value) => value ?? '-').join(' ')
    return { id, state, autostart: Boolean(autostart), configured }
  })
}

/** Until no operation is under way, and each container with autostart runs. What takes too long is seen as it is. */
async function settle(osctld: Client): Promise<void> {
  for (const end = Date.now() + REST_MS; Date.now() < end; await sleep(100)) {
    if (!(await osctld.call('op.list', {})).every(isOver)) continue
    if ((await containers(osctld)).every(({ autostart, state }) => !autostart || state === 'running')) return
  }
}

const below = (dataset: string): string[] =>
  sh('zfs', 'list', '-H', '-o', 'name', '-r', '-d', '1', dataset)
    .split('\n')
    .slice(1)
    .flatMap((name) => (name === '' ? [] : name.slice(dataset.length + 1)))
    .sort()

/** A new one, and those that are stopped. */
async function startSome(osctld: Client, there: readonly Container[]): Promise<Record<string, string>> {
  await osctld.call('ct.new', { id: 'later', distribution: 'busybox' })
  const stopped = there.flatMap(({ id, state }) => (state === 'stopped' ? [id] : []))
  for (const id of ['later', ...stopped]) await osctld.call('ct.start', { id })
  const rows = await osctld.call('ct.list', {})
  return Object.fromEntries(rows.map(({ id = '', state = '' }) => [id, state]))
}

async function look({ head, startsContainers }: Question): Promise<Seen> {
  const took: Record<string, number> = {}
  const timed = async <T>(step: string, work: () => T | Promise<T>): Promise<T> => {
    const begin = performance.now()
    const result = await work()
    took[step] = Math.round(performance.now() - begin)
    return result
  }
  // The disk is another one since the last point.
  sh('blockdev', '--flushbufs', PART)
  await timed('zpool import', () => sh('zpool', 'import', '-f', '-o', 'cachefile=none', '-d', PART, 'tank'))
  const osctld = await connectTo(socketPath())
  let seen: Omit<Seen, 'took' | 'changes'>
  let changes: Seen['changes']
  try {
    await timed('pool import', () => osctld.call('pool.import', { name: 'tank' }))
    await timed('settle', () => settle(osctld))
    seen = await timed('ask', () => ask(osctld, head))
    if (startsContainers) {
      const problems = await timed('healthcheck', () => osctld.call('healthcheck', {}))
      const started = await timed('start', () => startSome(osctld, seen.containers))
      seen = { ...seen, problems, started }
    }
    changes = await timed('changes', () => changesOf(osctld))
  } finally {
    await timed('export', () => osctld.call('pool.export', { name: 'tank', force: true }))
    osctld.close()
    await timed('zpool export', () => sh('zpool', 'export', 'tank'))
  }
  return { ...seen, changes, took }
}

async function changesOf(osctld: Client): Promise<Seen['changes']> {
  const rows = await osctld.call('drift.changes', { all: true })
  return rows.map(({ change, of, subject, what }) => ({ change, of, subject, what }))
}

async function ask(osctld: Client, head: string): Promise<Omit<Seen, 'took' | 'changes'>> {
  const kept = parseHead(head)
  const verified = await osctld.call('event.verify', { full: true, against: kept ? [kept] : [] })
  const operations = (await osctld.call('op.list', { all: true })).map(({ command, state, problem }) => ({
    command,
    state,
    problem,
  }))
  return {
    verified,
    operations,
    containers: await containers(osctld),
    datasets: below('tank/ct'),
    staged: below('tank/staging'),
    problems: [],
    started: {},
  }
}

look(JSON.parse(process.argv[2] ?? '') as Question).then(
  (seen) => process.stdout.write(`${JSON.stringify(seen)}\n`),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.stack : error}\n`)
    process.exitCode = 1
  },
)
