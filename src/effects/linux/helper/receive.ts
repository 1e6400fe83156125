/**
 * Receives the streams of an image in the `zfs` format as new datasets. Properties that a stream may bring
 * are not taken: a mount point or `exec=off` of another host means nothing here.
 */
import { receiveArgv } from './argv.ts'
import { inspectImage, streamNames } from './metadata.ts'
import { badImage, readOuter } from './outer.ts'
import { feed } from './pipe.ts'
import { progressFile } from './progress.ts'

export type ReceiveJob = {
  readonly job: 'receive'
  readonly file: string
  readonly dataset: string
  readonly progress: string
}

/** @throws E_BAD_IMAGE; what `zfs recv` said */
export async function receiveImage(job: ReceiveJob): Promise<Record<string, never>> {
  const { datasets, format } = await inspectImage(job.file)
  if (format !== 'zfs') throw badImage(`${job.file} is an image of format ${format}, not zfs`)
  const outer = await readOuter(job.file)
  const progress = progressFile(job.progress, outer.bytes)
  for (const relative of ['', ...datasets]) {
    const dataset = relative === '' ? job.dataset : `${job.dataset}/${relative}`
    for (const stream of ['base', 'incremental'] as const) {
      const member = outer.members.get(streamNames(outer, relative, stream)[0] ?? '')
      if (!member) continue
      await feed(job.file, member, [], receiveArgv(dataset, stream), progress)
    }
  }
  return {}
}
