/**
 * What a fact of one stream means for the pool's stream, in the same commit: an image that a creation
 * published, a container that lies in the trash, a user that goes with its last container.
 */

import { ctOfStream, type StreamId } from '../events/types/ids.ts'
import type { Evidence } from '../events/types/intents.ts'
import type { CtState } from './container/machine.ts'
import type { Draft, View } from './draft.ts'
import { exists, lifeOf } from './life.ts'
import type { PendingIntent } from './operation.ts'
import type { PoolState } from './pool/machine.ts'
import type { Seen } from './step.ts'

/** @pure */
export function consequences(
  view: View,
  stream: StreamId,
  before: PoolState | CtState,
  fact: Seen,
  after: PoolState | CtState,
): Draft[] {
  const pending = before.context.op?.pending ?? null
  const drafts: Draft[] = []
  const settled = fact.type === 'EffectSucceeded' && pending?.intent === fact.intent ? fact : null
  if (stream === 'pool') {
    if (settled && pending?.kind === 'dataset.destroy') drafts.push(destroyed(pending))
    return drafts
  }
  if (ctOfStream(stream) === undefined) return drafts
  const ct = before as CtState
  if (settled && pending && !pending.compensates) {
    if (pending.kind === 'dataset.rename') drafts.push(...installed(view, ct, pending, settled.evidence))
    if (pending.kind === 'dataset.rename') drafts.push(...restored(ct))
    if (pending.kind === 'dataset.trash') drafts.push(...trashed(view, ct))
  }
  if (exists(ct) && !exists(after as CtState)) drafts.push(...abandoned(view, ct))
  return drafts
}

function destroyed(pending: PendingIntent): Draft {
  const { dataset } = pending.args as { dataset: string }
  return { stream: 'pool', fact: { type: 'TrashDestroyed', name: dataset.slice('trash/'.length) } }
}

function installed(view: View, ct: CtState, pending: PendingIntent, evidence: unknown): Draft[] {
  const { to } = pending.args as { to: string }
  const { source } = ct.context
  if (source?.from !== 'repository' || to !== `image/${source.image.key}`) return []
  if (view.pool().context.images[source.image.key]) return []
  const { key, repository, distribution, version, arch, vendor, variant, sha256 } = source.image
  const { guid } = evidence as Evidence<'dataset.rename'>
  return [
    {
      stream: 'pool',
      fact: {
        type: 'ImageInstalled',
        key,
        guid,
        repository,
        distribution,
        version,
        arch,
        vendor,
        variant,
        sha256,
      },
    },
  ]
}

function restored(ct: CtState): Draft[] {
  const { trash } = ct.context
  if (lifeOf(ct) !== 'undeleting' || trash === null) return []
  return [{ stream: 'pool', fact: { type: 'TrashRestored', name: trash } }]
}

function trashed(view: View, ct: CtState): Draft[] {
  const { identity, trash, dataset } = ct.context
  if (!identity || trash === null || dataset === null) return []
  const user = view.pool().context.users[identity.user]?.madeBy
  return [
    {
      stream: 'pool',
      fact: {
        type: 'TrashAdded',
        name: trash,
        guid: dataset,
        ct: identity.id,
        ctid: identity.ctid,
        ...(user === undefined ? {} : { user }),
      },
    },
  ]
}

/** A user that is not standalone goes with its last container. */
function abandoned(view: View, ct: CtState): Draft[] {
  const { identity } = ct.context
  if (!identity) return []
  const user = view.pool().context.users[identity.user]
  if (!user || user.standalone) return []
  for (const other of view.cts()) {
    if (
      other.context.identity?.id !== identity.id &&
      other.context.identity?.user === identity.user &&
      exists(other)
    )
      return []
  }
  return [{ stream: 'pool', fact: { type: 'UserDeleted', name: identity.user } }]
}
