/**
 * image.unpack: the root file system of a tar image, in `private` of a staging dataset.
 *
 * The port empties `private` first, so running it again over half an archive is the same as once. What it
 * did is written into a user property of the dataset as the last step: killed before or during, the property
 * is absent (partial, run again); killed after, it holds the evidence. A dataset with another guid is never
 * written to. Undo: none of its own, the staging dataset goes as a whole.
 */
import type { Evidence } from '../../events/types/intents.ts'
import { type EffectKind, none } from '../effect.ts'
import { HostError } from '../host.ts'
import { archivePath, CONTAINER_MODES, fullName, mustBe, UNPACKED, verifyArchive } from './common.ts'

type Unpacked = Evidence<'image.unpack'>

const formatUnpacked = (intent: string, done: Unpacked): string =>
  [intent, done.entries, done.bytes, done.skippedDevices].join('/')

/** What the property says, if this intent wrote it. @pure */
function parseUnpacked(text: string | undefined, intent: string): Unpacked | null {
  const match = /^([^/]+)\/(\d+)\/(\d+)\/(\d+)$/.exec(text ?? '')
  if (!match || match[1] !== intent) return null
  return { entries: Number(match[2]), bytes: Number(match[3]), skippedDevices: Number(match[4]) }
}

/**
 * @throws E_NOT_FOUND (permanent); E_REFUSED (refused) when the dataset is another one; E_CHECKSUM,
 *         E_BAD_IMAGE, E_NO_SPACE (permanent); E_ABORTED (cancelled)
 * @idempotent restarts: begins with an empty `private`
 * @source vpsadminos §5.2, §5.3; DESIGN D17
 */
export const imageUnpack: EffectKind<'image.unpack'> = {
  kind: 'image.unpack',
  idempotence: 'restart',
  async run(args, context) {
    const { zfs, images } = context.host
    const name = fullName(context, args.dataset)
    const path = archivePath(context, args.file)
    const seen = await mustBe(context, name, args.guid)
    const before = parseUnpacked(seen.properties[UNPACKED], context.intent)
    if (before) return before
    if (!(await images.stat(path))) {
      throw new HostError('E_NOT_FOUND', 'permanent', `image ${path} does not exist`)
    }
    await verifyArchive(context, path, args.sha256)
    await zfs.mount(name)
    await zfs.directories(name, CONTAINER_MODES, context.fence)
    const done = await images.unpack(path, name, args.map, context.fence)
    const evidence = { entries: done.entries, bytes: done.bytes, skippedDevices: done.skippedDevices }
    await zfs.set(name, { [UNPACKED]: formatUnpacked(context.intent, evidence) }, context.fence)
    return evidence
  },
  async probe(args, context) {
    const name = fullName(context, args.dataset)
    const seen = await context.host.zfs.get(name)
    if (seen?.guid !== args.guid) return { is: 'not-started' }
    const before = parseUnpacked(seen.properties[UNPACKED], context.intent)
    if (before) return { is: 'done', evidence: before }
    return { is: 'partial', what: `${name} may hold some of the files of ${args.file}` }
  },
  undo: none('its dataset is in staging and is destroyed as a whole by the undo of dataset.create'),
  assume: () => ({ entries: '<entries>', bytes: '<bytes>', skippedDevices: '<devices>' }),
  cancel: 'during',
  attempts: 2,
  lane: (args) => `dataset:${args.dataset}`,
}
