/** The facts with which a session with a pool begins. Pure. */
import type { Host } from '../effects/host.ts'
import type { EventData, Fact } from '../events/types/events.ts'
import { MACHINES_VERSION } from '../machines/baseline.ts'
import { endPlan } from '../machines/decide/autostart.ts'
import { type Asked, accept } from '../machines/decide/decision.ts'
import type { Draft, View } from '../machines/draft.ts'
import { lifeOf } from '../machines/life.ts'
import type { PoolState } from '../machines/pool/machine.ts'

export type Previous = EventData<'PoolOpened'>['previous']

/** The session's constants, to which its events refer. */
export const sessionOpened = (
  host: Pick<Host, 'bootId' | 'hostName' | 'hostId' | 'simulated'>,
  version: string,
  pool: { readonly name: string; readonly guid: string | null } | null,
  format: number,
): Fact => ({
  type: 'SessionOpened',
  bootId: host.bootId(),
  host: host.hostName(),
  hostId: host.hostId(),
  pool: pool?.name ?? null,
  poolGuid: pool?.guid ?? null,
  code: version,
  machines: MACHINES_VERSION,
  format,
  simulated: host.simulated,
})

/** How the session before this one ended (DESIGN D10). */
export function previousOf(pool: PoolState, bootId: string): Previous {
  if (pool.context.bootId === null) return 'none'
  if (lifeOf(pool) === 'closed') return 'closed'
  return pool.context.bootId === bootId ? 'daemon-died' : 'host-died'
}

/** The pool is open; an operation that was open goes first, and no import begins another. */
export function openingDrafts(
  view: View,
  { name, dataset }: { readonly name: string; readonly dataset: string },
  { bootId, previous, from }: Pick<EventData<'PoolOpened'>, 'bootId' | 'previous' | 'from'>,
  asked: Asked,
): Draft[] {
  const opened: Draft = {
    stream: 'pool',
    fact: { type: 'PoolOpened', pool: name, dataset, bootId, previous, ...(from ? { from } : {}) },
  }
  // What a dead host was starting is not gone on with: this import makes a plan of its own.
  const ends = previous === 'daemon-died' ? [] : endPlan(view, 'interrupted')
  const drafts = [opened, ...ends.map((fact): Draft => ({ stream: 'pool', fact }))]
  return view.pool().context.op ? drafts : [...drafts, ...accept('pool', asked, []).drafts]
}
