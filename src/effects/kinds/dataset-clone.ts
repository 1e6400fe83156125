/**
 * dataset.clone: a clone of an image's snapshot under a staging name, canmount=noauto, not mounted.
 *
 * `zfs clone -o` is two sync tasks (clone, then properties): killed between them leaves a clone without its
 * stamp, which is partial, and run sets the properties. Killed before: not started. Killed after: the stamp
 * proves it. Twice: the second run finds the stamp. `origin` is the guid of the image's dataset or of its
 * snapshot, so an image that was replaced under the same key is never cloned by mistake.
 */
import type { EffectContext, EffectKind } from '../effect.ts'
import { HostError } from '../host.ts'
import {
  assertOwn,
  destroyOwn,
  evidenceOf,
  fullName,
  isNamedAfter,
  mustBe,
  mustGet,
  plannedDataset,
  STAMP,
} from './common.ts'

/** @throws E_NOT_FOUND (permanent), E_REFUSED (refused) when the image is another one */
async function assertOrigin(context: EffectContext, snapshot: string, guid: string): Promise<void> {
  const seen = await mustGet(context, snapshot)
  if (seen.guid !== guid) await mustBe(context, snapshot.split('@')[0] ?? '', guid)
}

/**
 * @throws E_NOT_FOUND (permanent) when the snapshot or the parent is missing; E_REFUSED (refused) when the
 *         image has another guid; E_EXISTS (permanent)
 * @idempotent yes
 * @source zfs-clone(8), OpenZFS 2.3; module/zfs/zfs_ioctl.c "It would be nice to do this atomically"
 */
export const datasetClone: EffectKind<'dataset.clone'> = {
  kind: 'dataset.clone',
  idempotence: 'idempotent',
  async run(args, context) {
    const { zfs } = context.host
    const name = fullName(context, args.dataset)
    const snapshot = fullName(context, args.snapshot)
    const properties = { canmount: 'noauto', [STAMP]: context.intent }
    const seen = await zfs.get(name)
    if (seen?.properties[STAMP] === context.intent) return evidenceOf(seen)
    if (seen) {
      assertOwn(context, args.dataset, seen)
      if (seen.origin !== snapshot) {
        throw new HostError(
          'E_EXISTS',
          'permanent',
          `dataset ${name} already exists and is not a clone of ${snapshot}`,
        )
      }
      await zfs.set(name, properties, context.fence)
    } else {
      await assertOrigin(context, snapshot, args.origin)
      await zfs.clone(snapshot, name, properties, context.fence)
    }
    return evidenceOf(await mustGet(context, name))
  },
  async probe(args, context) {
    const name = fullName(context, args.dataset)
    const seen = await context.host.zfs.get(name)
    if (!seen) return { is: 'not-started' }
    if (seen.properties[STAMP] === context.intent) return { is: 'done', evidence: evidenceOf(seen) }
    if (isNamedAfter(args.dataset, context.intent))
      return { is: 'partial', what: `${name} lacks its properties` }
    return { is: 'unknown', why: `${name} exists and does not bear the mark of this intent` }
  },
  undo: (args, evidence, context) => destroyOwn(context, args.dataset, evidence?.guid ?? null),
  assume: (args) => plannedDataset(args.dataset),
  cancel: 'before',
  attempts: 3,
  lane: (args) => `dataset:${args.dataset}`,
}
