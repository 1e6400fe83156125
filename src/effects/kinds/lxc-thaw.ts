/**
 * lxc.thaw: lets the processes of a frozen container go on.
 *
 * Killed before: frozen, not started. Killed during: freezing or running, and writing the same again is
 * harmless. Killed after, or twice: running, done. A container that ended meanwhile makes the run fail.
 */
import type { EffectKind } from '../effect.ts'
import { refOf } from './common.ts'
import { probeFor, revert, seenRun } from './freezing.ts'

/**
 * @throws E_NOT_RUNNING (permanent); E_REFUSED (refused) for another run; E_TIMEOUT (transient)
 * @idempotent yes
 * @source lxc-unfreeze(1), LXC 6; cgroup-v2.rst "cgroup.freeze"
 */
export const lxcThaw: EffectKind<'lxc.thaw'> = {
  kind: 'lxc.thaw',
  idempotence: 'idempotent',
  async run(args, context) {
    const state = await seenRun(args, context)
    if (state !== 'running') await context.host.lxc.thaw(refOf(context, args), context.fence)
    return {}
  },
  probe: (args, context) => probeFor('running', args, context),
  undo: (args, _evidence, context) =>
    revert('running', args, context, () => context.host.lxc.freeze(refOf(context, args), context.fence)),
  assume: () => ({}),
  cancel: 'before',
  attempts: 3,
  lane: () => null,
}
