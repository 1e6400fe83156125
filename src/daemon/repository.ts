/**
 * Finding an image: repositories in the original's INDEX.json format (vpsadminos §5.4), over HTTP or from a
 * directory, with our `sha256` beside `image`. What the index said is a fact of the creation, so a replay
 * never asks the network.
 *
 * An image with a checksum is named by it: equal key, equal bytes. One without is named by its address and
 * the day, so that a rebuilt image of the same version is used from the next day on.
 */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { RepositoryImage } from '../events/types/config.ts'
import type { Repository } from '../machines/pool/context.ts'
import { withDeadline } from './deadline.ts'
import { invalid } from './errors.ts'
import type { DaemonPorts } from './ports.ts'

const name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.+~-]*$/)
const relativePath = z
  .string()
  .refine(
    (path) => !path.startsWith('/') && !path.split('/').includes('..'),
    'must stay inside the repository',
  )
  // It would stand in the log, and a query may hold a token.
  .refine((path) => !/[?#@]/.test(path), 'must be a path without query, fragment or user')
const hash = z.string().regex(/^[0-9a-f]{64}$/)

const indexSchema = z.object({
  vendors: z.record(z.string(), z.string()),
  images: z.array(
    z.object({
      vendor: name,
      variant: name,
      arch: name,
      distribution: name,
      version: name,
      tags: z.array(z.string()).default([]),
      image: z.object({ tar: relativePath.optional(), zfs: relativePath.optional() }),
      sha256: z.object({ tar: hash.optional(), zfs: hash.optional() }).optional(),
    }),
  ),
})
export type IndexedImage = z.infer<typeof indexSchema>['images'][number]
export type Index = z.infer<typeof indexSchema>

export type ImageWish = {
  readonly distribution?: string | undefined
  readonly version?: string | undefined
  readonly arch?: string | undefined
  readonly vendor?: string | undefined
  readonly variant?: string | undefined
  readonly tag?: string | undefined
}

const INDEX_TIMEOUT_MS = 30_000

/** @throws CallError invalid: the index is not one; HostError E_NETWORK, E_NOT_FOUND, E_TIMEOUT */
export async function readIndex(
  { host, clock }: Pick<DaemonPorts, 'host' | 'clock'>,
  url: string,
): Promise<Index> {
  const answer = await withDeadline(clock, INDEX_TIMEOUT_MS, url, (signal) => host.images.index(url, signal))
  const parsed = indexSchema.safeParse(answer)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw invalid('E_BAD_INDEX', `${url}: not a repository index: ${issue?.path.join('.')}: ${issue?.message}`)
}

/** Images that fit, in the index's order. `default` stands for the index's own default vendor and variant. @pure */
export function matching(index: Index, wish: ImageWish): IndexedImage[] {
  const vendor = wish.vendor === 'default' ? index.vendors['default'] : wish.vendor
  const variantOf = (image: IndexedImage): string | undefined =>
    wish.variant === 'default' ? index.vendors[image.vendor] : wish.variant
  return index.images.filter((image) => {
    const variant = variantOf(image)
    return (
      (vendor === undefined || image.vendor === vendor) &&
      (variant === undefined || image.variant === variant) &&
      (wish.arch === undefined || image.arch === wish.arch) &&
      (wish.distribution === undefined || image.distribution === wish.distribution) &&
      (wish.version === undefined || image.version === wish.version || image.tags.includes(wish.version)) &&
      (wish.tag === undefined || image.tags.includes(wish.tag))
    )
  })
}

/** `day` is the UTC day as `yyyymmdd`. @pure */
export function imageOf(
  repository: string,
  url: string,
  image: IndexedImage,
  day: string,
): RepositoryImage | null {
  // The archive is preferred: it is unpacked inside the container's own user namespace.
  const format = image.image.tar !== undefined ? 'tar' : 'zfs'
  const path = image.image[format]
  if (path === undefined) return null
  const sha256 = image.sha256?.[format] ?? null
  const { vendor, variant, arch, distribution, version } = image
  const address = joined(url, path)
  return {
    repository,
    key: keyOf(address, sha256, day),
    vendor,
    variant,
    arch,
    distribution,
    version,
    format,
    url: address,
    sha256,
  }
}

/** @pure */
export function keyOf(address: string, sha256: string | null, day: string): string {
  if (sha256 !== null) return `s${sha256.slice(0, 40)}`
  return `u${createHash('sha256').update(address).digest('hex').slice(0, 32)}-${day}`
}

const joined = (url: string, path: string): string => `${url.replace(/\/+$/, '')}/v1/${path}`

export const dayOf = (wall: number): string => new Date(wall).toISOString().slice(0, 10).replaceAll('-', '')

/** The image to create a container from: enabled repositories in order, or the named one. */
export async function findImage(
  ports: Pick<DaemonPorts, 'host' | 'clock'>,
  repositories: Readonly<Record<string, Repository>>,
  wanted: string | null,
  wish: ImageWish,
): Promise<{ image: RepositoryImage | null; problems: string[] }> {
  const problems: string[] = []
  const names =
    wanted === null ? Object.keys(repositories).filter((key) => repositories[key]?.enabled) : [wanted]
  for (const key of names) {
    const repository = repositories[key]
    if (!repository) continue
    try {
      const index = await readIndex(ports, repository.url)
      const found = matching(index, wish)[0]
      const image = found ? imageOf(key, repository.url, found, dayOf(ports.clock.wall())) : null
      if (image) return { image, problems }
    } catch (error) {
      problems.push(`repository ${key}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  return { image: null, problems }
}
