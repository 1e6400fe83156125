/**
 * Facts about a log and its pool as a whole, on the stream `log`, which has no machine: what was given up, what was
 * removed, what may be written, and who else keeps its heads. They came after the first golden log and belong to
 * format 1 all the same, since no release had been made of it.
 */
import { z } from 'zod'
import { actorSchema } from './actor.ts'

const headSchema = z.object({ seq: z.int().min(0), hash: z.string() })

/** What a sealed segment was: enough to join what follows it, and to know its last event again. */
export const segmentHeadSchema = z.object({
  segment: z.int().min(1),
  first: z.int().min(1),
  last: z.int().min(1),
  head: z.string(),
})
export type SegmentHead = z.infer<typeof segmentHeadSchema>

export const logEventSchemas = {
  /** An admin decided to go on with a log that was damaged, had lost its end, or was another one. */
  LogRecovered: z.object({
    reason: z.string(),
    /** The last event that is trusted: this one follows it. */
    from: headSchema,
    damage: z.array(z.object({ seq: z.int().nullable(), segment: z.int(), what: z.string() })).max(20),
    /** Heads that were kept of what is given up: they are no complaint any more. */
    lost: z.array(headSchema),
    /** Name of the file, beside the log, that holds what was found; null when the log itself was whole. */
    evidence: z.string().nullable(),
  }),
  /** Sealed segments were removed. All that ever were, oldest first: the chain can be followed over them. */
  SegmentsPruned: z.object({ segments: z.array(segmentHeadSchema).min(1) }),
  /** A head of another pool's log, which this one keeps as its witness. */
  HeadKept: z.object({
    pool: z.string().max(200),
    guid: z.string().max(20),
    /** The host that had it, by its own word. */
    host: z.string().max(300).nullable(),
    seq: z.int().min(0),
    hash: z.string(),
    /** When it was the head, by that host's clock: ms since the epoch. */
    time: z.number(),
    actor: actorSchema,
  }),
  /** From here on the log holds what only a release that knows this format can read. */
  PoolUpgraded: z.object({ from: z.int(), to: z.int(), needs: z.string() }),
} as const
