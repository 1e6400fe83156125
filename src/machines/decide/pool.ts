/** Decisions about a pool and the plain entities on it: install, uninstall, settings, repositories, trash. */
import type { EventData, Fact } from '../../events/types/events.ts'
import type { Witness } from '../../events/types/witness.ts'
import { exists, lifeOf } from '../life.ts'
import type { PoolState } from '../pool/machine.ts'
import { cancelAutostart, endPlan, triggerAutostart } from './autostart.ts'
import {
  type Asked,
  accept,
  can,
  type DecideView,
  type Decision,
  noop,
  type Refusal,
  refuse,
} from './decision.ts'
import { ACTIVE_PROPERTY, marking } from './drift.ts'
import { decideWitness } from './witness.ts'

export const DEFAULT_ID_RANGE = {
  name: 'default',
  startId: 1_000_000,
  blockSize: 65_536,
  blockCount: 65_520,
} as const

export type PoolCommand =
  | {
      readonly type: 'pool.install'
      readonly pool: string
      readonly dataset: string | null
      readonly repository: string
    }
  | { readonly type: 'pool.uninstall' }
  | { readonly type: 'pool.export'; readonly force: boolean; readonly stopContainers: boolean }
  | { readonly type: 'pool.autostart-trigger' }
  | { readonly type: 'pool.autostart-cancel' }
  | { readonly type: 'pool.set'; readonly set: EventData<'PoolConfigSet'>['set'] }
  | { readonly type: 'witness.add'; readonly name: string; readonly witness: Witness }
  | { readonly type: 'witness.delete'; readonly name: string }
  | { readonly type: 'repo.add'; readonly name: string; readonly url: string }
  | { readonly type: 'repo.delete'; readonly name: string }
  | { readonly type: 'repo.set'; readonly name: string; readonly enabled: boolean }
  | {
      readonly type: 'trash.prune'
      readonly names: readonly string[]
      readonly why: 'command' | 'age' | 'space'
    }

const refusal = (code: string, message: string, kind: Refusal['kind'] = 'refused'): Refusal => ({
  code,
  kind,
  message,
})

/** Commands about what lies on the pool: they need its log open and its datasets mounted. */
const NEED_IMPORTED: readonly PoolCommand['type'][] = [
  'pool.set',
  'pool.autostart-trigger',
  'pool.autostart-cancel',
  'witness.add',
  'witness.delete',
  'repo.add',
  'repo.delete',
  'repo.set',
  'trash.prune',
]

/** @pure */
export function decidePool(view: DecideView, command: PoolCommand, asked: Asked): Decision {
  const pool = view.pool()
  const { op } = pool.context
  const isGoneOnWith = command.type === 'pool.install' && lifeOf(pool) === 'installing'
  if (op && !isGoneOnWith) {
    const message = `pool ${pool.context.pool} is held by '${op.command}' (osctl op show ${op.id})`
    return refuse('pool', asked, refusal('E_BUSY', message))
  }
  if (NEED_IMPORTED.includes(command.type) && !['active', 'importing'].includes(lifeOf(pool))) {
    return refuse('pool', asked, refusal('E_POOL_DISABLED', `the pool is disabled (state: ${lifeOf(pool)})`))
  }
  switch (command.type) {
    case 'pool.install':
      return install(pool, command, asked)
    case 'pool.uninstall':
      return gated(pool, asked, { type: 'PoolUninstallRequested' }, 'export the pool first')
    case 'pool.export':
      return exportPool(view, command, asked)
    case 'pool.autostart-trigger':
      return triggerAutostart(view, asked)
    case 'pool.autostart-cancel':
      return cancelAutostart(view, asked)
    case 'pool.set':
      return set(pool, command.set, asked)
    case 'witness.add':
    case 'witness.delete':
      return decideWitness(pool, command, asked)
    case 'repo.add':
    case 'repo.delete':
    case 'repo.set':
      return repository(pool, command, asked)
    case 'trash.prune':
      return prune(view, command, asked)
  }
}

function gated(pool: PoolState, asked: Asked, fact: Fact, text: string): Decision {
  if (!can(pool, fact))
    return refuse('pool', asked, refusal('E_POOL_STATE', `${text} (state: ${lifeOf(pool)})`))
  return accept('pool', asked, [fact])
}

function install(
  pool: PoolState,
  command: Extract<PoolCommand, { type: 'pool.install' }>,
  asked: Asked,
): Decision {
  if (pool.context.op) return noop('pool', asked, 'the installation goes on where it was')
  if (lifeOf(pool) === 'active') return accept('pool', asked, markedAgain(pool))
  const facts: Fact[] = []
  if (!pool.context.idRanges[DEFAULT_ID_RANGE.name])
    facts.push({ type: 'IdRangeCreated', ...DEFAULT_ID_RANGE })
  if (!pool.context.repositories['default'])
    facts.push({ type: 'RepositoryAdded', name: 'default', url: command.repository })
  const fact: Fact = { type: 'PoolInstallRequested', pool: command.pool, dataset: command.dataset }
  if (!can(pool, fact))
    return refuse(
      'pool',
      asked,
      refusal('E_POOL_STATE', `pool ${command.pool} is already installed (state: ${lifeOf(pool)})`),
    )
  return accept('pool', asked, [...facts, fact])
}

