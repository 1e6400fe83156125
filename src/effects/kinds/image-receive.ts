/**
 * image.receive: the root file system of a zfs image, received as a staging dataset with its sub-datasets.
 *
 * A stream is all there or not at all, but an archive holds several. Killed before: absent, not started.
 * Killed during: some datasets are there without the stamp, partial; run destroys them (the name is its own)
 * and starts again. Killed after, or twice: the stamp, set last, proves completeness.
 */
import type { EffectKind } from '../effect.ts'
import {
  archivePath,
  assertOwn,
  destroyOwn,
  evidenceOf,
  fullName,
  isNamedAfter,
  mustGet,
  plannedDataset,
  STAMP,
  verifyArchive,
} from './common.ts'

/**
 * @throws E_NOT_FOUND, E_CHECKSUM, E_BAD_IMAGE, E_NO_SPACE, E_EXISTS (permanent); E_BUSY (transient);
 *         E_ABORTED (cancelled)
 * @idempotent restarts: destroys what it received before, told by name
 * @source zfs-receive(8), OpenZFS 2.3; vpsadminos §5.3
 */
export const imageReceive: EffectKind<'image.receive'> = {
  kind: 'image.receive',
  idempotence: 'restart',
  async run(args, context) {
    const { zfs, images } = context.host
    const name = fullName(context, args.dataset)
    const path = archivePath(context, args.file)
    const seen = await zfs.get(name)
    if (seen?.properties[STAMP] === context.intent) return evidenceOf(seen)
    if (seen) {
      assertOwn(context, args.dataset, seen)
      await destroyOwn(context, args.dataset, seen.guid)
    }
    await verifyArchive(context, path, args.sha256)
    await images.receive(path, name, context.fence)
    await zfs.set(name, { [STAMP]: context.intent }, context.fence)
    return evidenceOf(await mustGet(context, name))
  },
  async probe(args, context) {
    const name = fullName(context, args.dataset)
    const seen = await context.host.zfs.get(name)
    if (!seen) return { is: 'not-started' }
    if (seen.properties[STAMP] === context.intent) return { is: 'done', evidence: evidenceOf(seen) }
    if (isNamedAfter(args.dataset, context.intent)) return { is: 'partial', what: `${name} is not complete` }
    return { is: 'unknown', why: `${name} exists and does not bear the mark of this intent` }
  },
  undo: (args, evidence, context) => destroyOwn(context, args.dataset, evidence?.guid ?? null),
  assume: (args) => plannedDataset(args.dataset),
  cancel: 'during',
  attempts: 2,
  lane: (args) => `dataset:${args.dataset}`,
}
