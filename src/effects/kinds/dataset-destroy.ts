/**
 * dataset.destroy: frees the dataset with this guid, its snapshots and children, in one txg.
 *
 * Killed before: it is there, not started. There is no during: the channel program is all or nothing
 * (linux/zfs-destroy.ts), and ZFS frees the blocks in the background by itself. Killed after, or twice: absent, which is
 * success. Absent is what no dataset of the pool has the guid of: one that an admin renamed is there still, and is
 * refused, as nobody said that what it is now should be destroyed. A dataset of the same name with another guid is
 * somebody else's and is refused. Undo: none, so who asks for it must be sure; deleting a container goes to the trash
 * first.
 */
import type { IntentArgs } from '../../events/types/intents.ts'
import { type EffectContext, type EffectKind, none } from '../effect.ts'
import { HostError } from '../host.ts'
import { fullName } from './common.ts'

/** What a dataset that is not in its place is called now; null when it is nowhere on the pool. */
async function nameNow(
  { guid }: IntentArgs<'dataset.destroy'>,
  { host, pool }: EffectContext,
): Promise<string | null> {
  return (await host.zfs.list(pool)).find((it) => it.guid === guid)?.name ?? null
}

/**
 * @throws E_BUSY (transient); E_REFUSED (permanent) when it has another name now, the name is another dataset's, clones
 *         depend on it, or a bookmark keeps ZFS from telling whether it is in use
 * @idempotent yes, by guid
 * @source zfs-program(8) zfs.sync.destroy, OpenZFS 2.3
 */
export const datasetDestroy: EffectKind<'dataset.destroy'> = {
  kind: 'dataset.destroy',
  idempotence: 'idempotent',
  async run(args, context) {
    const name = fullName(context, args.dataset)
    const seen = await context.host.zfs.get(name)
    if (!seen) {
      const now = await nameNow(args, context)
      if (now === null) return {}
      const why = `it is called ${now} now (osctl drift scan)`
      throw new HostError('E_REFUSED', 'permanent', `cannot destroy ${name}: ${why}`)
    }
    if (seen.guid === args.guid) await context.host.zfs.unmount(name)
    await context.host.zfs.destroy(name, args.guid, context.fence)
    return {}
  },
  async probe(args, context) {
    const name = fullName(context, args.dataset)
    const seen = await context.host.zfs.get(name)
    const isGone = !seen && (await nameNow(args, context)) === null
    if (isGone) return { is: 'done', evidence: {} }
    // Where it was renamed the run names what it is called now.
    if (!seen || seen.guid === args.guid) return { is: 'not-started' }
    return { is: 'unknown', why: `${name} has guid ${seen.guid}, not ${args.guid}` }
  },
  undo: none('destroyed blocks are gone; a delete goes through the trash, which can be undone'),
  assume: () => ({}),
  cancel: none('what has begun to be destroyed cannot be kept'),
  attempts: 8,
  lane: (args) => `dataset:${args.dataset}`,
}
