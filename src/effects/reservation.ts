/**
 * The space that is kept for a pool's log, so that a full pool can still record a deletion, and carry it out (DESIGN
 * D4): `refreservation` of its dataset is what it holds by itself, and 64 MiB more.
 *
 * A pool that is full to the last byte refuses even to rename a dataset to another parent: OpenZFS reckons with what
 * the pool may use, of which it may have used a little more (dsl_dir_transfer_possible). Such a rename is done with
 * the reserve set free, and the reserve taken back as far as there is room. A crash in between leaves it free until
 * the log is opened again, or the next hour.
 */
import { type Dataset, type Fence, HostError, type ZfsPort } from './host.ts'

const MIB = 2 ** 20
export const LOG_RESERVE_BYTES = 64 * MIB
/** A reservation that is off by less is left alone. */
const TOLERANCE_BYTES = 16 * MIB

const isNoSpace = (error: unknown): boolean => error instanceof HostError && error.code === 'E_NO_SPACE'

/** What the reservation of a log's dataset has to become, bytes; null when it is right, or not known. @pure */
export function reservationFor({ properties }: Pick<Dataset, 'properties'>): number | null {
  const own = Number(properties['usedbydataset'] ?? Number.NaN)
  const present = Number(properties['refreservation'] ?? 0)
  if (Number.isNaN(own) || Number.isNaN(present)) return null
  const wanted = own + LOG_RESERVE_BYTES
  return Math.abs(present - wanted) < TOLERANCE_BYTES ? null : wanted
}

/**
 * Makes the reservation of a log what it should be, or as much of that as there is room for.
 * @throws what the host says but E_NO_SPACE
 * @idempotent
 */
export async function keepReservation(zfs: ZfsPort, name: string, fence?: Fence): Promise<void> {
  const seen = await zfs.get(name)
  const wanted = seen && reservationFor(seen)
  if (wanted === null) return
  for (let bytes = wanted; bytes > 0; bytes -= TOLERANCE_BYTES) {
    try {
      return await zfs.set(name, { refreservation: String(Math.round(bytes)) }, fence)
    } catch (error) {
      if (!isNoSpace(error)) throw error
    }
  }
}

/** Does it, and where the pool has no room for it, again with the reserve of its log set free. */
export async function withReserve(
  zfs: ZfsPort,
  events: string,
  work: () => Promise<void>,
  fence?: Fence,
): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (!isNoSpace(error)) throw error
    await zfs.set(events, { refreservation: 'none' }, fence)
    try {
      await work()
    } finally {
      await keepReservation(zfs, events, fence)
    }
  }
}
