/**
 * Commands that are asked while another one is at work or a container is on its way by itself, and those that meet what
 * another one left: the transitions that a container at rest does not show.
 */
import type { MethodInput, MethodName } from '../../src/rpc/methods.ts'
import { NOTHING } from './boundary.ts'
import * as byHand from './by-hand.ts'
import type { Summary } from './summary.ts'
import type { Life } from './time.ts'
import { type Verb, zfsImage } from './verbs.ts'
import type { World } from './world.ts'

const created = async (world: World): Promise<void> => {
  await world.must('ct.new', { id: 'web', distribution: 'busybox' })
}
const running = async (world: World): Promise<void> => {
  await created(world)
  await world.must('ct.start', { id: 'web' })
}
const frozen = async (world: World): Promise<void> => {
  await running(world)
  await world.must('ct.freeze', { id: 'web' })
}

/** Begins a command whose call of the host never answers. */
const hanging =
  <M extends MethodName>(call: string, method: M, params: MethodInput<M>) =>
  async (world: World): Promise<void> => {
    world.plan = ({ what, phase }) => (what === call && phase === 'before' ? { do: 'hang' } : NOTHING)
    world.send(method, params)
    await world.pass(1000)
    world.plan = () => NOTHING
  }

const lifeOfWeb = ({ pools }: Summary): string | undefined => pools['tank']?.containers['web']?.life
const WEB = { id: 'web' }
const KILL = { id: 'web', mode: 'kill' } as const

/** A request that was not recorded when the daemon died is not known to the next one, which does what hung. */
const overtaking = (what: string, prepare: Verb['prepare'], begin: Verb['begin'], ends: string): Verb => ({
  name: `ct stop --kill of one that ${what}`,
  method: 'ct.stop',
  params: KILL,
  ...(prepare ? { prepare } : {}),
  ...(begin ? { begin } : {}),
  stops: true,
  endsWell: (summary) => lifeOfWeb(summary) === ends,
})

/** Who does what no daemon does. */
const NOBODY: Life = { isDead: false }
const REBOOT_MS = 3000

/** Its init has ended; the next one comes after a while, whatever becomes of the daemon, unless it is stopped first. */
async function reboots(world: World): Promise<void> {
  const { machine, time } = world
  const web = Object.values(machine.state.containers).find(({ ctid }) => ctid === 'web')
  if (!web) throw new Error('web does not run')
  const { id, run, pool } = web
  Object.assign(web, { state: 'starting', evidence: null })
  machine.report({ pool, id, run, inits: 1, last: 'reboot', initPid: null, at: time.now })
  const isBetween = (): boolean => machine.container(web)?.run === run && web.evidence === null
  const goesOn = async (): Promise<void> => {
    do await time.sleep(NOBODY, REBOOT_MS)
    while (isBetween() && web.state === 'stopping')
    if (isBetween()) machine.containerExits(web, 'reboot')
  }
  void goesOn()
  await world.pass(1000)
}

const STREAMS = '/usr/images/streams'
/** A repository whose one image is a ZFS stream. */
async function streams(world: World): Promise<void> {
  const path = 'v/x/x86_64/alpine/3.20/image.tar'
  const { arch, distribution, version } = zfsImage
  const image = {
    vendor: 'v',
    variant: 'x',
    arch,
    distribution,
    version,
    tags: ['stable'],
    image: { zfs: path },
  }
  const index = { vendors: { default: 'v', v: 'x' }, images: [image] }
  world.machine.addImageRepository(STREAMS, index, { [path]: zfsImage })
  await world.must('repo.add', { pool: 'tank', name: 'streams', url: STREAMS })
}

/** Who imports a pool starts what has autostart, who installs it does not: without it all end alike. */
const withoutAutostart = async (world: World): Promise<void> => {
  await world.must('ct.set', { id: 'auto', set: { autostart: null } })
}

async function uninstalled(world: World): Promise<void> {
  await withoutAutostart(world)
  await world.must('pool.export', { name: 'tank', force: true })
  await world.must('pool.uninstall', { name: 'tank' })
}

/** Its log says that it is ours, and its mark does not. */
async function unmarked(world: World): Promise<void> {
  await withoutAutostart(world)
  await world.must('pool.export', { name: 'tank', force: true })
  byHand.set(world, 'tank', 'org.vpsadminos.osctl:active', null)
}

async function startedByHand(world: World): Promise<void> {
  await created(world)
  const id = world.daemon.pool('tank').states.byCtid('web')?.context.identity?.id ?? ''
  byHand.started(world.machine, { pool: 'tank', ctid: 'web', id })
  await world.must('drift.scan', {})
}
export const OVERTAKING: readonly Verb[] = [
  overtaking('starts', created, hanging('lxc.start', 'ct.start', WEB), 'running'),
  overtaking('is being frozen', running, hanging('lxc.freeze', 'ct.freeze', WEB), 'frozen'),
  overtaking('is being thawed', frozen, hanging('lxc.thaw', 'ct.unfreeze', WEB), 'running'),
  overtaking('is being stopped', running, hanging('lxc.stop', 'ct.stop', WEB), 'stopped'),
  overtaking('is being restarted', running, hanging('lxc.stop', 'ct.restart', WEB), 'running'),
  {
    name: 'ct stop of one that reboots',
    method: 'ct.stop',
    params: WEB,
    prepare: running,
    begin: reboots,
    endsWell: (summary) => lifeOfWeb(summary) === 'running',
  },
  {
    name: 'ct del -f of one that reboots',
    method: 'ct.delete',
    params: { id: 'web', force: true },
    prepare: running,
    begin: reboots,
    endsWell: (summary) => lifeOfWeb(summary) === 'running',
  },
]

export const LEFT: readonly Verb[] = [
  {
    name: 'ct new, zfs image not on the pool',
    method: 'ct.new',
    params: { id: 'web', distribution: 'alpine', repository: 'streams' },
    prepare: streams,
  },
  {
    name: 'pool install of one that was uninstalled',
    method: 'pool.install',
    params: { name: 'tank' },
    prepare: uninstalled,
  },
  {
    name: 'pool install of one whose mark is gone',
    method: 'pool.install',
    params: { name: 'tank' },
    prepare: unmarked,
    // Of a pool without its mark no daemon takes anything up.
    endsWell: ({ pools }) => Object.keys(pools['tank']?.containers ?? {}).length !== 1,
  },
  {
    name: 'drift repair of a container that was started',
    method: 'drift.repair',
    params: { id: 'web/running' },
    prepare: startedByHand,
  },
]
