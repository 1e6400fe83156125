/**
 * Restoring a deleted container from the trash. Its stream goes on (DESIGN D8): it is the same container, with its
 * history and its settings, under its old id or another.
 *
 * Its user is there again, with its block of host ids. Ids on disk are unshifted, so the block is not in the files: if
 * somebody else has it by now, the container gets another one and nothing of it changes. A user of the same name that
 * was made for another container since is not its user: two containers never share ids unasked.
 */
import type { CtIdentity, IdBlock } from '../../events/types/config.ts'
import type { Fact } from '../../events/types/events.ts'
import { ctidSchema, ctStream } from '../../events/types/ids.ts'
import type { CtState } from '../container/machine.ts'
import type { Draft } from '../draft.ts'
import { lifeOf } from '../life.ts'
import { blockOf, freeBlock, type TrashEntry } from '../pool/context.ts'
import {
  type Asked,
  accept,
  busyRefusal,
  type DecideView,
  type Decision,
  type Refusal,
  refuse,
} from './decision.ts'
import { ownUser } from './owner.ts'

export type UndeleteCommand = {
  readonly type: 'ct.undelete'
  /** Name in the trash, the container's own id, or the id that it had. */
  readonly what: string
  /** The id that it gets; null is the one that it had. */
  readonly as: string | null
  /** Id blocks that other imported pools hold. */
  readonly foreignBlocks: readonly IdBlock[]
}

type Trash = Readonly<Record<string, TrashEntry>>

const refusal = (code: string, message: string, kind: Refusal['kind'] = 'refused'): Refusal => ({
  code,
  kind,
  message,
})

/** Entries of the trash that are called so: by name, else by the container's own id, else by the id that it had. @pure */
export function inTrash(trash: Trash, what: string): string[] {
  if (trash[what]) return [what]
  const names = (is: (entry: TrashEntry) => boolean): string[] =>
    Object.entries(trash).flatMap(([name, entry]) => (is(entry) ? [name] : []))
  const own = names(({ ct }) => ct === what)
  return own.length > 0 ? own : names(({ ctid }) => ctid === what)
}

/** @pure */
export function decideUndelete(view: DecideView, command: UndeleteCommand, asked: Asked): Decision {
  const pool = view.pool()
  const { context } = pool
  if (!['active', 'importing'].includes(lifeOf(pool)))
    return refuse('pool', asked, refusal('E_POOL_DISABLED', `the pool is disabled (state: ${lifeOf(pool)})`))
  const [name, ...others] = inTrash(context.trash, command.what)
  if (name === undefined) {
    const message = `container ${command.what} is not in the trash (osctl trash-bin ls shows what is)`
    return refuse('pool', asked, refusal('E_TRASH_NOT_FOUND', message, 'not-found'))
  }
  if (others.length > 0) {
    const message = `several deleted containers were ${command.what}: name one of ${[name, ...others].join(', ')}`
    return refuse('pool', asked, refusal('E_TRASH_AMBIGUOUS', message))
  }
  const entry = context.trash[name]
  const ct = entry && view.ct(entry.ct)
  const { identity, map } = ct?.context ?? {}
  if (!entry || !ct || !identity || !map) {
    const message = `${name} cannot be restored: what container it was is not in the log any more`
    return refuse('pool', asked, refusal('E_TRASH_UNKNOWN', message))
  }
  const inTheWay = obstacle(view, name, ct, command.as ?? identity.ctid)
  if (inTheWay) return refuse('pool', asked, inTheWay)
  return restored(view, command, asked, { name, entry, identity, map })
}

function obstacle(view: DecideView, name: string, ct: CtState, ctid: string): Refusal | null {
  const { pool, pruning } = view.pool().context
  if (ct.context.op) return busyRefusal(pool ?? '', ct)
  if (pruning.includes(name))
    return refusal('E_BUSY', `${name} is being destroyed: trash-bin prune is at work`)
  if (!ctidSchema.safeParse(ctid).success) {
    const legal = 'allowed characters: a-z A-Z 0-9 _ - (at most 100, not starting with -)'
    return refusal('E_CTID', `invalid ID, ${legal}`, 'invalid')
  }
  if (view.byCtid(ctid)) {
    const message = `container ${pool}:${ctid} already exists (--as-id restores this one under another id)`
    return refusal('E_CT_EXISTS', message)
  }
  return null
}

type Found = {
  readonly name: string
  readonly entry: TrashEntry
  readonly identity: CtIdentity
  readonly map: IdBlock
}

function restored(view: DecideView, command: UndeleteCommand, asked: Asked, found: Found): Decision {
  const { name, entry, identity } = found
  const ctid = command.as ?? identity.ctid
  const user = userFor(view, command, asked, found, ctid)
  if (!user) {
    const message = 'no free space found (id range default is full; osctl id-range ls shows it)'
    return refuse('pool', asked, refusal('E_ID_RANGE_FULL', message))
  }
  const fact: Fact = {
    type: 'CtUndeleteRequested',
    trash: name,
    guid: entry.guid,
    identity: { ...identity, ctid, user: user.name },
    map: user.map,
  }
  return accept(ctStream(entry.ct), asked, [...user.drafts, fact])
}

function userFor(
  view: DecideView,
  { foreignBlocks }: UndeleteCommand,
  asked: Asked,
  { entry, identity, map }: Found,
  ctid: string,
): { name: string; map: IdBlock; drafts: Draft[] } | null {
  const { context } = view.pool()
  const present = context.users[identity.user]
  const isItsOwn = present !== undefined && entry.user !== undefined && present.madeBy === entry.user
  if (present && (present.standalone || isItsOwn))
    return { name: identity.user, map: present.map, drafts: [] }
  const name = present ? ownUser(view, ctid) : identity.user
  const block =
    blockOf(context, 'default', map, foreignBlocks) ?? freeBlock(context, 'default', foreignBlocks)
  if (!block) return null
  const made: Fact = {
    type: 'UserCreated',
    name,
    range: 'default',
    ...block,
    standalone: false,
    madeBy: asked.op,
  }
  return { name, map: block.map, drafts: [{ stream: 'pool', fact: made }] }
}
