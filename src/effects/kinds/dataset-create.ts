/**
 * dataset.create: an empty dataset with a closed mount point and `private` in it, canmount=noauto, mounted.
 *
 * Killed before: nothing is there, not started. Killed during (created, unmounted, or without `private`, or
 * without its stamp): partial; run completes what it finds under its own name and destroys nothing. Killed
 * after: the stamp, set last, proves completeness. Twice: every step is skipped or repeats to the same end.
 */
import type { EffectKind } from '../effect.ts'
import {
  assertOwn,
  CONTAINER_MODES,
  destroyOwn,
  evidenceOf,
  fullName,
  isNamedAfter,
  mustGet,
  plannedDataset,
  STAMP,
} from './common.ts'

/**
 * @throws E_EXISTS (permanent) when somebody else's dataset has the name; E_NOT_FOUND (permanent) without a
 *         parent; E_NO_SPACE (permanent)
 * @idempotent yes
 * @source zfs-create(8), OpenZFS 2.3; zfsprops(7) "canmount"
 */
export const datasetCreate: EffectKind<'dataset.create'> = {
  kind: 'dataset.create',
  idempotence: 'idempotent',
  async run(args, context) {
    const { zfs } = context.host
    const name = fullName(context, args.dataset)
    const seen = await zfs.get(name)
    if (seen?.properties[STAMP] === context.intent) return evidenceOf(seen)
    if (seen) {
      assertOwn(context, args.dataset, seen)
      await zfs.set(name, { canmount: 'noauto' }, context.fence)
      await zfs.mount(name)
    } else {
      await zfs.create(name, { mount: true, properties: { canmount: 'noauto' } }, context.fence)
    }
    await zfs.directories(name, CONTAINER_MODES, context.fence)
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
  cancel: 'before',
  attempts: 3,
  lane: (args) => `dataset:${args.dataset}`,
}
