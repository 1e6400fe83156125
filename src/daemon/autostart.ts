/**
 * Starting at boot what is to run: containers with autostart, and those that their host's death caught in
 * a reboot. Lower priority first, then the older container; `parallelStart` at a time. The plan is a fact,
 * so that a daemon that dies half-way goes on with the rest; each start is a command of its own.
 */

import { ask } from '../audit/read.ts'
import type { LogStore } from '../events/log/store.ts'
import type { EventData } from '../events/types/events.ts'
import type { Ulid } from '../events/types/ids.ts'
import type { CtState } from '../machines/container/machine.ts'
import { ctIdOf, type States, streamOfCt } from '../machines/fold.ts'
import { lifeOf } from '../machines/life.ts'

const wants = (ct: CtState): boolean =>
  lifeOf(ct) === 'stopped' && (ct.context.settings.autostart !== null || ct.context.lostRebooting)

const priorityOf = (ct: CtState): number => ct.context.settings.autostart?.priority ?? 0

/** The containers to start, in order. @pure */
export function plan(states: States): Ulid[] {
  return [...states.cts()]
    .filter(wants)
    .sort((a, b) => priorityOf(a) - priorityOf(b) || (a.context.createdAt ?? 0) - (b.context.createdAt ?? 0))
    .map(ctIdOf)
}

/**
 * What is still to be done of the plan that a daemon died in: what nobody started since.
 * @returns null when it died before there was a plan
 */
export async function remaining(states: States, store: LogStore): Promise<Ulid[] | null> {
  const [newest] = await ask(store, { types: ['AutostartPlanned'], reverse: true, limit: 1 })
  const opened = await ask(store, { types: ['PoolOpened'], from: newest?.seq ?? 1, limit: 10_000 })
  const isOlder = opened.some((event) => (event.data as EventData<'PoolOpened'>).previous !== 'daemon-died')
  if (!newest || isOlder) return null
  const { autostart } = states.pool().context
  if (autostart.length === 0) return []
  const starts = await ask(store, {
    types: ['CtStartRequested', 'CtRestartRequested'],
    from: newest.seq,
    limit: 100_000,
  })
  const started = new Set(starts.map((event) => event.stream))
  return autostart.filter((id) => {
    const ct = states.ct(id)
    return wants(ct) && ct.context.op === null && !started.has(streamOfCt(ct))
  })
}

/** Runs `work` on each item, `width` at a time, in order; one that fails does not stop the others. */
export async function inParallel<T>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const queue = [...items]
  const worker = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item)
  }
  await Promise.all(Array.from({ length: Math.max(1, Math.min(width, items.length)) }, worker))
}
