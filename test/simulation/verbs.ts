/** The commands whose every boundary is crashed: how each world is prepared, and what is asked. */

import { archiveSchema } from '../../src/effects/simulated/state.ts'
import type { MethodInput, MethodName } from '../../src/rpc/methods.ts'
import type { Plan } from './boundary.ts'
import * as byHand from './by-hand.ts'
import { TWO } from './formats.ts'
import type { Summary } from './summary.ts'
import { World, type WorldCopy } from './world.ts'

export type Verb = {
  readonly name: string
  readonly method: MethodName
  readonly params: MethodInput<MethodName>
  /** More parameters, which only the world that is asked knows. */
  ask?(world: World): object
  /** From a pool with two running bystanders, of which one has autostart. */
  prepare?(world: World): Promise<void>
  /** Done anew in each run, right before the command: what no daemon's death would leave. */
  begin?(world: World): Promise<void>
  /** Faults of the host from the daemon's start to the command. */
  readonly weather?: Plan
  /** It is several operations, one a pool, and answers with none of them. */
  readonly several?: boolean
  /** Another end that is right, when the daemon or its host dies. */
  endsWell?(summary: Summary): boolean
  /** The world has no pool yet. */
  readonly bare?: boolean
  /** The command ends with its pool not imported. */
  readonly closes?: boolean
  /** The note in its plan on what it begins in the background. */
  readonly begins?: string
  /** What follows the command for so long belongs to it: the log's head is anchored a minute later. */
  readonly lingerMs?: number
  /** It stops what goes on: asked again, it is while that goes on still. */
  readonly stops?: boolean
}

export const tarImage = archiveSchema.parse({
  format: 'tar',
  bytes: 1_000_000,
  distribution: 'alpine',
  version: '3.20',
  arch: 'x86_64',
  rootfs: { 'sbin/init': 'ELF', 'etc/hostname': 'image\n', 'bin/sh': '-> busybox', 'etc/motd': 'hi\n' },
})
export const zfsImage = archiveSchema.parse({
  ...tarImage,
  format: 'zfs',
  datasets: { var: { 'log/messages': '' } },
  snapshots: ['osctl-base-1'],
})

export const TAR = '/usr/images/alpine.tar'
export const ZFS = '/usr/images/alpine-zfs.tar'

const created = async (world: World): Promise<void> => {
  await world.must('ct.new', { id: 'web', distribution: 'busybox' })
}
const running = async (world: World): Promise<void> => {
  await created(world)
  await world.must('ct.start', { id: 'web' })
}
const waiting = async (world: World): Promise<void> => {
  await created(world)
  await world.must('ct.set', { id: 'web', set: { autostart: { priority: 1, delay: 0 } } })
}
const stubborn = async (world: World): Promise<void> => {
  await running(world)
  const [web] = Object.values(world.machine.state.containers).filter(({ ctid }) => ctid === 'web')
  if (web) world.machine.setStubborn(web.id, true)
}
const frozen = async (world: World): Promise<void> => {
  await running(world)
  await world.must('ct.freeze', { id: 'web' })
}
/** What the newest change of a verb's preparation is called; it is prepared before it is asked. */
let change = ''
const changed = async (world: World): Promise<void> => {
  await running(world)
  const { result } = await world.must('ct.set', {
    id: 'web',
    set: { autostart: { priority: 3, delay: 0 }, hostname: 'www' },
  })
  change = (result as { position: string }).position
}
const trashed = async (world: World): Promise<void> => {
  for (const id of ['old1', 'old2']) {
    await world.must('ct.new', { id, distribution: 'busybox' })
    await world.must('ct.delete', { id })
  }
}

const BUSYBOX = { id: 'web', distribution: 'busybox' }

export const CREATIONS: readonly Verb[] = [
  { name: 'ct new, image not on the pool', method: 'ct.new', params: { id: 'web', distribution: 'debian' } },
  { name: 'ct new, image on the pool', method: 'ct.new', params: BUSYBOX },
  {
    name: 'ct new --skip-image',
    method: 'ct.new',
    params: { id: 'web', distribution: 'x', version: '1', skipImage: true },
  },
  { name: 'ct import of a tar image', method: 'ct.import', params: { file: TAR, id: 'web' } },
  { name: 'ct import of a zfs image', method: 'ct.import', params: { file: ZFS, id: 'web' } },
]

export const RUNS: readonly Verb[] = [
  { name: 'ct start', method: 'ct.start', params: { id: 'web' }, prepare: created },
  { name: 'ct stop', method: 'ct.stop', params: { id: 'web' }, prepare: running },
  {
    name: 'ct stop, init does not react',
    method: 'ct.stop',
    params: { id: 'web', timeoutSeconds: 5 },
    prepare: stubborn,
  },
  {
    name: 'ct stop --dont-kill',
    method: 'ct.stop',
    params: { id: 'web', mode: 'shutdown' },
    prepare: running,
  },
  { name: 'ct stop --kill', method: 'ct.stop', params: { id: 'web', mode: 'kill' }, prepare: running },
  { name: 'ct stop of a frozen one', method: 'ct.stop', params: { id: 'web' }, prepare: frozen },
  { name: 'ct restart', method: 'ct.restart', params: { id: 'web' }, prepare: running },
  { name: 'ct restart of a stopped one', method: 'ct.restart', params: { id: 'web' }, prepare: created },
  { name: 'ct freeze', method: 'ct.freeze', params: { id: 'web' }, prepare: running },
  {
    name: 'pool autostart trigger',
    method: 'pool.autostart-trigger',
    params: { name: 'tank' },
    prepare: waiting,
    begins: 'then start by themselves, at most 8 at a time: web',
    lingerMs: 2000,
  },
  { name: 'ct unfreeze', method: 'ct.unfreeze', params: { id: 'web' }, prepare: frozen },
]

