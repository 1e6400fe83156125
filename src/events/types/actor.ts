/**
 * Who asked. *Verified* is what the kernel says of the process at the other end of the socket; *claimed*
 * is what that process says of itself and could lie about. `system` stands for the daemon's own decisions.
 */
import { z } from 'zod'

export const verifiedActorSchema = z.object({
  uid: z.int(),
  gid: z.int(),
  pid: z.int(),
  /** Start time of the process in clock ticks since boot: tells a reused pid apart. proc(5), stat field 22. */
  start: z.int().nullable(),
  /** Login uid kept by the kernel's audit subsystem over su and sudo; null when unset (4294967295). */
  loginuid: z.int().nullable(),
  exe: z.string().nullable(),
  tty: z.string().nullable(),
})
export type VerifiedActor = z.infer<typeof verifiedActorSchema>

export const claimedActorSchema = z.object({
  sudoUser: z.string().max(100).optional(),
  sshClient: z.string().max(100).optional(),
  reason: z.string().max(500).optional(),
})
export type ClaimedActor = z.infer<typeof claimedActorSchema>

export const SYSTEM_ACTORS = ['boot', 'autostart', 'recovery', 'monitor', 'trash', 'shutdown'] as const

export const actorSchema = z.union([
  z.object({ system: z.enum(SYSTEM_ACTORS) }),
  z.object({ verified: verifiedActorSchema, claimed: claimedActorSchema.optional() }),
])
export type Actor = z.infer<typeof actorSchema>
export type SystemActor = (typeof SYSTEM_ACTORS)[number]
