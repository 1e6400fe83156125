/**
 * The datasets that a log and its cache lie on (DESIGN D4): made before anything can be logged, so
 * unlogged and idempotent; `zfs create` of what is there already is simply not done.
 */
import { chmodSync } from 'node:fs'
import type { Fence, Host } from '../../effects/host.ts'
import { HostError } from '../../effects/host.ts'

/** Small records: an event's commit is one page of 4 KiB and its WAL frame. */
const EVENTS_PROPERTIES = {
  atime: 'off',
  logbias: 'latency',
  recordsize: '8K',
  'com.sun:auto-snapshot': 'false',
  refreservation: '64M',
}
const CACHE_PROPERTIES = {
  atime: 'off',
  recordsize: '16K',
  sync: 'disabled',
  'com.sun:auto-snapshot': 'false',
}

const unlogged = (name: string): Fence => ({
  intent: `unlogged.${name}`,
  signal: new AbortController().signal,
})

async function ensure(
  host: Host,
  dataset: string,
  properties: Record<string, string>,
  create: boolean,
): Promise<string> {
  const seen = await host.zfs.get(dataset)
  if (!seen) {
    if (!create) {
      throw new HostError(
        'E_NOT_FOUND',
        'permanent',
        `${dataset} is missing: this pool has no event log (its dataset was destroyed or renamed)`,
      )
    }
    await host.zfs.create(dataset, { mount: true, properties }, unlogged(dataset.replaceAll('/', '.')))
  } else if (!seen.mounted) {
    await host.zfs.mount(dataset)
  }
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
export const eventsDirectory = (host: Host, dataset: string, create: boolean): Promise<string> =>
  ensure(host, `${dataset}/events`, EVENTS_PROPERTIES, create)

/** A cache may always be made anew. */
export const cacheDirectory = (host: Host, dataset: string): Promise<string> =>
  ensure(host, `${dataset}/cache`, CACHE_PROPERTIES, true)