/** Installed already, and its mark was taken away by other means: it is put back, as drift is. @pure */
function markedAgain(pool: PoolState): Fact[] {
  const drift = ACTIVE_PROPERTY
  const found = { value: null }
  const { kind, args } = marking(pool)
  const facts: Fact[] = [{ type: 'DriftRepairRequested', drift, kind, args: args as never }]
  const [expected, seen] = [`${drift}=yes`, `${drift}=not set`]
  return pool.context.drift?.[drift]
    ? facts
    : [{ type: 'DriftNoticed', drift, expected, seen, found }, ...facts]
}

function set(pool: PoolState, wanted: EventData<'PoolConfigSet'>['set'], asked: Asked): Decision {
  const { config } = pool.context
  const old: EventData<'PoolConfigSet'>['old'] = {}
  for (const name of ['parallelStart', 'parallelStop'] as const) {
    if (wanted[name] !== undefined && wanted[name] !== config[name]) old[name] = config[name]
  }
  const attrs = Object.entries(wanted.attrs ?? {}).filter(
    ([name, value]) => (config.attrs[name] ?? null) !== value,
  )
  if (attrs.length > 0)
    old['attrs'] = Object.fromEntries(attrs.map(([name]) => [name, config.attrs[name] ?? null]))
  if (Object.keys(old).length === 0) return noop('pool', asked, 'nothing changes')
  return accept('pool', asked, [{ type: 'PoolConfigSet', set: wanted, old }])
}

function exportPool(
  view: DecideView,
  command: Extract<PoolCommand, { type: 'pool.export' }>,
  asked: Asked,
): Decision {
  const running = [...view.cts()].filter((ct) => exists(ct) && ct.context.run !== null)
  if (running.length > 0 && !command.force) {
    const names = running.slice(0, 5).map((ct) => ct.context.identity?.ctid)
    const message = `the pool has running containers: ${names.join(', ')}${running.length > 5 ? ' …' : ''} (use -f to stop them)`
    return refuse('pool', asked, refusal('E_POOL_RUNNING', message))
  }
  const { force, stopContainers } = command
  const fact: Fact = { type: 'PoolExportRequested', force, stopContainers }
  const decision = gated(view.pool(), asked, fact, 'the pool cannot be exported now')
  if (decision.is !== 'accepted') return decision
  // Nothing is to start any more, whatever becomes of the export.
  const ends = endPlan(view, 'cancelled').map((end) => ({
    stream: 'pool' as const,
    fact: end,
    op: asked.op,
    by: asked.op,
  }))
  return { ...decision, drafts: [...decision.drafts, ...ends] }
}

function repository(
  pool: PoolState,
  command: Extract<PoolCommand, { type: 'repo.add' | 'repo.delete' | 'repo.set' }>,
  asked: Asked,
): Decision {
  const { name } = command
  const known = pool.context.repositories[name]
  if (command.type === 'repo.add') {
    if (known) return refuse('pool', asked, refusal('E_REPO_EXISTS', 'repository already exists'))
    return gated(pool, asked, { type: 'RepositoryAdded', name, url: command.url }, 'the pool is disabled')
  }
  if (!known) return refuse('pool', asked, refusal('E_REPO_NOT_FOUND', 'repository not found', 'not-found'))
  if (command.type === 'repo.delete') {
    if (name === 'default')
      return refuse('pool', asked, refusal('E_REPO_DEFAULT', 'the default repository can only be disabled'))
    return gated(pool, asked, { type: 'RepositoryDeleted', name }, 'the pool is disabled')
  }
  if (known.enabled === command.enabled)
    return noop('pool', asked, `the repository is ${known.enabled ? 'enabled' : 'disabled'}`)
  return gated(pool, asked, { type: 'RepositorySet', name, enabled: command.enabled }, 'the pool is disabled')
}

/** What is on its way back is left alone. */
function prune(
  view: DecideView,
  command: Extract<PoolCommand, { type: 'trash.prune' }>,
  asked: Asked,
): Decision {
  const pool = view.pool()
  const names = [...new Set(command.names)].filter((name) => {
    const entry = pool.context.trash[name]
    return entry !== undefined && lifeOf(view.ct(entry.ct)) !== 'undeleting'
  })
  if (names.length === 0) return noop('pool', asked, 'the trash bin is empty')
  return gated(pool, asked, { type: 'TrashPruneRequested', names, why: command.why }, 'the pool is disabled')
}
