/**
 * lxc.freeze: stops all processes of a container where they are, by the cgroup freezer.
 *
 * Killed before: running, not started. Killed during: freezing, and writing the same again is harmless.
 * Killed after, or twice: frozen, done. A container that ended meanwhile makes the run fail, not freeze.
 */
import type { EffectKind } from '../effect.ts'
import { refOf } from './common.ts'
import { probeFor, revert, seenRun } from './freezing.ts'

/**
 * @throws E_NOT_RUNNING (permanent); E_REFUSED (refused) for another run; E_TIMEOUT (transient)
 * @idempotent yes
 * @source lxc-freeze(1), LXC 6; cgroup-v2.rst "cgroup.freeze"
 */
export const lxcFreeze: EffectKind<'lxc.freeze'> = {
  kind: 'lxc.freeze',
  idempotence: 'idempotent',
  async run(args, context) {
    const state = await seenRun(args, context)
    if (state !== 'frozen') await context.host.lxc.freeze(refOf(context, args), context.fence)
    return {}
  },
  probe: (args, context) => probeFor('frozen', args, context),
  undo: (args, _evidence, context) =>
    revert('frozen', args, context, () => context.host.lxc.thaw(refOf(context, args), context.fence)),
  assume: () => ({}),
  cancel: 'before',
  attempts: 3,
  lane: () => null,
}
