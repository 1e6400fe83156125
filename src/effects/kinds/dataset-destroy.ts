/**
 * dataset.destroy: frees the dataset with this guid, its snapshots and children, in one txg.
 *
 * Killed before: it is there, not started. There is no during: the channel program is all or nothing
 * (linux/zfs-destroy.ts), and ZFS frees the blocks in the background by itself. Killed after, or twice: absent, which is success. A dataset
 * of the same name with another guid is somebody else's and is refused. Undo: none, so who asks for it must
 * be sure; deleting a container goes to the trash first.
 */
import { type EffectKind, none } from '../effect.ts'
import { fullName } from './common.ts'

/**
 * @throws E_BUSY (transient); E_REFUSED (permanent) when the name is another dataset's, clones depend on it, or a
 *         bookmark keeps ZFS from telling whether it is in use
 * @idempotent yes, by guid
 * @source zfs-program(8) zfs.sync.destroy, OpenZFS 2.3
 */
export const datasetDestroy: EffectKind<'dataset.destroy'> = {
  kind: 'dataset.destroy',
  idempotence: 'idempotent',
  async run(args, context) {
    const name = fullName(context, args.dataset)
    const seen = await context.host.zfs.get(name)
    if (!seen) return {}
    if (seen.guid === args.guid) await context.host.zfs.unmount(name)
    await context.host.zfs.destroy(name, args.guid, context.fence)
    return {}
  },
  async probe(args, context) {
    const name = fullName(context, args.dataset)
    const seen = await context.host.zfs.get(name)
    if (!seen) return { is: 'done', evidence: {} }
    if (seen.guid === args.guid) return { is: 'not-started' }
    return { is: 'unknown', why: `${name} has guid ${seen.guid}, not ${args.guid}` }
  },
  undo: none('destroyed blocks are gone; a delete goes through the trash, which can be undone'),
  assume: () => ({}),
  cancel: none('what has begun to be destroyed cannot be kept'),
  attempts: 8,
  lane: (args) => `dataset:${args.dataset}`,
}
