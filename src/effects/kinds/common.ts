/**
 * What the kinds share: full names, the question "is this ours?", and undoing by guid.
 *
 * A dataset is ours for two reasons only: its guid stands in our log, or its last name component holds the
 * ULID of our operation, which nobody else could have come up with (DESIGN D6). A stamp, a user property
 * with the intent's id, is set as the *last* step of making a dataset: with it the dataset is complete,
 * without it the dataset is partial.
 *
 * A dataset that an effect works on can be taken away by an admin without osctl, also between a crash and recovery. It
 * is not in doubt then: the probe says not-started, as what the effect makes is not there, the run is refused by
 * `mustBe`, which names what is missing, and the operation is undone. In doubt is what nobody can tell by looking.
 */
import type { DatasetEvidence } from '../../events/types/intents.ts'
import type { Assumed, EffectContext } from '../effect.ts'
import { type ContainerRef, type Dataset, HostError } from '../host.ts'

/** User property: the intent that made this dataset; its presence says that the dataset is complete. */
export const STAMP = 'org.vpsadminos.osctl:intent'
/** User property: what image.unpack put into this dataset, as `intent/entries/bytes/skipped devices`. */
export const UNPACKED = 'org.vpsadminos.osctl:unpacked'

/** A container's mount point is closed: ids on disk are unshifted, so its setuid files are real. */
export const CONTAINER_MODES = { '.': 0o770, private: 0o755 } as const

export const fullName = (context: { dataset: string }, relative: string): string =>
  `${context.dataset}/${relative}`

/** True when the name itself proves that this operation made what bears it. */
export function isNamedAfter(relative: string, intent: string): boolean {
  const operation = intent.split('.')[0] ?? ''
  const last = relative.split('/').at(-1) ?? ''
  return operation !== '' && last.includes(operation)
}

export const evidenceOf = (dataset: Dataset): DatasetEvidence => ({
  guid: dataset.guid,
  createtxg: dataset.createtxg,
})

/**
 * The dataset, which was just made or must be there.
 * @throws E_NOT_FOUND (permanent)
 */
export async function mustGet(context: EffectContext, name: string): Promise<Dataset> {
  const seen = await context.host.zfs.get(name)
  if (!seen) throw new HostError('E_NOT_FOUND', 'permanent', `dataset ${name} does not exist`)
  return seen
}

/**
 * The dataset of this name, if it is the one that the log means.
 * @throws E_NOT_FOUND (permanent) when absent, E_REFUSED (refused) when another has that name
 */
export async function mustBe(context: EffectContext, name: string, guid: string): Promise<Dataset> {
  const seen = await mustGet(context, name)
  if (seen.guid !== guid) {
    throw new HostError('E_REFUSED', 'refused', `dataset ${name} has guid ${seen.guid}, expected ${guid}`)
  }
  return seen
}

/**
 * Destroys what this intent made under this name. With a recorded guid only that very dataset; without
 * one only a dataset whose name holds our operation. Anything else is left alone.
 *
 * @throws E_BUSY (transient)
 * @idempotent yes: absent is success
 */
export async function destroyOwn(
  context: EffectContext,
  relative: string,
  guid: string | null,
): Promise<void> {
  const name = fullName(context, relative)
  const seen = await context.host.zfs.get(name)
  if (!seen) return
  const ours = guid === null ? isNamedAfter(relative, context.intent) : seen.guid === guid
  if (!ours) return
  await context.host.zfs.unmount(name)
  await context.host.zfs.destroy(name, seen.guid, context.fence)
}

/**
 * Refuses to build on a dataset that somebody else made under our name.
 * @throws E_EXISTS (permanent)
 */
export function assertOwn(context: EffectContext, relative: string, seen: Dataset): void {
  if (seen.properties[STAMP] === context.intent || isNamedAfter(relative, context.intent)) return
  throw new HostError('E_EXISTS', 'permanent', `dataset ${seen.name} already exists`)
}

/** Path of an archive: absolute as it is, else below `<ds>`'s mount point. */
export function archivePath(context: { directory: string }, file: string): string {
  if (file.split('/').includes('..')) {
    throw new HostError('E_REFUSED', 'refused', `${file}: .. is not allowed in the path of an archive`)
  }
  return file.startsWith('/') ? file : `${context.directory}/${file}`
}

/**
 * Verifies that an archive still is what the operation was decided on.
 * @throws E_NOT_FOUND, E_CHECKSUM (permanent)
 */
export async function verifyArchive(
  context: EffectContext,
  path: string,
  sha256: string | null,
): Promise<void> {
  if (sha256 === null) return
  const seen = await context.host.images.stat(path)
  if (!seen) throw new HostError('E_NOT_FOUND', 'permanent', `image ${path} does not exist`)
  if (seen.sha256 !== sha256) {
    throw new HostError(
      'E_CHECKSUM',
      'permanent',
      `image ${path} has sha256 ${seen.sha256}, expected ${sha256}`,
    )
  }
}

export const refOf = (context: EffectContext, args: { id: string; ctid: string }): ContainerRef => ({
  pool: context.pool,
  id: args.id,
  ctid: args.ctid,
})

/** Stands in a plan for what is known only after step n, told by the name `…<operation>.<n>`. */
function plannedAfter<W extends string>(what: W, relative: string): `<${W} of ${string}>` {
  const step = /\.(\d+)$/.exec(relative)?.[1]
  return step === undefined ? `<${what} of ${relative}>` : `<${what} of step ${step}>`
}

export const plannedDataset = (relative: string): Assumed<'dataset.create'> => ({
  guid: plannedAfter('guid', relative),
  createtxg: plannedAfter('createtxg', relative),
})
