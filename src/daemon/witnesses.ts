/**
 * Telling the witnesses of one pool of each head that is anchored, so that it is kept where root of this host does not
 * reach (DESIGN D5). Each witness has a courier of its own.
 *
 * A courier carries the newest head alone: one says all that came before it. It is sent when it was anchored, but not
 * before ten seconds after the last one; a witness that fails is tried again after 5 s, doubling up to ten minutes, for
 * as long as it is one. Nobody waits for a courier, but for three seconds at export. What it did is in memory and shown
 * (`witness ls`, `healthcheck`): sending appends no event, so that keeping heads makes none.
 *
 * The host's own syslog gets every head, without being asked for as a witness.
 *
 * On a crash the next daemon anchors a head within a minute, since its opening is an event, and sends that: no head needs
 * to be remembered as sent, and one that comes twice says the same twice.
 */
import { named } from '../audit/rows.ts'
import type { Host } from '../effects/host.ts'
import type { Head } from '../events/types/envelope.ts'
import { type Witness, witnessText } from '../events/types/witness.ts'
import { canonical } from '../machines/baseline.ts'
import { headWords, type KeptHead } from '../rpc/heads.ts'
import type { WitnessRow } from '../rpc/proof.ts'
import { oneLine } from './errors.ts'
import type { Journal } from './journal.ts'
import type { Clock, DaemonPorts } from './ports.ts'

const LEAST_PAUSE_MS = 10_000
const FIRST_RETRY_MS = 5000
const LONGEST_RETRY_MS = 600_000
const GOODBYE_MS = 3000
const OWN_SYSLOG: Witness = { kind: 'syslog', host: null, port: null }

/** The pool whose heads are sent, as the other side tells it from others. */
export type Origin = { readonly name: string; readonly guid: string | null }
type Ports = Pick<DaemonPorts, 'clock' | 'logger' | 'host'>

class Courier {
  readonly witness: Witness
  readonly #clock: Clock
  readonly #deliver: (head: Head) => Promise<void>
  readonly #failed: (error: string) => void
  readonly #abort = new AbortController()
  #pending: Head | null = null
  #running: Promise<void> | null = null
  sent: { readonly head: Head; readonly at: number } | null = null
  error: string | null = null
  failures = 0

  /** @param failed  told the first failure of a row of them */
  constructor(
    witness: Witness,
    clock: Clock,
    deliver: (head: Head) => Promise<void>,
    failed: (error: string) => void,
  ) {
    this.witness = witness
    this.#clock = clock
    this.#deliver = deliver
    this.#failed = failed
  }

  tell(head: Head): void {
    this.#pending = head
    this.#running ??= this.#run().finally(() => {
      this.#running = null
    })
  }

  /** @throws what the witness, or the way to it, says */
  async send(head: Head): Promise<void> {
    try {
      await this.#deliver(head)
      this.sent = { head, at: this.#clock.wall() }
      this.error = null
      this.failures = 0
      if (this.#pending && this.#pending.seq <= head.seq) this.#pending = null
    } catch (error) {
      this.failures += 1
      this.error = oneLine(error instanceof Error ? error.message : String(error))
      if (this.failures === 1) this.#failed(this.error)
      throw error
    }
  }

  async #run(): Promise<void> {
    let retry = FIRST_RETRY_MS
    while (this.#pending && !this.#abort.signal.aborted) {
      const isSent = await this.send(this.#pending).then(
        () => true,
        () => false,
      )
      await this.#clock.sleep(isSent ? LEAST_PAUSE_MS : retry, this.#abort.signal).catch(() => undefined)
      retry = isSent ? FIRST_RETRY_MS : Math.min(retry * 2, LONGEST_RETRY_MS)
    }
  }

  stop(): void {
    this.#abort.abort()
  }
}

export class Witnesses {
  readonly #ports: Ports
  readonly #journal: Journal
  readonly #origin: Origin
  readonly #couriers = new Map<string, Courier>()
  readonly #own: Courier

  constructor(ports: Ports, journal: Journal, origin: Origin) {
    this.#ports = ports
    this.#journal = journal
    this.#origin = origin
    this.#own = this.#courier(OWN_SYSLOG)
  }

  #courier(witness: Witness): Courier {
    const { clock, logger } = this.#ports
    const failed = (error: string): void => {
      const who = { pool: this.#origin.name, witness: witnessText(witness), error }
      logger.warn(who, 'a head of the log could not be sent; the newest is, once that is possible')
    }
    return new Courier(witness, clock, (head) => this.#deliver(witness, head), failed)
  }

  async #deliver(witness: Witness, { seq, hash }: Head): Promise<void> {
    const { host, clock } = this.#ports
    const { name, guid } = this.#origin
    const kept: KeptHead = { pool: name, seq, hash, time: clock.wall(), ...(guid === null ? {} : { guid }) }
    await deliver(host, witness, kept)
  }

  /** Couriers of the witnesses that there are now; one that is another by now begins anew. */
  #present(): ReadonlyMap<string, Courier> {
    const { witnesses = {} } = this.#journal.states.pool().context.config
    for (const [name, courier] of this.#couriers) {
      const now = witnesses[name]
      if (now && canonical(now) === canonical(courier.witness)) continue
      courier.stop()
      this.#couriers.delete(name)
    }
    for (const [name, witness] of Object.entries(witnesses))
      if (!this.#couriers.has(name)) this.#couriers.set(name, this.#courier(witness))
    return this.#couriers
  }

  /** A head was anchored. */
  tell(head: Head): void {
    this.#own.tell(head)
    for (const courier of this.#present().values()) courier.tell(head)
  }

  /** Sends the present head at once. @throws what the witness, or the way to it, says; undefined: no such witness */
  async test(name: string): Promise<Head | undefined> {
    const courier = this.#present().get(name)
    if (!courier) return undefined
    const head = this.#journal.head()
    await courier.send(head)
    return head
  }

  /** At export: the last head, if that can be sent at once. */
  async finish(head: Head): Promise<void> {
    const last = [this.#own, ...this.#present().values()].map((courier) => courier.send(head).catch(() => {}))
    await Promise.race([Promise.all(last), this.#ports.clock.sleep(GOODBYE_MS)])
  }

  rows(): WitnessRow[] {
    return named(Object.fromEntries(this.#present())).map(([name, { witness, sent, error, failures }]) => ({
      pool: this.#origin.name,
      name,
      kind: witness.kind,
      target: witnessText(witness),
      state: error !== null ? 'failing' : sent === null ? 'new' : 'ok',
      last_head: sent && `${sent.head.seq}:${sent.head.hash.slice(0, 16)}`,
      sent_at: sent?.at ?? null,
      failures,
      error,
    }))
  }

  stop(): void {
    this.#own.stop()
    for (const courier of this.#couriers.values()) courier.stop()
  }
}

async function deliver(host: Host, witness: Witness, kept: KeptHead): Promise<void> {
  const { messages } = host
  const json = JSON.stringify({ ...kept, host: host.hostName() })
  switch (witness.kind) {
    case 'syslog': {
      const { host: name, port } = witness
      return await messages.syslog(headWords(kept), name === null ? null : { host: name, port })
    }
    case 'https':
      return await messages.post(witness.url, json, { token: witness.tokenFile, ca: witness.caFile })
    case 'ssh':
      return await messages.ssh(witness, `${json}\n`)
  }
}
