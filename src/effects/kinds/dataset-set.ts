/**
 * dataset.set: sets properties of the dataset with this guid; null goes back to the inherited value.
 *
 * Read back they are the whole truth, so the probe needs no trace of its own: a property that is null is as it should
 * be when it is not set, or has the value that it has without being set. Killed before: not started. Killed between two
 * commands: not started, and run sets all of them. Killed after, or twice: done. What was before is what somebody set
 * by hand, so there is no way back.
 */
import type { IntentArgs } from '../../events/types/intents.ts'
import { type EffectContext, type EffectKind, none } from '../effect.ts'
import type { Dataset } from '../host.ts'
import { mustBe } from './common.ts'

type Args = IntentArgs<'dataset.set'>

/** What native properties are when nobody set them; user properties are then not there. */
const UNSET: Readonly<Record<string, readonly string[]>> = {
  quota: ['0', 'none'],
  refquota: ['0', 'none'],
  reservation: ['0', 'none'],
  refreservation: ['0', 'none'],
  readonly: ['off'],
  canmount: ['on'],
}

/** The value that a dataset has; a property that is not set, or is set to what it is without, has none. @pure */
export function ownValue(seen: Dataset, property: string): string | null {
  if (property === 'mountpoint') return seen.mountpoint
  const value = seen.properties[property]
  return value === undefined || value === '-' || UNSET[property]?.includes(value) === true ? null : value
}

const wantedMountpoint = (name: string): string => `/${name}`

function isSet({ set }: Args, seen: Dataset): boolean {
  return Object.entries(set).every(([property, value]) => {
    const wanted = property === 'mountpoint' ? (value ?? wantedMountpoint(seen.name)) : value
    return ownValue(seen, property) === wanted
  })
}

/** Cannot be inherited, and is set to what it is without being set. @source zfs-inherit(8), OpenZFS 2.3 */
const INSTEAD: Readonly<Record<string, string>> = {
  quota: 'none',
  refquota: 'none',
  reservation: 'none',
  refreservation: 'none',
  canmount: 'on',
}

const commanded = (set: Args['set']): Record<string, string | null> =>
  Object.fromEntries(
    Object.entries(set).map(([property, value]) => [property, value ?? INSTEAD[property] ?? null]),
  )

const named = (args: Args, context: EffectContext): string =>
  args.dataset === '' ? context.pool : `${context.dataset}/${args.dataset}`

/**
 * @throws E_NOT_FOUND (permanent); E_REFUSED (refused) when the dataset is another one; E_NO_SPACE, E_BUSY
 * @idempotent yes
 * @source zfs-set(8), zfs-inherit(8), OpenZFS 2.3
 */
export const datasetSet: EffectKind<'dataset.set'> = {
  kind: 'dataset.set',
  idempotence: 'idempotent',
  async run(args, context) {
    const name = named(args, context)
    const seen = await mustBe(context, name, args.guid)
    if (!isSet(args, seen)) await context.host.zfs.set(name, commanded(args.set), context.fence)
    return {}
  },
  async probe(args, context) {
    const name = named(args, context)
    const seen = await context.host.zfs.get(name)
    const done = seen?.guid === args.guid && isSet(args, seen)
    return done ? { is: 'done', evidence: {} } : { is: 'not-started' }
  },
  undo: none('what was there before was set by hand and is what was to be mended'),
  assume: () => ({}),
  cancel: 'before',
  attempts: 5,
  lane: (args) => `dataset:${args.dataset}`,
}
