/**
 * What admins ask in a storm: for each method, how often, and with which parameters. Mostly something that makes
 * sense. A method that changes something and stands neither here nor among the exceptions fails verbs.test.ts.
 */
import type { MethodInput, MethodName } from '../../src/rpc/methods.ts'
import type { Random } from './random.ts'
import { TAR, ZFS } from './verbs.ts'

export type Command = { readonly method: MethodName; readonly params: MethodInput<MethodName> }

export const CTS = ['a', 'b', 'c', 'd', 'e'] as const
const DISTRIBUTIONS = ['busybox', 'debian'] as const
const MODES = ['stop', 'shutdown', 'kill'] as const
const WITNESSES = ['one', 'two'] as const
const REPOSITORIES = ['default', 'mine'] as const

/** What there is to ask about. */
export type Scope = {
  readonly pools: readonly string[]
  /** Operations in doubt, those that are under way, and sessions that were begun. */
  readonly doubts: readonly string[]
  readonly ops: readonly string[]
  readonly sessions: readonly string[]
  /** Ids of known drift. */
  readonly drifts: readonly string[]
}
const UNKNOWN = '01KE0000000000000000000000'
type Maker<M extends MethodName> = {
  readonly weight: number
  make(chance: Random, scope: Scope): MethodInput<M>
}
type Makers = { readonly [M in MethodName]?: Maker<M> }

const ct = (chance: Random) => ({ id: chance.pick(CTS) })
const stopping = (chance: Random) => ({
  ...ct(chance),
  mode: chance.pick(MODES),
  timeoutSeconds: chance.pick([0, 5, 60]),
})
const repository = (chance: Random, { pools }: Scope) => ({
  name: `${chance.pick(pools)}:${chance.pick(REPOSITORIES)}`,
})

export const MAKERS: Makers = {
  'ct.new': { weight: 3, make: creation },
  'ct.import': {
    weight: 1,
    make: (chance, { pools }) => ({
      ...ct(chance),
      pool: chance.pick(pools),
      file: chance.pick([TAR, ZFS]),
    }),
  },
  'ct.start': { weight: 4, make: ct },
  'ct.stop': { weight: 3, make: stopping },
  'ct.restart': { weight: 1.5, make: stopping },
  'ct.freeze': { weight: 1, make: ct },
  'ct.unfreeze': { weight: 1, make: ct },
  'ct.delete': { weight: 1.5, make: (chance) => ({ ...ct(chance), force: chance.chance(0.6) }) },
  'ct.undelete': {
    weight: 1.2,
    make: (chance) => ({ ...ct(chance), ...(chance.chance(0.5) ? { asId: chance.pick(CTS) } : {}) }),
  },
  'ct.set': { weight: 1.5, make: (chance) => ({ ...ct(chance), set: setting(chance) }) },
  'ct.exec': { weight: 0.5, make: (chance) => ({ ...ct(chance), program: 'true' }) },
  'ct.attach': { weight: 0.2, make: ct },
  'ct.session-ended': {
    weight: 0.5,
    make: (chance, { sessions }) => ({
      session: sessions.length > 0 ? chance.pick(sessions) : UNKNOWN,
      status: 0,
    }),
  },
  'op.cancel': {
    weight: 1.5,
    make: (chance, { ops }) => ({ op: ops.length > 0 ? chance.pick(ops) : UNKNOWN }),
  },
  'op.attach': {
    weight: 0.5,
    make: (chance, { ops }) => ({ op: ops.length > 0 ? chance.pick(ops) : UNKNOWN }),
  },
  'op.retry': {
    weight: 0.5,
    make: (chance, { doubts }) => ({ op: doubts.length > 0 ? chance.pick(doubts) : UNKNOWN }),
  },
  // As `failed` or `undone` an admin could say what is not true, and the world would rightly complain.
  'op.resolve': {
    weight: 0.5,
    make: (chance, { doubts }) => ({ op: doubts.length > 0 ? chance.pick(doubts) : UNKNOWN, as: 'done' }),
  },
  revert: {
    weight: 0.7,
    make: (chance, { pools }) => ({
      what: `${chance.pick(pools)}:${1 + chance.below(300)}`,
      force: chance.chance(0.5),
    }),
  },
  'drift.scan': { weight: 0.5, make: () => ({}) },
  'drift.adopt': { weight: 0.6, make: drift },
  'drift.repair': { weight: 0.8, make: drift },
  'trash.prune': { weight: 1, make: () => ({}) },
  'pool.export': {
    weight: 1,
    make: (chance, { pools }) => ({ name: chance.pick(pools), force: chance.chance(0.5) }),
  },
  'pool.import': {
    weight: 2,
    make: (chance, { pools }) => ({ name: chance.pick(pools), force: chance.chance(0.3) }),
  },
  'pool.autostart-trigger': { weight: 0.6, make: (chance, { pools }) => ({ name: chance.pick(pools) }) },
  'pool.autostart-cancel': { weight: 0.3, make: (chance, { pools }) => ({ name: chance.pick(pools) }) },
  'boot.report': { weight: 0.5, make: () => ({}) },
  'pool.autostart-queue': { weight: 0.3, make: (chance, { pools }) => ({ name: chance.pick(pools) }) },
  // Pools are made by a release that knew one format; the daemons after the first crash know two.
  'pool.upgrade': { weight: 0.4, make: (chance, { pools }) => ({ name: chance.pick(pools) }) },
  'pool.set': {
    weight: 0.5,
    make: (chance, { pools }) => ({ name: chance.pick(pools), set: { parallelStart: 1 + chance.below(4) } }),
  },
  'witness.add': {
    weight: 0.4,
    make: (chance, { pools }) => ({
      pool: chance.pick(pools),
      name: chance.pick(WITNESSES),
      target: chance.pick(['syslog:logs', 'https://notary.example.org/heads', 'ssh:root@node2']),
    }),
  },
  'witness.delete': {
    weight: 0.3,
    make: (chance, { pools }) => ({ name: `${chance.pick(pools)}:${chance.pick(WITNESSES)}` }),
  },
  'witness.test': {
    weight: 0.2,
    make: (chance, { pools }) => ({ name: `${chance.pick(pools)}:${chance.pick(WITNESSES)}` }),
  },
  'witness.keep': {
    weight: 0.5,
    make: (chance, { pools }) => ({
      keeper: chance.pick(pools),
      pool: 'far',
      guid: '77',
      seq: chance.below(50),
      hash: String(chance.below(3)).repeat(64),
      time: 1,
    }),
  },
  'repo.add': {
    weight: 0.3,
    make: (chance, { pools }) => ({ pool: chance.pick(pools), name: 'mine', url: '/usr/images' }),
  },
  'repo.delete': { weight: 0.3, make: repository },
  'repo.enable': { weight: 0.3, make: repository },
  'repo.disable': { weight: 0.2, make: repository },
  // No segment of a storm is a day old: it is refused, or there is nothing to do.
  'event.prune': {
    weight: 0.3,
    make: (chance, { pools }) => ({ pool: chance.pick(pools), upTo: 1 + chance.below(3) }),
  },
  'event.segments': { weight: 0.3, make: () => ({}) },
  'ct.list': { weight: 1, make: () => ({}) },
  healthcheck: { weight: 1, make: () => ({}) },
  'history.list': { weight: 1, make: (chance) => ({ failed: chance.chance(0.3) }) },
  'ct.why': { weight: 1, make: ct },
}

