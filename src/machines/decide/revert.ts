/**
 * Taking back a change of configuration: the inverse is a change like any other, and says which one it takes back.
 *
 * What a change overwrote stands in its own event (`old`), so its inverse is known for ever. It is refused where there
 * is none, and where somebody changed the same setting since: taking back would undo their change, too.
 */
import type { EventData, EventType, Fact } from '../../events/types/events.ts'
import { ctOfStream, type StreamId } from '../../events/types/ids.ts'
import { canonical } from '../baseline.ts'
import { exists, lifeOf } from '../life.ts'
import {
  type Asked,
  accept,
  busyRefusal,
  can,
  ctRefusal,
  type DecideView,
  type Decision,
  noop,
  type Refusal,
  refuse,
} from './decision.ts'

/** A fact of the log, where it stands. */
export type Recorded = { readonly seq: number; readonly stream: StreamId; readonly fact: Fact }

export type RevertCommand = {
  readonly type: 'revert'
  /** What the admin named, as they did. */
  readonly what: string
  /** All that the named event or operation changed, oldest first. */
  readonly changes: readonly Recorded[]
  /** Changes of the same kind on the same stream after that, oldest first: to name the one that is in the way. */
  readonly later: readonly Recorded[]
  /** Repositories that the changes deleted, as they were. */
  readonly repositories: Readonly<Record<string, { readonly url: string; readonly enabled: boolean }>>
  /** Also what was changed again since. */
  readonly force: boolean
}

export const REVERTIBLE = [
  'CtConfigSet',
  'PoolConfigSet',
  'RepositoryAdded',
  'RepositoryDeleted',
  'RepositorySet',
] as const satisfies readonly EventType[]
type Revertible = Extract<Fact, { type: (typeof REVERTIBLE)[number] }>

export const isRevertible = (fact: Fact): fact is Revertible => REVERTIBLE.some((type) => type === fact.type)

/** One setting that a change changed: its value before and after, and what it is now. */
type Setting = { readonly name: string; readonly was: unknown; readonly made: unknown; readonly now: unknown }

/** What to do instead, for what cannot be taken back. */
const INSTEAD: Partial<Record<EventType, string>> = {
  CtCreateRequested: 'osctl ct del deletes it',
  CtDeleteRequested: 'osctl ct undelete restores it while it is in the trash',
  CtUndeleteRequested: 'osctl ct del deletes it again',
  CtStartRequested: 'osctl ct stop stops it',
  CtStopRequested: 'osctl ct start starts it',
  CtRestartRequested: 'what ran is gone',
  CtFreezeRequested: 'osctl ct unfreeze lets it go on',
  CtThawRequested: 'osctl ct freeze freezes it',
  TrashPruneRequested: 'what was destroyed is gone',
  PoolInstallRequested: 'osctl pool uninstall gives the pool up',
  PoolUninstallRequested: 'osctl pool install takes it back',
  PoolExportRequested: 'osctl pool import imports it',
  CommandRefused: 'it was refused, and changed nothing',
  CommandNoop: 'it changed nothing',
}

const refusal = (code: string, message: string): Refusal => ({ code, kind: 'refused', message })

