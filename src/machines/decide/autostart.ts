/**
 * What starts by itself, in which order, and the commands on the plan of it.
 *
 * The plan is a fact of the pool (`AutostartPlanned`): the containers of one import or one `autostart trigger`, in
 * order. What becomes of each stands in its own stream, as commands that autostart gives; so a plan can be gone on
 * with from the log alone. It ends with `AutostartFinished`, or with the next plan, which takes its rest along.
 */
import type { Fact } from '../../events/types/events.ts'
import type { Ulid } from '../../events/types/ids.ts'
import type { CtState } from '../container/machine.ts'
import type { View } from '../draft.ts'
import { lifeOf } from '../life.ts'
import { type Asked, accept, type Decision, noop } from './decision.ts'

/** Attempts at a container that does not start: after the last one it is given up. */
export const AUTOSTART_ATTEMPTS = 5

/** Has autostart, or was rebooting when its host died. */
export const wantsStart = (ct: CtState): boolean =>
  ct.context.settings.autostart !== null || ct.context.lostRebooting

/** Lower starts earlier; what was caught in a reboot comes first. */
export const priorityOf = (ct: CtState): number => ct.context.settings.autostart?.priority ?? 0

const idOf = (ct: CtState): Ulid => ct.context.identity?.id ?? ''
const ctidOf = (ct: CtState): string => ct.context.identity?.ctid ?? ''
const byName = (a: CtState, b: CtState): number => (ctidOf(a) < ctidOf(b) ? -1 : 1)

/** By priority, then by name, as the original: an order that can be foretold from `ct ls`. @pure */
export const inStartOrder = (a: CtState, b: CtState): number => priorityOf(a) - priorityOf(b) || byName(a, b)

/** The containers to start now, in order. @pure */
export function toStart(view: Pick<View, 'cts'>): Ulid[] {
  return [...view.cts()]
    .filter((ct) => lifeOf(ct) === 'stopped' && wantsStart(ct))
    .sort(inStartOrder)
    .map(idOf)
}

/** Containers of the open plan that do not run. @pure */
export function leftOf(view: Pick<View, 'pool' | 'ct'>): Ulid[] {
  return view.pool().context.autostart.filter((id) => ['stopped', 'starting'].includes(lifeOf(view.ct(id))))
}

/** The open plan ends without having come to its end; nothing where none is open. @pure */
export function endPlan(
  view: Pick<View, 'pool' | 'ct'>,
  result: 'cancelled' | 'interrupted',
): Extract<Fact, { type: 'AutostartFinished' }>[] {
  if (view.pool().context.autostart.length === 0) return []
  return [{ type: 'AutostartFinished', result, failed: [], left: leftOf(view) }]
}

/** Everything with autostart that is stopped, and what is left of the plan that is open. */
export function triggerAutostart(view: View, asked: Asked): Decision {
  const starting = view.pool().context.autostart.filter((id) => lifeOf(view.ct(id)) === 'starting')
  const cts = [...starting, ...toStart(view)]
  if (cts.length === 0) return noop('pool', asked, 'no container with autostart is stopped')
  return accept('pool', asked, [{ type: 'AutostartPlanned', cts }])
}

/** Nothing more of the plan is started; what is starting goes on. */
export function cancelAutostart(view: View, asked: Asked): Decision {
  const end = endPlan(view, 'cancelled')
  if (end.length === 0) return noop('pool', asked, 'no container waits to be started')
  return accept('pool', asked, end)
}
