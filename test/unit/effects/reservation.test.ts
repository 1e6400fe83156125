/** The reserve of a log: how much, and that a full pool gets its rename by it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Dataset, HostError, type ZfsPort } from '../../../src/effects/host.ts'
import {
  keepReservation,
  LOG_RESERVE_BYTES,
  reservationFor,
  withReserve,
} from '../../../src/effects/reservation.ts'

const MIB = 2 ** 20
const noSpace = () => new HostError('E_NO_SPACE', 'permanent', 'out of space')

/** A log's dataset on a pool with so much room; what is reserved takes of it. */
class Pool {
  properties: Record<string, string>
  #room: number
  readonly zfs = {
    get: async () => ({ properties: this.properties }) as unknown as Dataset,
    set: async (_name: string, { refreservation = '' }: Record<string, string | null>) => {
      const wanted = refreservation === 'none' ? 0 : Number(refreservation)
      const more = wanted - this.reserved
      if (more > this.#room) throw noSpace()
      this.#room -= more
      this.properties['refreservation'] = String(wanted)
    },
  } as unknown as ZfsPort

  constructor(room: number, reserved: number, own = 0) {
    this.#room = room
    this.properties = { usedbydataset: String(own), refreservation: String(reserved) }
  }

  get reserved(): number {
    return Number(this.properties['refreservation'])
  }

  /** What needs one byte of room, as a rename to another parent does. */
  readonly rename = async (): Promise<void> => {
    if (this.#room < 1) throw noSpace()
  }
}

test('it is what the log holds and 64 MiB, and left alone when it is about that', () => {
  const of = (usedbydataset: string, refreservation: string) =>
    reservationFor({ properties: { usedbydataset, refreservation } })
  assert.equal(of('0', String(LOG_RESERVE_BYTES)), null)
  assert.equal(of(String(10 * MIB), String(LOG_RESERVE_BYTES)), null)
  assert.equal(of(String(100 * MIB), String(LOG_RESERVE_BYTES)), 164 * MIB)
  assert.equal(of('0', '0'), LOG_RESERVE_BYTES)
  assert.equal(reservationFor({ properties: {} }), null, 'a host that does not tell')
})

test('a rename on a full pool is done with the reserve, which is taken back as far as there is room', async () => {
  const pool = new Pool(-3 * MIB, LOG_RESERVE_BYTES)
  await assert.rejects(pool.rename, { code: 'E_NO_SPACE' })
  await withReserve(pool.zfs, 'tank/events', pool.rename)
  assert.equal(pool.reserved, 48 * MIB)
})

test('what fails otherwise fails as it does, and nothing is set free for it', async () => {
  const pool = new Pool(MIB, LOG_RESERVE_BYTES)
  const busy = async (): Promise<void> => {
    throw new HostError('E_BUSY', 'transient', 'busy')
  }
  await assert.rejects(withReserve(pool.zfs, 'tank/events', busy), { code: 'E_BUSY' })
  assert.equal(pool.reserved, LOG_RESERVE_BYTES)
  await keepReservation(new Pool(0, 0).zfs, 'tank/events')
})