/** @pure */
export function decideRevert(view: DecideView, command: RevertCommand, asked: Asked): Decision {
  const named = command.changes[0]?.stream ?? 'pool'
  // What the log says of itself is nobody's setting: the pool refuses.
  const stream = named === 'log' ? 'pool' : named
  const inTheWay = obstacle(view, stream, asked)
  if (inTheWay) return inTheWay
  const foreign = command.changes.filter(({ fact }) => !isRevertible(fact))
  const telling = foreign.find(({ fact }) => INSTEAD[fact.type] !== undefined) ?? foreign[0]
  if (telling) return refuse(stream, asked, noInverse(telling.fact))
  const settled: Fact[] = []
  for (const { seq, fact } of [...command.changes].reverse()) {
    if (!isRevertible(fact)) continue
    const settings = settingsOf(view, stream, fact, command)
    const changed = settings.filter(({ made, now }) => !same(made, now))
    if (changed.length > 0 && !command.force)
      return refuse(stream, asked, changedSince(view, command, changed))
    const stale = settings.filter(({ was, now }) => !same(was, now))
    if (stale.length === 0) continue
    const inverse = inverseOf(view, fact, seq, stale, command)
    if ('code' in inverse) return refuse(stream, asked, inverse)
    settled.push(...inverse.facts)
  }
  if (settled.length === 0) return noop(stream, asked, 'it is as it was before already')
  const illegal = settled.find((fact) => !can(stream === 'pool' ? view.pool() : view.ct(ctIn(stream)), fact))
  if (illegal) return refuse(stream, asked, refusal('E_STATE', 'the settings cannot be changed now'))
  return accept(stream, asked, settled)
}

const ctIn = (stream: StreamId): string => ctOfStream(stream) ?? ''
const same = (a: unknown, b: unknown): boolean => canonical(a ?? null) === canonical(b ?? null)

function obstacle(view: DecideView, stream: StreamId, asked: Asked): Decision | null {
  const pool = view.pool()
  if (!['active', 'importing'].includes(lifeOf(pool)))
    return refuse('pool', asked, refusal('E_POOL_DISABLED', `the pool is disabled (state: ${lifeOf(pool)})`))
  if (stream === 'pool') {
    const { op } = pool.context
    const message = `pool ${pool.context.pool} is held by '${op?.command}' (osctl op show ${op?.id})`
    return op ? refuse(stream, asked, refusal('E_BUSY', message)) : null
  }
  const ct = view.ct(ctIn(stream))
  if (!exists(ct)) {
    const { ctid } = ct.context.identity ?? { ctid: 'it' }
    const message = `container ${ctid} is deleted: its settings cannot be changed any more`
    return refuse('pool', asked, { code: 'E_CT_NOT_FOUND', kind: 'not-found', message })
  }
  if (ct.context.op) return refuse(stream, asked, busyRefusal(pool.context.pool ?? '', ct))
  if (!can(ct, { type: 'CtConfigSet', set: {}, old: {} }))
    return refuse(stream, asked, ctRefusal(ct, 'E_CT_STATE', 'the container cannot be changed now'))
  return null
}

function noInverse({ type }: Fact): Refusal {
  const instead = INSTEAD[type]
  const way = instead === undefined ? 'it is not a change of configuration' : instead
  return refusal('E_NO_INVERSE', `${type} cannot be taken back: ${way}`)
}

/** Settings that the change changed, in words that an admin knows. */
function settingsOf(view: DecideView, stream: StreamId, fact: Revertible, command: RevertCommand): Setting[] {
  const { config, repositories } = view.pool().context
  switch (fact.type) {
    case 'CtConfigSet':
      return changedOf(fact, view.ct(ctIn(stream)).context.settings)
    case 'PoolConfigSet':
      return changedOf(fact, { witnesses: {}, ...config } as Configured)
    case 'RepositoryAdded': {
      const now = repositories[fact.name]?.url ?? null
      return [{ name: `repository ${fact.name}`, was: null, made: fact.url, now }]
    }
    case 'RepositoryDeleted': {
      const was = command.repositories[fact.name]?.url ?? null
      return [{ name: `repository ${fact.name}`, was, made: null, now: repositories[fact.name]?.url ?? null }]
    }
    case 'RepositorySet': {
      const now = repositories[fact.name]?.enabled ?? null
      const name = `repository ${fact.name}, enabled`
      return [{ name, was: !fact.enabled, made: fact.enabled, now }]
    }
  }
}

type Configured = { readonly attrs: Readonly<Record<string, string>> }

