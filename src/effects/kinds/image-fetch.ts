/**
 * image.fetch: an image's archive, in the pool's cache `<ds>/repository/<repository>/<key>.tar`.
 *
 * The port downloads to `<file>.part`, verifies, and renames, so a file under the final name is whole. Killed
 * before: absent, not started. Killed during: `.part` is there, which the next run resumes. Killed after, or
 * twice: the file is there with the hash that the index named. The name depends on the arguments alone.
 */
import type { RepositoryImage } from '../../events/types/config.ts'
import { type EffectKind, none } from '../effect.ts'
import { HostError } from '../host.ts'
import { archivePath } from './common.ts'

/**
 * Path of an image's archive, relative to the mount point of `<ds>`. The key is made of hash or path and
 * has no `/` by its schema, so nothing that an index says can lead out of the directory.
 *
 * @throws E_REFUSED (refused) for a repository's name that is not one path component
 * @pure
 */
export function imageFile(image: Pick<RepositoryImage, 'repository' | 'key'>): string {
  for (const part of [image.repository, image.key]) {
    if (/^[a-z0-9][a-z0-9_.-]*$/i.test(part)) continue
    throw new HostError('E_REFUSED', 'refused', `${JSON.stringify(part)} cannot be part of a file name`)
  }
  return `repository/${image.repository}/${image.key}.tar`
}

/**
 * @throws E_NETWORK (transient, or permanent for an answer like 404); E_CHECKSUM (permanent);
 *         E_NO_SPACE (permanent); E_ABORTED (cancelled)
 * @idempotent yes: a file that is there and verified is not fetched again
 * @source vpsadminos §5.4
 */
export const imageFetch: EffectKind<'image.fetch'> = {
  kind: 'image.fetch',
  idempotence: 'idempotent',
  async run(args, context) {
    const file = imageFile(args.image)
    const path = archivePath(context, file)
    if (args.image.sha256 !== null) {
      const seen = await context.host.images.stat(path)
      if (seen?.sha256 === args.image.sha256) return { file, ...seen }
    }
    const got = await context.host.images.fetch(args.image.url, path, args.image.sha256, context.fence)
    return { file, sha256: got.sha256, bytes: got.bytes }
  },
  async probe(args, context) {
    const file = imageFile(args.image)
    const seen = await context.host.images.stat(archivePath(context, file))
    if (!seen) return { is: 'not-started' }
    if (args.image.sha256 !== null && seen.sha256 !== args.image.sha256) {
      return { is: 'partial', what: `${file} has sha256 ${seen.sha256}, expected ${args.image.sha256}` }
    }
    return { is: 'done', evidence: { file, ...seen } }
  },
  undo: none('a downloaded image is a cache, useful to the next container and verified at every use'),
  assume: (args) => ({
    file: imageFile(args.image),
    sha256: args.image.sha256 ?? '<sha256 of the download>',
    bytes: '<bytes of the download>',
  }),
  cancel: 'during',
  attempts: 5,
  lane: (args) => `file:${imageFile(args.image)}`,
}
