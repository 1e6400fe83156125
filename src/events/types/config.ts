/** Configuration that an admin gives a container, and the facts that a creation is decided on. */
import { z } from 'zod'
import { attrNameSchema, ctidSchema, ulidSchema, userNameSchema } from './ids.ts'

/** One contiguous block of host ids: container ids 0 … count-1 are host ids first … first+count-1. */
export const idBlockSchema = z.object({
  first: z.int().min(65536),
  count: z.int().min(65536),
})
export type IdBlock = z.infer<typeof idBlockSchema>

export const autostartSchema = z.object({
  /** Lower starts earlier. */
  priority: z.int().min(0).max(1_000_000),
  /** Seconds to wait after this container before the next, when the host is under pressure. */
  delay: z.int().min(0).max(86_400),
})
export type Autostart = z.infer<typeof autostartSchema>

/** RFC 1123 labels, at most 253 characters in all. */
export const hostnameSchema = z
  .string()
  .max(253)
  .regex(
    /^(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*$/i,
    'a host name of letters, digits and -, labels of at most 63 characters joined by dots',
  )

/** What `ct set` and `ct unset` change. All of it is a fact: it needs no effect to become true. */
export const ctSettingsSchema = z.object({
  autostart: autostartSchema.nullable(),
  hostname: hostnameSchema.nullable(),
  attrs: z.record(attrNameSchema, z.string().max(4096)),
})
export type CtSettings = z.infer<typeof ctSettingsSchema>

/** What a container is; fixed at creation, save for the settings. */
export const ctIdentitySchema = z.object({
  id: ulidSchema,
  ctid: ctidSchema,
  user: userNameSchema,
  group: z.string(),
  distribution: z.string().min(1).max(100),
  version: z.string().min(1).max(100),
  arch: z.string().min(1).max(50),
  /** Program and arguments of the container's init; null is /sbin/init. */
  initCmd: z.array(z.string().min(1)).min(1).nullable(),
})
export type CtIdentity = z.infer<typeof ctIdentitySchema>

/**
 * An image as the repository's index described it when the command was decided.
 * `key` names the image's dataset below `<ds>/image` and is made of hash or path: equal key, equal bytes.
 */
export const repositoryImageSchema = z.object({
  repository: z.string(),
  key: z.string().regex(/^[a-z0-9][a-z0-9_.-]{0,150}$/i),
  vendor: z.string(),
  variant: z.string(),
  arch: z.string(),
  distribution: z.string(),
  version: z.string(),
  format: z.enum(['tar', 'zfs']),
  /** Absolute URL (http, https) or absolute path of the archive. */
  url: z.string(),
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .nullable(),
})
export type RepositoryImage = z.infer<typeof repositoryImageSchema>

/** An archive on the host, inspected before the command was decided (a read-only observation). */
export const imageFileSchema = z.object({
  path: z.string(),
  format: z.enum(['tar', 'zfs']),
  bytes: z.int(),
  /** Names of the sub-datasets in the archive, relative, without the root dataset. */
  datasets: z.array(z.string()),
  /** Snapshots that a zfs stream brings along and that are destroyed after it was received. */
  snapshots: z.array(z.string()),
})
export type ImageFile = z.infer<typeof imageFileSchema>

/** Where a new container's root file system comes from. */
export const imageSourceSchema = z.discriminatedUnion('from', [
  z.object({ from: z.literal('pool'), key: z.string(), guid: z.string() }),
  z.object({ from: z.literal('repository'), image: repositoryImageSchema }),
  z.object({ from: z.literal('file'), file: imageFileSchema }),
  z.object({ from: z.literal('empty') }),
])
export type ImageSource = z.infer<typeof imageSourceSchema>