/** Methods that change something and are not asked at random, each with the place where it is driven. */
export const ELSEWHERE: { readonly [M in MethodName]?: string } = {
  'pool.install': 'each storm begins with it; verbs.ts crashes it at every boundary',
  'pool.uninstall':
    'it ends the pool that the storm is about; uninstall.test.ts crashes it at every boundary',
  'event.quarantine-retry': 'nothing is quarantined in a storm; quarantine.test.ts',
  'event.recover': 'it is for a log that lost something; recover.test.ts crashes it at every boundary',
  shutdown: "the daemon's polite end, which ends the story: pools.test.ts",
}

const TABLE = Object.entries(MAKERS) as [MethodName, Maker<MethodName>][]
const TOTAL = TABLE.reduce((sum, [, { weight }]) => sum + weight, 0)

export function command(chance: Random, scope: Scope): Command {
  let left = chance.fraction() * TOTAL
  for (const [method, { weight, make }] of TABLE) {
    left -= weight
    if (left < 0) return { method, params: make(chance, scope) }
  }
  return { method: 'ct.list', params: {} }
}

function drift(chance: Random, { drifts }: Scope): { id: string } {
  return { id: drifts.length > 0 && chance.chance(0.9) ? chance.pick(drifts) : `${chance.pick(CTS)}/renamed` }
}

function creation(chance: Random, { pools }: Scope): MethodInput<'ct.new'> {
  const to = { ...ct(chance), pool: chance.pick(pools) }
  if (chance.chance(0.25)) return { ...to, distribution: 'x', version: '1', skipImage: true }
  return { ...to, distribution: chance.pick(DISTRIBUTIONS) }
}

function setting(chance: Random): MethodInput<'ct.set'>['set'] {
  if (chance.chance(0.4)) return { hostname: `host${chance.below(3)}` }
  return { autostart: chance.chance(0.7) ? { priority: chance.below(5), delay: 0 } : null }
}
