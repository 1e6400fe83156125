/** Parameters that many methods have. */
import { z } from 'zod'
import { poolNameSchema } from '../events/types/ids.ts'

/** `id` or `pool:id`. */
export const target = z.string().min(1).max(300)
export const pools = z.array(poolNameSchema)

export const metaSchema = z.strictObject({
  cli: z.string().max(1000).optional(),
  key: z.string().min(8).max(100).optional(),
  reason: z.string().max(500).optional(),
  sudoUser: z.string().max(100).optional(),
  sshClient: z.string().max(100).optional(),
  /** Answer with the operation's id as soon as it is accepted. */
  noWait: z.boolean().optional(),
  /** Send progress notifications. */
  progress: z.boolean().optional(),
  /** Answer with a plan, and change nothing. */
  dryRun: z.boolean().optional(),
})
export const meta = { meta: metaSchema.optional() }

/**
 * A moment: a position (`SEQ`, `POOL:SEQ`), or a time in ms since the epoch, which means the last event that is not
 * later. What is read with it is answered as it would have been then.
 */
export const atSchema = z.union([
  z.strictObject({ position: z.string().min(1).max(200) }),
  z.strictObject({ time: z.int().min(0) }),
])
export const at = { at: atSchema.optional() }
