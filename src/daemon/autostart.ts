/**
 * Starting at boot what is to run: containers with autostart, and those that their host's death caught in
 * a reboot. Lower priority first, then the older container; `parallelStart` at a time. The plan is a fact,
 * so that a daemon that dies half-way goes on with the rest; each start is a command of its own.
 */
import type { Ulid } from '../events/types/ids.ts'
import type { CtState } from '../machines/container/machine.ts'
import { lifeOf } from '../machines/life.ts'
import { ctIdOf, type States } from './fold.ts'

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

/** What of a plan is still to be done, after a daemon died in the middle of it. @pure */
export function remaining(states: States): Ulid[] {
  const planned = states.pool().context.autostart
  return planned.filter((id) => {
    const ct = states.ct(id)
    return wants(ct) && ct.context.op === null && ct.context.lastExit === null
  })
}

/** Runs `work` on each item, `width` at a time, in order; one that fails does not stop the others. */
export async function inParallel<T>(items: readonly T[], width: number, work: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items]
  const worker = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item)
  }
  await Promise.all(Array.from({ length: Math.max(1, Math.min(width, items.length)) }, worker))
}
