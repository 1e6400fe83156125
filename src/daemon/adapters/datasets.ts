/** Directories of a log and its cache on the real host: their datasets (`log-datasets.ts`), closed to all others. */
import { chmodSync } from 'node:fs'
import { type Dataset, type Host, HostError } from '../../effects/host.ts'
import { cacheDataset, ensureCache, ensureEvents, eventsDataset } from '../log-datasets.ts'

function closed(dataset: string, seen: Dataset | null): string {
  const directory = `/${dataset}`
  try {
    chmodSync(directory, 0o700)
  } catch (error) {
    const where = `${dataset} is not mounted on ${directory}`
    const hint =
      seen && seen.mountpoint !== directory ? ` (its mountpoint is ${seen.mountpoint ?? 'none'})` : ''
    throw new HostError('E_IO', 'permanent', where + hint, { cause: error })
  }
  return directory
}

/** @returns the directory of the event log, mounted; @throws HostError E_NOT_FOUND when it should be there */
export async function eventsDirectory(host: Host, dataset: string, create: boolean): Promise<string> {
  return closed(eventsDataset(dataset), await ensureEvents(host.zfs, dataset, create))
}

/** A cache may always be made anew. */
export async function cacheDirectory(host: Host, dataset: string): Promise<string> {
  return closed(cacheDataset(dataset), await ensureCache(host.zfs, dataset))
}
