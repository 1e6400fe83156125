/**
 * What is known to differ between log and host, as a part of a stream's state, and how an admin settled it.
 *
 * Drift is a fact like any other: noticed once, kept until the host is as the log says again (`DriftGone`), the log
 * takes over what is there (`DriftAdopted`), or an effect puts back what the log says (`DriftRepairRequested`).
 * A state without any has no such member, so what was written before there was drift reads the same.
 */
import type { Found } from '../events/types/drift-events.ts'
import type { FactOf } from '../events/types/events.ts'
import type { IntentRequest } from '../events/types/intents.ts'
import { type Operation, want } from './operation.ts'
import type { Seen, Wanted } from './step.ts'

export type Drift = {
  readonly expected: string
  readonly seen: string
  readonly found: Found
  /** Wall clock, ms, when it was noticed first. */
  readonly since: number
}
export type DriftTable = Readonly<Record<string, Drift>>

/** The part of a context that is about drift. */
export type WithDrift = {
  readonly drift?: DriftTable | undefined
  /** What an admin took over, by the name of the drift: seen again, it is none. */
  readonly adopted?: Readonly<Record<string, Found>> | undefined
  /** The repair that is under way. */
  readonly mending?: { readonly drift: string; readonly request: IntentRequest } | undefined
}

const without = (table: DriftTable | undefined, name: string): DriftTable | undefined => {
  const { [name]: _gone, ...rest } = table ?? {}
  return Object.keys(rest).length === 0 ? undefined : rest
}

/** @pure */
export function noticed(c: WithDrift, { drift, expected, seen, found, meta }: FactOf<'DriftNoticed'> & Seen) {
  const since = c.drift?.[drift]?.since ?? meta.t
  return { drift: { ...c.drift, [drift]: { expected, seen, found, since } } }
}

/** @pure */
export const settled = (c: WithDrift, name: string): Pick<WithDrift, 'drift'> => ({
  drift: without(c.drift, name),
})

/** @pure */
export function mend(c: WithDrift & { readonly op: Operation | null }): Wanted {
  const { mending } = c
  if (!mending) throw new Error('nothing is being repaired')
  return want(c.op, () => mending.request)
}

/** @pure */
export function planned({ drift, kind, args }: FactOf<'DriftRepairRequested'>): Pick<WithDrift, 'mending'> {
  return { mending: { drift, request: { kind, args } as IntentRequest } }
}

/** Is it about where a container's dataset is, and not how that is set? @pure */
export const isOfDataset = (name: string): boolean => ['missing', 'renamed', 'replaced'].includes(name)
