/** Decisions about containers: create, import, start, stop, restart, freeze, unfreeze, set, delete. */
import type { CtIdentity, CtSettings, IdBlock, ImageSource } from '../../events/types/config.ts'
import type { EventData, Fact } from '../../events/types/events.ts'
import { ctidSchema, ctStream } from '../../events/types/ids.ts'
import type { CtState } from '../container/machine.ts'
import type { Draft } from '../draft.ts'
import { exists, lifeOf } from '../life.ts'
import { freeBlock } from '../pool/context.ts'
import {
  type Asked,
  accept,
  busyRefusal,
  can,
  ctRefusal,
  type DecideView,
  type Decision,
  noop,
  refuse,
  streamOf,
} from './decision.ts'
import { driftRefusal } from './drift.ts'
import { ownUser } from './owner.ts'
import { decideUndelete, type UndeleteCommand } from './undelete.ts'

export type CreateCommand = {
  readonly type: 'ct.create'
  /** Made by the caller's id port: the container's own id. */
  readonly id: string
  readonly ctid: string
  readonly user: string | null
  readonly group: string
  readonly distribution: string
  readonly version: string
  readonly arch: string
  readonly initCmd: string[] | null
  readonly source: ImageSource
  /** Id blocks that other imported pools hold. */
  readonly foreignBlocks: readonly IdBlock[]
}
export type StopMode = EventData<'CtStopRequested'>['mode']
type Ref = { readonly ctid: string }

export type CtCommand =
  | CreateCommand
  | ({ readonly type: 'ct.start'; readonly run: string; readonly timeoutSeconds: number } & Ref)
  | ({ readonly type: 'ct.stop'; readonly mode: StopMode; readonly timeoutSeconds: number } & Ref)
  | ({
      readonly type: 'ct.restart'
      readonly mode: StopMode
      readonly timeoutSeconds: number
      readonly startTimeoutSeconds: number
      readonly run: string
    } & Ref)
  | ({ readonly type: 'ct.freeze' } & Ref)
  | ({ readonly type: 'ct.unfreeze' } & Ref)
  | ({ readonly type: 'ct.set'; readonly set: EventData<'CtConfigSet'>['set'] } & Ref)
  | ({ readonly type: 'ct.delete'; readonly force: boolean } & Ref)
  | UndeleteCommand

/** @pure */
export function decideCt(view: DecideView, command: CtCommand, asked: Asked): Decision {
  const pool = view.pool()
  const open =
    ['active', 'importing'].includes(lifeOf(pool)) ||
    (lifeOf(pool) === 'exporting' && command.type === 'ct.stop')
  if (!open) {
    return refuse('pool', asked, {
      code: 'E_POOL_DISABLED',
      kind: 'refused',
      message: `the pool is disabled (state: ${lifeOf(pool)})`,
    })
  }
  if (command.type === 'ct.create') return create(view, command, asked)
  if (command.type === 'ct.undelete') return decideUndelete(view, command, asked)
  const ct = view.byCtid(command.ctid)
  if (!ct)
    return refuse('pool', asked, {
      code: 'E_CT_NOT_FOUND',
      kind: 'not-found',
      message: 'container not found',
    })
  if (ct.context.op && !supersedes(command))
    return refuse(streamOf(ct), asked, busyRefusal(pool.context.pool ?? '', ct))
  const inTheWay = driftRefusal(ct, command.type)
  if (inTheWay) return refuse(streamOf(ct), asked, inTheWay)
  switch (command.type) {
    case 'ct.start':
      return start(ct, command, asked)
    case 'ct.stop':
      return stop(pool.context.pool ?? '', ct, command, asked)
    case 'ct.restart':
      return gated(ct, asked, requestOf(command), 'container not running', 'E_CT_STATE')
    case 'ct.freeze':
      if (lifeOf(ct) === 'frozen') return noop(streamOf(ct), asked, 'the container is frozen')
      return gated(ct, asked, { type: 'CtFreezeRequested' }, 'container not running', 'E_CT_NOT_RUNNING')
    case 'ct.unfreeze':
      if (lifeOf(ct) === 'running') return noop(streamOf(ct), asked, 'the container is not frozen')
      return gated(ct, asked, { type: 'CtThawRequested' }, 'container not running', 'E_CT_NOT_RUNNING')
    case 'ct.set':
      return set(ct, command.set, asked)
    case 'ct.delete':
      return remove(ct, command.force, asked)
  }
}

/** A kill overtakes whatever the container is doing (DESIGN D7). */
const supersedes = (command: CtCommand): boolean => command.type === 'ct.stop' && command.mode === 'kill'

const requestOf = (command: Extract<CtCommand, { type: 'ct.restart' }>): Fact => {
  const { mode, timeoutSeconds, startTimeoutSeconds, run } = command
  return { type: 'CtRestartRequested', mode, timeoutSeconds, startTimeoutSeconds, run }
}

function gated(ct: CtState, asked: Asked, fact: Fact, text: string, code: string): Decision {
  if (!can(ct, fact)) return refuse(streamOf(ct), asked, ctRefusal(ct, code, text))
  return accept(streamOf(ct), asked, [fact])
}