function changedOf(
  { set, old }: EventData<'CtConfigSet'> | EventData<'PoolConfigSet'>,
  present: Configured,
): Setting[] {
  const made = set as Record<string, unknown>
  const now = present as unknown as Record<string, unknown>
  const plain = Object.keys(old).filter((name) => name !== 'attrs')
  const attrs = (old['attrs'] ?? {}) as Record<string, unknown>
  const madeAttrs = (made['attrs'] ?? {}) as Record<string, unknown>
  return [
    ...plain.map((name) => ({ name, was: old[name], made: made[name], now: now[name] })),
    ...Object.keys(attrs).map((name) => ({
      name: `attribute ${name}`,
      was: attrs[name],
      made: madeAttrs[name] ?? null,
      now: present.attrs[name] ?? null,
    })),
  ]
}

/** Names the newest later change of one of these settings. */
function changedSince(view: DecideView, command: RevertCommand, changed: readonly Setting[]): Refusal {
  const pool = view.pool().context.pool ?? ''
  const names = changed.map(
    ({ name, now }) => `${name} (now ${now === null ? 'unset' : JSON.stringify(now)})`,
  )
  const later = command.later.findLast(({ fact }) => changed.some(({ name }) => touches(fact, name)))
  const at = later === undefined ? '' : ` by ${pool}:${later.seq}`
  const message = `${names.join(', ')} was changed again since${at}; --force takes ${command.what} back all the same`
  return refusal('E_CHANGED_SINCE', message)
}

function touches(fact: Fact, name: string): boolean {
  if (!isRevertible(fact)) return false
  if (!('set' in fact)) return name.startsWith(`repository ${fact.name}`)
  const attrs: object = fact.set.attrs ?? {}
  return name in fact.set || Object.keys(attrs).some((attr) => name === `attribute ${attr}`)
}

function inverseOf(
  view: DecideView,
  fact: Revertible,
  seq: number,
  stale: readonly Setting[],
  command: RevertCommand,
): { facts: Fact[] } | Refusal {
  const reverts = seq
  switch (fact.type) {
    case 'CtConfigSet':
    case 'PoolConfigSet': {
      const set = assembled(stale.map(({ name, was }) => [name, was]))
      const old = assembled(stale.map(({ name, now }) => [name, now]))
      return { facts: [{ type: fact.type, set, old, reverts } as Fact] }
    }
    case 'RepositoryAdded':
      if (fact.name === 'default')
        return refusal('E_REPO_DEFAULT', 'the default repository can only be disabled')
      return { facts: [{ type: 'RepositoryDeleted', name: fact.name, reverts }] }
    case 'RepositorySet':
      if (view.pool().context.repositories[fact.name] === undefined)
        return refusal('E_REPO_NOT_FOUND', `repository ${fact.name} is deleted`)
      return { facts: [{ type: 'RepositorySet', name: fact.name, enabled: !fact.enabled, reverts }] }
    case 'RepositoryDeleted': {
      const was = command.repositories[fact.name]
      if (!was) {
        const message = `repository ${fact.name} cannot be added again: its address is not in the log any more`
        return refusal('E_NO_INVERSE', message)
      }
      const added: Fact = { type: 'RepositoryAdded', name: fact.name, url: was.url, reverts }
      const off: Fact = { type: 'RepositorySet', name: fact.name, enabled: false, reverts }
      return { facts: was.enabled ? [added] : [added, off] }
    }
  }
}

/** Settings by name as an event's `set` and `old` have them: attributes in a table of their own. */
function assembled(settings: readonly (readonly [string, unknown])[]): Record<string, unknown> {
  const attrs = settings.filter(([name]) => name.startsWith('attribute '))
  const plain = settings.filter(([name]) => !name.startsWith('attribute '))
  const table = Object.fromEntries(
    attrs.map(([name, value]) => [name.slice('attribute '.length), value ?? null]),
  )
  return { ...Object.fromEntries(plain), ...(attrs.length > 0 ? { attrs: table } : {}) }
}
