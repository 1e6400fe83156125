/** Unpacks the root file system of an image in the `tar` format (DESIGN D17). */
import { type FilterResult, TarFilter } from '../tar/filter.ts'
import { unpackArgv } from './argv.ts'
import { badImage, readOuter } from './outer.ts'
import { feed } from './pipe.ts'
import { progressFile } from './progress.ts'

export type UnpackJob = {
  readonly job: 'unpack'
  readonly file: string
  /** `<dataset>/private`, which is emptied first. */
  readonly directory: string
  readonly first: number
  readonly count: number
  /** `src/hooks/unpack`: makes the namespaces and becomes tar. */
  readonly script: string
  /** An empty directory of the effect, a mount point in the namespace. */
  readonly root: string
  readonly progress: string
}

export const ROOTFS = 'rootfs/base.tar.gz'

/** @throws E_BAD_IMAGE naming the entry; E_NO_SPACE; E_FAILED with tar's words */
export async function unpackImage(job: UnpackJob): Promise<FilterResult> {
  const outer = await readOuter(job.file)
  const member = outer.members.get(ROOTFS)
  if (!member) throw badImage(`${job.file} has no ${ROOTFS}`)
  const filter = new TarFilter(job.count)
  await feed(job.file, member, [filter], unpackArgv(job), progressFile(job.progress, member.size))
  return filter.result
}