function create(view: DecideView, command: CreateCommand, asked: Asked): Decision {
  const pool = view.pool()
  const { ctid, id } = command
  if (!ctidSchema.safeParse(ctid).success) {
    const message = 'invalid ID, allowed characters: a-z A-Z 0-9 _ - (at most 100, not starting with -)'
    return refuse('pool', asked, { code: 'E_CTID', kind: 'invalid', message })
  }
  if (view.byCtid(ctid)) {
    return refuse('pool', asked, {
      code: 'E_CT_EXISTS',
      kind: 'refused',
      message: `container ${pool.context.pool}:${ctid} already exists`,
    })
  }
  const user = userFor(view, command, asked)
  if (!user) {
    const message = 'no free space found (id range default is full; osctl id-range ls shows it)'
    return refuse('pool', asked, { code: 'E_ID_RANGE_FULL', kind: 'refused', message })
  }
  const identity: CtIdentity = {
    id,
    ctid,
    user: user.name,
    group: command.group,
    distribution: command.distribution,
    version: command.version,
    arch: command.arch,
    initCmd: command.initCmd,
  }
  const settings: CtSettings = { autostart: null, hostname: null, attrs: {} }
  const source = imageOnPool(view, command.source)
  const fact: Fact = { type: 'CtCreateRequested', identity, settings, source, map: user.map }
  return accept(ctStream(id), asked, [...user.drafts, fact])
}

/** An image that the pool has already is cloned: no download, no unpacking. */
function imageOnPool(view: DecideView, source: ImageSource): ImageSource {
  if (source.from !== 'repository') return source
  const image = view.pool().context.images[source.image.key]
  return image ? { from: 'pool', key: source.image.key, guid: image.guid } : source
}

function userFor(
  view: DecideView,
  command: CreateCommand,
  { op }: Asked,
): { name: string; map: IdBlock; drafts: Draft[] } | null {
  const { context } = view.pool()
  const name = command.user ?? ownUser(view, command.ctid)
  const known = context.users[name]
  if (known) return { name, map: known.map, drafts: [] }
  const free = freeBlock(context, 'default', command.foreignBlocks)
  if (!free) return null
  const { block, map } = free
  const fact: Fact = {
    type: 'UserCreated',
    name,
    range: 'default',
    block,
    map,
    standalone: false,
    madeBy: op,
  }
  return { name, map, drafts: [{ stream: 'pool', fact }] }
}

function start(ct: CtState, command: Extract<CtCommand, { type: 'ct.start' }>, asked: Asked): Decision {
  if (lifeOf(ct) === 'running') return noop(streamOf(ct), asked, 'the container is running')
  const { run, timeoutSeconds } = command
  return gated(
    ct,
    asked,
    { type: 'CtStartRequested', run, timeoutSeconds },
    'start not available',
    'E_CT_START',
  )
}

function stop(
  pool: string,
  ct: CtState,
  command: Extract<CtCommand, { type: 'ct.stop' }>,
  asked: Asked,
): Decision {
  if (lifeOf(ct) === 'stopped') return noop(streamOf(ct), asked, 'the container is stopped')
  const { mode, timeoutSeconds } = command
  if (lifeOf(ct) === 'frozen' && mode === 'shutdown') {
    return refuse(
      streamOf(ct),
      asked,
      ctRefusal(ct, 'E_CT_FROZEN', 'The container is frozen, unable to shutdown'),
    )
  }
  const fact: Fact = {
    type: 'CtStopRequested',
    mode: lifeOf(ct) === 'frozen' ? 'kill' : mode,
    timeoutSeconds,
  }
  if (!can(ct, fact)) {
    const text = 'container not running'
    return refuse(
      streamOf(ct),
      asked,
      ct.context.op ? busyRefusal(pool, ct) : ctRefusal(ct, 'E_CT_NOT_RUNNING', text),
    )
  }
  const decision = accept(streamOf(ct), asked, [fact])
  const superseded = ct.context.op
  if (!superseded || decision.is !== 'accepted') return decision
  const end: Draft = {
    stream: streamOf(ct),
    op: superseded.id,
    fact: {
      type: 'OperationFinished',
      result: 'failed',
      error: `superseded by '${asked.cli ?? asked.command}'`,
    },
  }
  return { ...decision, drafts: [end, ...decision.drafts] }
}

function set(ct: CtState, wanted: EventData<'CtConfigSet'>['set'], asked: Asked): Decision {
  const { settings } = ct.context
  const old: Record<string, unknown> = {}
  if (wanted.autostart !== undefined && !same(wanted.autostart, settings.autostart))
    old['autostart'] = settings.autostart
  if (wanted.hostname !== undefined && wanted.hostname !== settings.hostname)
    old['hostname'] = settings.hostname
  const attrs = Object.entries(wanted.attrs ?? {}).filter(
    ([name, value]) => (settings.attrs[name] ?? null) !== value,
  )
  if (attrs.length > 0)
    old['attrs'] = Object.fromEntries(attrs.map(([name]) => [name, settings.attrs[name] ?? null]))
  if (Object.keys(old).length === 0) return noop(streamOf(ct), asked, 'nothing changes')
  const fact = { type: 'CtConfigSet', set: wanted, old } as Fact
  return gated(ct, asked, fact, 'the container cannot be changed now', 'E_CT_STATE')
}

const same = (a: CtSettings['autostart'], b: CtSettings['autostart']): boolean =>
  a === b || (a !== null && b !== null && a.priority === b.priority && a.delay === b.delay)

function remove(ct: CtState, force: boolean, asked: Asked): Decision {
  const stopped = lifeOf(ct) === 'stopped'
  if (!stopped && !force && exists(ct)) {
    return refuse(
      streamOf(ct),
      asked,
      ctRefusal(ct, 'E_CT_RUNNING', 'the container is running, use -f to stop and delete it'),
    )
  }
  const trash = `${ct.context.identity?.ctid}.${asked.op}`
  return gated(
    ct,
    asked,
    { type: 'CtDeleteRequested', trash, force },
    'the container has to be stopped',
    'E_CT_STATE',
  )
}
