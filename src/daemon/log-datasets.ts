/**
 * The datasets that a log and its cache lie on (DESIGN D4): made before anything can be logged, so unlogged and
 * idempotent; `zfs create` of what is there already is simply not done.
 */
import { type Dataset, type Fence, HostError, type ZfsPort } from '../effects/host.ts'
import { keepReservation, LOG_RESERVE_BYTES } from '../effects/reservation.ts'

/** Small records: an event's commit is one page of 4 KiB and its WAL frame. */
const EVENTS_PROPERTIES = {
  atime: 'off',
  logbias: 'latency',
  recordsize: '8K',
  'com.sun:auto-snapshot': 'false',
  refreservation: String(LOG_RESERVE_BYTES),
}
const CACHE_PROPERTIES = {
  atime: 'off',
  recordsize: '16K',
  sync: 'disabled',
  'com.sun:auto-snapshot': 'false',
}

/** The fence of maintenance that no event asked for. */
export const unlogged = (name: string): Fence => ({
  intent: `unlogged.${name.replaceAll(/[/@]/g, '.')}`,
  signal: new AbortController().signal,
})

/** @returns what was there before; @throws HostError E_NOT_FOUND when it should be there */
async function ensure(
  zfs: ZfsPort,
  dataset: string,
  properties: Record<string, string>,
  create: boolean,
): Promise<Dataset | null> {
  const seen = await zfs.get(dataset)
  if (!seen) {
    if (!create) {
      throw new HostError(
        'E_NOT_FOUND',
        'permanent',
        `${dataset} is missing: this pool has no event log (its dataset was destroyed or renamed)`,
      )
    }
    await zfs.create(dataset, { mount: true, properties }, unlogged(dataset))
  } else if (!seen.mounted) {
    await zfs.mount(dataset)
  }
  return seen
}

export const eventsDataset = (dataset: string): string => `${dataset}/events`
export const cacheDataset = (dataset: string): string => `${dataset}/cache`

/** The dataset of the event log, mounted, with its reserve. @returns, @throws as `ensure` */
export async function ensureEvents(zfs: ZfsPort, dataset: string, create: boolean): Promise<Dataset | null> {
  const name = eventsDataset(dataset)
  const seen = await ensure(zfs, name, EVENTS_PROPERTIES, create)
  // A pool that cannot be written to is opened all the same.
  if (seen) await keepReservation(zfs, name).catch(() => {})
  return seen
}

/** A cache may always be made anew. */
export const ensureCache = (zfs: ZfsPort, dataset: string): Promise<Dataset | null> =>
  ensure(zfs, cacheDataset(dataset), CACHE_PROPERTIES, true)
