/**
 * Reading a pool's own diary (`zpool history -il`), of which ZFS prints all or nothing: only the end is kept, it is
 * read in pieces, and who looks now and then gets it only as often as the reading takes a hundredth of the time.
 *
 * A crash costs the reading.
 */
import { ask } from '../audit/ask.ts'
import { type Attribution, Attributor, EFFECT_TYPES, effectsOf } from '../audit/attribution.ts'
import { addLine, emptyHistory, type ZpoolHistory } from '../audit/zpool-history.ts'
import type { LogReader } from '../events/types/query.ts'
import { paceOf } from './pace.ts'
import type { DaemonPorts } from './ports.ts'

type Ports = Pick<DaemonPorts, 'host' | 'clock'>

/** Some 5,000 lines: what a look is about. */
const LOOK_BYTES = 2 ** 20
/** Some 100,000: what an admin asks for. */
const ALL_BYTES = 16 * 2 ** 20
/** Of the time, at most a hundredth. */
const SHARE = 100
const LINES_AT_ONCE = 500
/** An effect that began before the part of the diary that was read. */
const BEFORE_MS = 3_600_000

async function read({ host, clock }: Ports, pool: string, maxBytes: number): Promise<ZpoolHistory> {
  const lines = (await host.zfs.history(pool, maxBytes)).split('\n')
  const history = emptyHistory()
  const pace = paceOf(clock)
  for (const [i, line] of lines.entries()) {
    addLine(history, line)
    if (i % LINES_AT_ONCE === 0) await pace()
  }
  return history
}

export class Diary {
  /** The pool that it is of hands them out when it is made itself. */
  readonly #ports: () => Ports
  readonly #pool: { readonly name: string }
  #nextUs = 0

  constructor(ports: () => Ports, pool: { readonly name: string }) {
    this.#ports = ports
    this.#pool = pool
  }

  /** Its end; null when it was read too recently for what that takes, or cannot be read. */
  async look(isAsked: boolean): Promise<ZpoolHistory | null> {
    const { clock } = this.#ports()
    const begin = clock.mono()
    if (!isAsked && begin < this.#nextUs) return null
    const history = await read(this.#ports(), this.#pool.name, LOOK_BYTES).catch(() => null)
    const end = clock.mono()
    this.#nextUs = end + SHARE * (end - begin)
    return history
  }

  /** All that is at hand of it, attributed. @throws HostError */
  async attributed(dataset: string, log: LogReader): Promise<Attribution> {
    const history = await read(this.#ports(), this.#pool.name, ALL_BYTES)
    const begin = history.records[0]?.time ?? 0
    const since = Math.max(0, begin - BEFORE_MS)
    const events = await ask(log, { types: EFFECT_TYPES, since, limit: 10_000_000 })
    const [first] = await ask(log, { limit: 1 })
    const attributor = new Attributor({ pool: this.#pool.name, dataset }, effectsOf(events, first?.t ?? 0))
    const pace = paceOf(this.#ports().clock)
    for (const [i, record] of history.records.entries()) {
      attributor.take(record)
      if (i % LINES_AT_ONCE === 0) await pace()
    }
    return attributor.result(history.commands)
  }
}