export const DELETIONS: readonly Verb[] = [
  { name: 'ct del', method: 'ct.delete', params: { id: 'web' }, prepare: created },
  {
    name: 'ct del -f of a running one',
    method: 'ct.delete',
    params: { id: 'web', force: true },
    prepare: running,
  },
  {
    name: 'ct del -f of a frozen one',
    method: 'ct.delete',
    params: { id: 'web', force: true },
    prepare: frozen,
  },
]

const deleted = async (world: World): Promise<void> => {
  await created(world)
  await world.must('ct.set', { id: 'web', set: { hostname: 'www' } })
  await world.must('ct.delete', { id: 'web' })
}
const replaced = async (world: World): Promise<void> => {
  await deleted(world)
  await world.must('ct.new', { id: 'web', distribution: 'busybox' })
}

export const RESTORATIONS: readonly Verb[] = [
  { name: 'ct undelete', method: 'ct.undelete', params: { id: 'web' }, prepare: deleted },
  {
    name: 'ct undelete --as-id, its id block taken',
    method: 'ct.undelete',
    params: { id: 'web', asId: 'again' },
    prepare: replaced,
  },
]

const driftOf =
  (id: string, hand: (world: World) => void) =>
  async (world: World): Promise<void> => {
    await created(world)
    hand(world)
    await world.must('drift.scan', {})
    if (!JSON.stringify((await world.must('drift.list', {})).result).includes(id))
      throw new Error(`no drift ${id}`)
  }
const moved = driftOf('web/renamed', (world) => byHand.renamed(world, 'tank/ct/web', 'tank/ct/www'))
const limited = driftOf('web/quota', (world) => byHand.set(world, 'tank/ct/web', 'quota', '1000'))
const lost = driftOf('tank/hook/missing', (world) => byHand.destroyed(world, 'tank/hook'))

/** Noticed by the verb itself, or by whoever looks after it was interrupted. */
const unseen = async (world: World): Promise<void> => {
  await created(world)
  byHand.renamed(world, 'tank/ct/web', 'tank/ct/www')
}

export const DRIFTS: readonly Verb[] = [
  { name: 'drift adopt', method: 'drift.adopt', params: { id: 'web/renamed' }, prepare: moved },
  { name: 'drift repair of a name', method: 'drift.repair', params: { id: 'web/renamed' }, prepare: moved },
  {
    name: 'drift repair of a property',
    method: 'drift.repair',
    params: { id: 'web/quota' },
    prepare: limited,
  },
]

/** Without a plan of its own, and one whose plan cannot know what is missing. */
export const UNPLANNED_DRIFTS: readonly Verb[] = [
  { name: 'drift scan', method: 'drift.scan', params: {}, prepare: unseen },
  {
    name: 'drift repair of the layout',
    method: 'drift.repair',
    params: { id: 'tank/hook/missing' },
    prepare: lost,
  },
]

export const OTHERS: readonly Verb[] = [
  {
    name: 'ct set',
    method: 'ct.set',
    params: {
      id: 'web',
      set: { autostart: { priority: 3, delay: 0 }, hostname: 'www', attrs: { 'a:b': 'c' } },
    },
    prepare: running,
    lingerMs: 70_000,
  },
  {
    name: 'revert of ct set',
    method: 'revert',
    get params() {
      return { what: change }
    },
    prepare: changed,
  },
  { name: 'trash-bin prune', method: 'trash.prune', params: {}, prepare: trashed },
  { name: 'pool install', method: 'pool.install', params: { name: 'tank' }, bare: true },
  {
    name: 'pool install on a dataset',
    method: 'pool.install',
    params: { name: 'tank', dataset: 'tank/osctl' },
    bare: true,
  },
  { name: 'pool export -f', method: 'pool.export', params: { name: 'tank', force: true }, closes: true },
  { name: 'repo add', method: 'repo.add', params: { name: 'mine', url: '/usr/images' } },
  {
    name: 'pool upgrade',
    method: 'pool.upgrade',
    params: { name: 'tank' },
    // The next daemon is of the next release.
    prepare: async (world) => {
      world.formats = TWO
    },
  },
]

export const VERBS: readonly Verb[] = [
  ...CREATIONS,
  ...RUNS,
  ...DELETIONS,
  ...RESTORATIONS,
  ...DRIFTS,
  ...OTHERS,
]

/** A machine with its disks, before any daemon. */
function machineWithPool(verb: Verb): World {
  const world = new World({ seed: 1n })
  world.machine.addZpool('tank')
  world.machine.putFile(TAR, tarImage)
  world.machine.putFile(ZFS, zfsImage)
  if (verb.name === 'pool install on a dataset') addPlainDataset(world)
  return world
}

function addPlainDataset(world: World): void {
  const { state } = world.machine
  const root = state.datasets['tank']
  if (root) state.datasets['tank/osctl'] = { ...structuredClone(root), name: 'tank/osctl', guid: '77' }
}

/** The world that a verb's runs all begin with; its daemon is dead. */
export async function prepared(verb: Verb): Promise<WorldCopy> {
  const world = machineWithPool(verb)
  await world.boot()
  if (!verb.bare) {
    await world.must('pool.install', { name: 'tank' })
    for (const id of ['plain', 'auto']) {
      await world.must('ct.new', { id, distribution: 'busybox' })
      await world.must('ct.start', { id })
    }
    await world.must('ct.set', { id: 'auto', set: { autostart: { priority: 10, delay: 0 } } })
    await verb.prepare?.(world)
  }
  await world.settle()
  world.kill()
  return world.copy()
}
