/**
 * pool.mark: the user properties on the zpool's root dataset that make it ours (or no longer ours).
 *
 * One `zfs set` sets both properties; read back they are the whole truth, so probe needs no trace of its
 * own. Killed before: not started. Killed after, or twice: done. Undo takes back only what it set.
 */
import type { IntentArgs } from '../../events/types/intents.ts'
import { type EffectContext, type EffectKind, none } from '../effect.ts'
import type { Dataset } from '../host.ts'
import { mustGet } from './common.ts'

export const ACTIVE = 'org.vpsadminos.osctl:active'
export const SCOPE = 'org.vpsadminos.osctl:dataset'

type Args = IntentArgs<'pool.mark'>

const markOf = (seen: Dataset, property: string): string | null => {
  const value = seen.properties[property]
  return value === undefined || value === '-' ? null : value
}

const isMarked = (args: Args, seen: Dataset): boolean =>
  markOf(seen, ACTIVE) === (args.active ? 'yes' : 'no') && markOf(seen, SCOPE) === args.dataset

/** `dataset` null is the zpool's root dataset, which is what an absent property means. */
async function mark(args: Args, context: EffectContext): Promise<void> {
  const properties = { [ACTIVE]: args.active ? 'yes' : 'no', [SCOPE]: args.dataset }
  await context.host.zfs.set(context.pool, properties, context.fence)
}

/**
 * @throws E_NOT_FOUND (permanent) when the zpool is gone; E_READ_ONLY (permanent)
 * @idempotent yes
 * @source vpsadminos §1.1; zfs-set(8)
 */
export const poolMark: EffectKind<'pool.mark'> = {
  kind: 'pool.mark',
  idempotence: 'idempotent',
  async run(args, context) {
    if (!isMarked(args, await mustGet(context, context.pool))) await mark(args, context)
    return {}
  },
  async probe(args, context) {
    const seen = await context.host.zfs.get(context.pool)
    if (!seen) return { is: 'unknown', why: `zpool ${context.pool} is not imported` }
    return isMarked(args, seen) ? { is: 'done', evidence: {} } : { is: 'not-started' }
  },
  async undo(args, _evidence, context) {
    const seen = await context.host.zfs.get(context.pool)
    if (!seen || !isMarked(args, seen)) return
    if (args.active)
      await context.host.zfs.set(context.pool, { [ACTIVE]: null, [SCOPE]: null }, context.fence)
    else await mark({ active: true, dataset: args.dataset }, context)
  },
  assume: () => ({}),
  cancel: none("one property is set at once; pool install and pool uninstall are each other's opposite"),
  attempts: 5,
  lane: () => 'pool',
}
