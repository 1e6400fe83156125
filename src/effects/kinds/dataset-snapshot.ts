/**
 * dataset.snapshot: `dataset@name` of the dataset with this guid; one sync task.
 *
 * Killed before: absent, not started. There is no during: it is atomic. Killed after, or twice: the snapshot
 * of that name on the dataset with that guid is the one. Undo without recorded guid destroys it only when
 * the dataset's name shows that our operation made it.
 */
import type { EffectKind } from '../effect.ts'
import { evidenceOf, fullName, isNamedAfter, mustBe, mustGet } from './common.ts'

/**
 * @throws E_NOT_FOUND (permanent), E_REFUSED (refused) when the dataset is another one
 * @idempotent yes
 * @source zfs-snapshot(8), OpenZFS 2.3
 */
export const datasetSnapshot: EffectKind<'dataset.snapshot'> = {
  kind: 'dataset.snapshot',
  idempotence: 'idempotent',
  async run(args, context) {
    const dataset = fullName(context, args.dataset)
    const name = `${dataset}@${args.name}`
    await mustBe(context, dataset, args.guid)
    const seen = await context.host.zfs.get(name)
    if (seen) return evidenceOf(seen)
    await context.host.zfs.snapshot(name, context.fence)
    return evidenceOf(await mustGet(context, name))
  },
  async probe(args, context) {
    const dataset = fullName(context, args.dataset)
    const parent = await context.host.zfs.get(dataset)
    if (parent?.guid !== args.guid) return { is: 'not-started' }
    const seen = await context.host.zfs.get(`${dataset}@${args.name}`)
    return seen ? { is: 'done', evidence: evidenceOf(seen) } : { is: 'not-started' }
  },
  async undo(args, evidence, context) {
    const dataset = fullName(context, args.dataset)
    const parent = await context.host.zfs.get(dataset)
    if (parent?.guid !== args.guid) return
    const seen = await context.host.zfs.get(`${dataset}@${args.name}`)
    if (!seen) return
    const ours = evidence ? seen.guid === evidence.guid : isNamedAfter(args.dataset, context.intent)
    if (ours) await context.host.zfs.destroy(seen.name, seen.guid, context.fence)
  },
  assume: (args) => ({
    guid: `<guid of snapshot ${args.name}>`,
    createtxg: `<createtxg of snapshot ${args.name}>`,
  }),
  cancel: 'before',
  attempts: 3,
  lane: (args) => `dataset:${args.dataset}`,
}
