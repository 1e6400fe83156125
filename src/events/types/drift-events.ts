/**
 * Facts about drift: what the host shows that the log does not say, because somebody changed it by hand.
 *
 * Each stands in the stream of whom it is about. `drift` names it there, and there is one of each name at a time: of a
 * container what is wrong with it (`missing`, `renamed`, `replaced`, `running`, or a property of its dataset); of a
 * pool that, behind the name of the dataset below `<ds>` (`image/KEY/missing`).
 */
import { z } from 'zod'
import { runEvidence } from './intents.ts'

/** What was found, as far as settling it needs to know. */
export const foundSchema = z.object({
  /** Full name under which the dataset that we mean is now. */
  dataset: z.string().optional(),
  /** Id that a container had whose new name is adopted. */
  was: z.string().optional(),
  /** Guid of the dataset that has the name of ours. */
  guid: z.string().optional(),
  /** What a property is set to; null when it is not set. */
  value: z.string().nullable().optional(),
  /** Run name and init of a container that runs; null when it was started without one. */
  run: z.string().nullable().optional(),
  /** The command that made it so, as the pool's own diary has it. */
  by: z
    .object({ command: z.string().max(1000), user: z.string(), host: z.string().nullable(), time: z.int() })
    .optional(),
  evidence: runEvidence.nullable().optional(),
})
export type Found = z.infer<typeof foundSchema>

const drift = z.string().min(1).max(400)

export const driftEventSchemas = {
  /** Told once, and again only when something else is seen. */
  DriftNoticed: z.object({ drift, expected: z.string(), seen: z.string(), found: foundSchema }),
  /** It is as the log says again, without our doing. */
  DriftGone: z.object({ drift }),
  /** An admin decided that what is there is right. */
  DriftAdopted: z.object({ drift, found: foundSchema }),
  /** What the log says is to be put back. */
  DriftRepairRequested: z.object({ drift, kind: z.string(), args: z.json() }),
} as const
