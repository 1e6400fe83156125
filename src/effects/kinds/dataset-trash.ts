/**
 * dataset.trash: takes a container's dataset out of service: unmount, rename into the trash.
 *
 * By guid, as dataset.rename. A mount that something still holds is detached lazily: the name is free at
 * once, and dataset.destroy waits for the last user. On a full pool the reserve of the log makes room. Killed before,
 * or between unmount and rename: not started. Killed after, or twice: done. Undo is un-delete: the dataset is renamed
 * back, nothing was lost.
 */
import type { EffectContext, EffectKind } from '../effect.ts'
import { HostError } from '../host.ts'
import { withReserve } from '../reservation.ts'
import { fullName, mustBe } from './common.ts'

/**
 * A mount can be taken from under a container that runs, and it would run on, on files in the trash, known to nobody.
 * @throws E_REFUSED (permanent) when it was started by other means since osctld last looked; E_BUSY (transient) while it
 *         ends, or when its state cannot be told
 */
async function mustBeStopped({ host, container }: EffectContext): Promise<void> {
  const spec = container()
  const { state } = await host.lxc.inspect(spec)
  if (state === 'stopped') return
  if (state === 'stopping' || state === 'unknown')
    throw new HostError('E_BUSY', 'transient', `${spec.ctid} is not known to be stopped: it is ${state}`)
  const way = 'osctl drift scan, then drift adopt or drift repair'
  throw new HostError(
    'E_REFUSED',
    'permanent',
    `${spec.ctid} is ${state}, and osctld did not start it (${way})`,
  )
}

/** @throws what the second, lazy attempt throws */
async function detach(context: EffectContext, name: string): Promise<void> {
  try {
    await context.host.zfs.unmount(name)
  } catch (error) {
    if (!(error instanceof HostError) || error.code !== 'E_BUSY') throw error
    await context.host.zfs.unmount(name, { lazy: true })
  }
}

/**
 * Without its mount nobody starts it any more; one that was started just before gets the mount back, if it can be had:
 * the refusal is what is told, and its next start mounts anyway.
 * @throws as `mustBeStopped`
 */
async function mustHaveStayedStopped(context: EffectContext, name: string): Promise<void> {
  try {
    await mustBeStopped(context)
  } catch (error) {
    await context.host.zfs.mount(name).catch(() => undefined)
    throw error
  }
}

/**
 * @throws E_NOT_FOUND (permanent); E_REFUSED (refused) when `from` is another dataset, (permanent) when the container
 *         runs; E_EXISTS (permanent); E_BUSY (transient)
 * @idempotent yes, by guid
 * @source zfs-rename(8), OpenZFS 2.3; umount(2) MNT_DETACH
 */
export const datasetTrash: EffectKind<'dataset.trash'> = {
  kind: 'dataset.trash',
  idempotence: 'idempotent',
  async run(args, context) {
    const [from, to] = [fullName(context, args.from), fullName(context, args.to)]
    const target = await context.host.zfs.get(to)
    if (target?.guid === args.guid) return { guid: args.guid }
    await mustBe(context, from, args.guid)
    await mustBeStopped(context)
    await detach(context, from)
    await mustHaveStayedStopped(context, from)
    const { zfs } = context.host
    await withReserve(
      zfs,
      fullName(context, 'events'),
      () => zfs.rename(from, to, context.fence),
      context.fence,
    )
    return { guid: args.guid }
  },
  async probe(args, context) {
    const target = await context.host.zfs.get(fullName(context, args.to))
    if (target?.guid === args.guid) return { is: 'done', evidence: { guid: args.guid } }
    // Where somebody took it away there is nothing to wait for either: the run names what is missing (common.ts).
    return { is: 'not-started' }
  },
  async undo(args, _evidence, context) {
    const to = fullName(context, args.to)
    const seen = await context.host.zfs.get(to)
    if (seen?.guid !== args.guid) return
    await detach(context, to)
    await context.host.zfs.rename(to, fullName(context, args.from), context.fence)
  },
  assume: (args) => ({ guid: args.guid }),
  cancel: 'before',
  attempts: 5,
  lane: (args) => `dataset:${args.from}`,
}
