/**
 * dataset.rename: publishes what was made in staging; `zfs rename` is one sync task.
 *
 * The dataset is found by its guid, never by name alone. Killed before, or between unmount and rename: it
 * still stands under `from`, not started. Killed after, or twice: it stands under `to`, done. Two operations
 * that publish the same image meet here: with `orExisting` the second takes what the first published.
 * A dataset that is renamed is not mounted; who needs it mounts it.
 */
import type { Evidence, IntentArgs } from '../../events/types/intents.ts'
import type { EffectContext, EffectKind } from '../effect.ts'
import { HostError } from '../host.ts'
import { fullName, mustBe } from './common.ts'

type Args = IntentArgs<'dataset.rename'>

/** What the target's name says already, null when it is free. @throws E_EXISTS (permanent) */
async function alreadyThere(args: Args, context: EffectContext): Promise<Evidence<'dataset.rename'> | null> {
  const seen = await context.host.zfs.get(fullName(context, args.to))
  if (!seen) return null
  if (seen.guid === args.guid) return { guid: seen.guid, existing: false }
  if (args.orExisting) return { guid: seen.guid, existing: true }
  throw new HostError('E_EXISTS', 'permanent', `dataset ${seen.name} already exists`)
}

/**
 * @throws E_EXISTS (permanent) when the target is there and `orExisting` is false; E_NOT_FOUND (permanent);
 *         E_REFUSED (refused) when `from` is another dataset; E_BUSY (transient)
 * @idempotent yes, by guid
 * @source zfs-rename(8), OpenZFS 2.3
 */
export const datasetRename: EffectKind<'dataset.rename'> = {
  kind: 'dataset.rename',
  idempotence: 'idempotent',
  async run(args, context) {
    const { zfs } = context.host
    const there = await alreadyThere(args, context)
    if (there) return there
    const from = fullName(context, args.from)
    await mustBe(context, from, args.guid)
    await zfs.unmount(from)
    try {
      await zfs.rename(from, fullName(context, args.to), context.fence)
    } catch (error) {
      const raced = error instanceof HostError && error.code === 'E_EXISTS' && args.orExisting
      const winner = raced ? await alreadyThere(args, context) : null
      if (!winner) throw error
      return winner
    }
    return { guid: args.guid, existing: false }
  },
  async probe(args, context) {
    const target = await context.host.zfs.get(fullName(context, args.to))
    if (target?.guid === args.guid) return { is: 'done', evidence: { guid: args.guid, existing: false } }
    // Where somebody took it away there is nothing to wait for either: the run names what is missing (common.ts).
    return { is: 'not-started' }
  },
  async undo(args, evidence, context) {
    if (evidence?.existing) return
    const { zfs } = context.host
    const to = fullName(context, args.to)
    const seen = await zfs.get(to)
    if (seen?.guid !== args.guid) return
    await zfs.unmount(to)
    await zfs.rename(to, fullName(context, args.from), context.fence)
  },
  assume: (args) => ({ guid: args.guid, existing: false }),
  otherwise: (args) =>
    args.orExisting
      ? {
          when: `${args.to} was published by another`,
          evidence: { guid: `<guid of ${args.to}>`, existing: true },
        }
      : null,
  cancel: 'before',
  attempts: 5,
  lane: (args) => `dataset:${args.to}`,
}
