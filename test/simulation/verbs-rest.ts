/**
 * The rest of what changes something: commands that end in the commit that begins them, and those that are asked of a
 * world which is not at rest, or with what only that world knows.
 */
import { NOTHING, type Plan } from './boundary.ts'
import { doubtsOf, openOf } from './operations.ts'
import { TAR, type Verb } from './verbs.ts'
import type { World } from './world.ts'

const created = async (world: World): Promise<void> => {
  await world.must('ct.new', { id: 'web', distribution: 'busybox' })
}
const running = async (world: World): Promise<void> => {
  await created(world)
  await world.must('ct.start', { id: 'web' })
}
const withRepository = async (world: World): Promise<void> => {
  await world.must('repo.add', { pool: 'tank', name: 'mine', url: '/usr/images' })
}
const withoutRepository = async (world: World): Promise<void> => {
  await withRepository(world)
  await world.must('repo.disable', { name: 'tank:mine' })
}
const witnessed = async (world: World): Promise<void> => {
  await world.must('witness.add', { pool: 'tank', name: 'far', target: 'ssh:root@node2' })
}
const FAR_HEAD = { pool: 'far', guid: '77', host: 'node2', seq: 5, hash: 'ab'.repeat(32), time: 1 }
const MINE = { name: 'tank:mine' }

/** They end in the commit that begins them. */
export const COMMITS: readonly Verb[] = [
  { name: 'pool set', method: 'pool.set', params: { name: 'tank', set: { parallelStart: 3 } } },
  {
    name: 'witness add',
    method: 'witness.add',
    params: { name: 'far', target: 'ssh:root@node2' },
    // Its first head is sent when that was anchored.
    lingerMs: 70_000,
  },
  { name: 'witness del', method: 'witness.delete', params: { name: 'tank:far' }, prepare: witnessed },
  { name: 'witness keep', method: 'witness.keep', params: FAR_HEAD },
  { name: 'repo del', method: 'repo.delete', params: MINE, prepare: withRepository },
  { name: 'repo disable', method: 'repo.disable', params: MINE, prepare: withRepository },
  { name: 'repo enable', method: 'repo.enable', params: MINE, prepare: withoutRepository },
  { name: 'ct exec', method: 'ct.exec', params: { id: 'web', program: 'true' }, prepare: running },
  { name: 'ct attach', method: 'ct.attach', params: { id: 'web' }, prepare: running },
]

const exported = async (world: World): Promise<void> => {
  await world.must('pool.export', { name: 'tank', force: true })
}

const carried = async (world: World): Promise<void> => {
  world.carryDisks()
  await world.boot()
}

let session = ''
const attached = async (world: World): Promise<void> => {
  const { result } = await world.must('ct.attach', { id: 'web' })
  session = (result as { session: string }).session
}

const DAY_MS = 24 * 3_600_000
const sealed = async (world: World): Promise<void> => {
  const pool = world.daemon.pools.get('tank')
  if (pool) await world.until(pool.upkeep.seal())
  await world.pass(DAY_MS + 3_600_000)
  await world.must('ct.new', { id: 'web', distribution: 'busybox' })
}

const doubt = (world: World): { op: string } => ({
  op: [...world.daemon.pools.values()].flatMap(doubtsOf)[0] ?? '',
})

const waiting = async (world: World): Promise<void> => {
  await created(world)
  await world.must('ct.set', { id: 'web', set: { autostart: { priority: 1, delay: 0 } } })
}
const triggered = async (world: World): Promise<void> => {
  await world.must('pool.autostart-trigger', { name: 'tank' })
}

/** Neither the unpacking nor its undoing works. */
const cannotUndo: Plan = ({ what, phase }) =>
  phase === 'before' && ['images.unpack', 'zfs.destroy'].includes(what)
    ? { do: 'error', code: 'E_FAILED', failure: 'permanent' }
    : NOTHING
const importing = async (world: World): Promise<void> => {
  world.plan = cannotUndo
  await world.call('ct.import', { file: TAR, id: 'web' })
}

/** What the daemon that died left at work cannot be stopped. */
const cannotFence: Plan = ({ what, phase }) =>
  phase === 'before' && what === 'host.fence'
    ? { do: 'error', code: 'E_TIMEOUT', failure: 'transient' }
    : NOTHING
const starting = async (world: World): Promise<void> => {
  await created(world)
  world.plan = ({ what, phase }) => (what === 'lxc.start' && phase === 'before' ? { do: 'kill' } : NOTHING)
  await world.call('ct.start', { id: 'web' })
}

/** A download that hangs. */
const fetching = async (world: World): Promise<void> => {
  world.plan = ({ what, phase }) => (what === 'images.fetch' && phase === 'before' ? { do: 'hang' } : NOTHING)
  world.send('ct.new', { id: 'web', distribution: 'debian' })
  await world.pass(1000)
  world.plan = () => NOTHING
}

/** They are asked of a world that is not at rest, or not as it is when a daemon has started. */
export const UNRESTFUL: readonly Verb[] = [
  {
    name: 'pool import',
    method: 'pool.import',
    params: { name: 'tank' },
    begin: exported,
    // Each autostart that follows is an operation of its own.
    endsWell: ({ pools }) => 'tank' in pools,
  },
  {
    name: 'pool import --force of a pool of another host',
    method: 'pool.import',
    params: { name: 'tank', force: true },
    begin: carried,
    endsWell: ({ pools }) => 'tank' in pools,
  },
  {
    name: 'pool uninstall',
    method: 'pool.uninstall',
    params: { name: 'tank' },
    begin: exported,
    closes: true,
  },
  { name: 'shutdown', method: 'shutdown', params: {}, closes: true, several: true },
  {
    name: 'the end of a ct attach',
    method: 'ct.session-ended',
    params: { session: '01KE0000000000000000000000', status: 0 },
    prepare: running,
    begin: attached,
    ask: () => ({ session }),
  },
  {
    name: 'pool autostart cancel',
    stops: true,
    method: 'pool.autostart-cancel',
    params: { name: 'tank' },
    prepare: waiting,
    begin: triggered,
    // Where the request was not recorded, the plan is gone on with.
    endsWell: ({ pools }) => pools['tank']?.containers['web']?.life === 'running',
  },
  { name: 'event prune', method: 'event.prune', params: { pool: 'tank', upTo: 1 }, prepare: sealed },
  {
    name: 'op retry of an undo',
    method: 'op.retry',
    params: { op: '' },
    prepare: importing,
    weather: cannotUndo,
    ask: doubt,
  },
  {
    name: 'op retry',
    method: 'op.retry',
    params: { op: '' },
    prepare: starting,
    weather: cannotFence,
    ask: doubt,
    // The start that is tried again may fail.
    endsWell: ({ pools }) => pools['tank']?.containers['web']?.life === 'stopped',
  },
  {
    name: 'op resolve --as failed',
    method: 'op.resolve',
    params: { op: '', as: 'failed' },
    prepare: starting,
    weather: cannotFence,
    ask: doubt,
  },
  {
    name: 'op cancel',
    stops: true,
    method: 'op.cancel',
    params: { op: '' },
    begin: fetching,
    ask: (world) => ({ op: [...world.daemon.pools.values()].flatMap(openOf)[0] ?? '' }),
    // A request that was not recorded when the daemon died is not known to the next one: then it is done.
    endsWell: ({ pools }) => pools['tank']?.containers['web']?.published === true,
  },
]
