/**
 * What a pool's log needs besides appends, none of it an event of its own accord:
 *
 *   suspended   a commit that is pending for 5 s makes the pool refuse changes, until it comes back
 *   anchor      the head goes where a rollback or the loss of the log's dataset does not reach (anchors.ts):
 *               60 s or 1,000 events after the last, at most once a second, never when idle. With an anchor that
 *               comes an hour after the last one, and at export, goes a snapshot of the log
 *   cache       checkpoints of the states go into `cache.db` (checkpoints.ts): a start folds only the tail
 *   seal        a segment of 250,000 events is sealed, and the next opens with baselines (DESIGN D9)
 *
 * A crash in any of it costs at most time: anchors and caches are of an older head, a seal is made of steps
 * that each leave the old or the new segment.
 */
import { LogError } from '../events/log/store.ts'
import type { Head } from '../events/types/envelope.ts'
import type { Anchors } from './anchors.ts'
import { stateHash } from './baselines.ts'
import type { Checkpoints } from './checkpoints.ts'

import { confirmSnapshot } from './confirm.ts'
import type { Committed, Journal } from './journal.ts'
import type { DaemonPorts } from './ports.ts'

export const SEGMENT_EVENTS = 250_000
const ANCHOR_AFTER_MS = 60_000
const ANCHOR_EVENTS = 1000
const ANCHOR_PAUSE_MS = 1000
const PENDING_CHECK_MS = 1000
/** A seal gives way to commits that take longer than this. */
const SEAL_PATIENCE_MS = 1000

const SNAPSHOT_EVERY_MS = 3_600_000

export class Upkeep {
  readonly #ports: DaemonPorts
  readonly #journal: Journal
  readonly #dataset: string
  readonly #checkpoints: Checkpoints | null
  readonly #anchors: Anchors
  readonly #abort = new AbortController()
  #anchored = 0
  #anchorPlanned = false
  /** Head and time of the newest snapshot of the log that this daemon took. */
  #snapshot: { seq: number; at: number }
  #sealing = false
  #watching = false
  readonly #segmentEvents: number

  constructor(
    ports: DaemonPorts,
    journal: Journal,
    dataset: string,
    checkpoints: Checkpoints | null,
    anchors: Anchors,
  ) {
    this.#ports = ports
    this.#journal = journal
    this.#dataset = dataset
    this.#checkpoints = checkpoints
    this.#anchors = anchors
    this.#segmentEvents = ports.segmentEvents ?? SEGMENT_EVENTS
    this.#anchored = journal.head().seq
    this.#snapshot = { seq: 0, at: ports.clock.wall() }
    journal.onBusy = () => {
      if (!this.#watching) this.#quietly('pending commits', () => this.#watchPending())
    }
    journal.onLost = (head) =>
      this.#quietly('the lost head could not be anchored', () => anchors.setProperty(head))
    journal.listen((committed) => this.#onCommit(committed))
  }

  #quietly(what: string, work: () => Promise<void>): void {
    work().catch((error) => {
      if (!this.#abort.signal.aborted)
        this.#ports.logger.warn({ dataset: this.#dataset, error: String(error) }, what)
    })
  }

  /** One watch at most: under load a journal falls idle and becomes busy again hundreds of times a second. */
  async #watchPending(): Promise<void> {
    this.#watching = true
    try {
      do await this.#ports.clock.sleep(PENDING_CHECK_MS, this.#abort.signal)
      while (this.#journal.checkPending())
    } finally {
      this.#watching = false
    }
  }

  /** Set by the pool: told each head that was anchored. */
  onAnchored: (head: Head) => void = () => {}

  #onCommit({ stored }: Committed): void {
    // Heads of others are no reason to send one's own (kept-heads.ts).
    if (!this.#anchorPlanned && stored.some(({ type }) => type !== 'HeadKept')) {
      this.#anchorPlanned = true
      this.#quietly('the head could not be anchored', () => this.#anchorLater())
    }
    if (this.#checkpoints?.isDue) this.#quietly('states could not be kept', () => this.save())
    if (!this.#sealing && this.#maySeal && this.#journal.store.segmentEvents() >= this.#segmentEvents) {
      this.#sealing = true
      this.#quietly('the segment could not be sealed', () => this.seal())
    }
  }

  /** Not while a stream is quarantined (quarantine.ts). */
  get #maySeal(): boolean {
    return this.#journal.fold.quarantined.size === 0
  }

  async #anchorLater(): Promise<void> {
    let waited = 0
    while (waited < ANCHOR_AFTER_MS && this.#journal.head().seq - this.#anchored < ANCHOR_EVENTS) {
      await this.#ports.clock.sleep(ANCHOR_PAUSE_MS, this.#abort.signal)
      waited += ANCHOR_PAUSE_MS
    }
    this.#anchorPlanned = false
    await this.anchor()
  }

  /** Puts the committed head where a rollback of the log does not reach. */
  async anchor(): Promise<Head> {
    const head = this.#journal.head()
    await this.#anchors.setProperty(head)
    this.#ports.logger.info({ dataset: this.#dataset, seq: head.seq, hash: head.hash }, 'log head')
    this.#anchored = head.seq
    this.onAnchored(head)
    if (this.#ports.clock.wall() - this.#snapshot.at >= SNAPSHOT_EVERY_MS) await this.#takeSnapshot(head)
    return head
  }

  async #takeSnapshot(head: Head): Promise<void> {
    if (head.seq === this.#snapshot.seq) return
    await this.#anchors.snapshot(head)
    this.#snapshot = { seq: head.seq, at: this.#ports.clock.wall() }
  }

  /** Keeps the committed states for the next start. */
  async save(): Promise<void> {
    await this.#checkpoints?.save()
  }

  /** Seals the open segment; the next opens with the baselines of all that lives. */
  async seal(): Promise<void> {
    if (!this.#maySeal) return
    try {
      await this.#journal.seal(() => this.#ports.clock.sleep(SEAL_PATIENCE_MS, this.#abort.signal))
    } catch (error) {
      // Commits took too long: the next one asks again.
      if (error instanceof LogError && error.code === 'E_LOG_CONFLICT') return
      throw error
    } finally {
      this.#sealing = false
    }
    await this.anchor()
  }

  /** Holds a start from snapshots against a replay from the baselines. */
  async confirm(): Promise<void> {
    const { clock, logger } = this.#ports
    const differing = await confirmSnapshot(this.#journal, stateHash, () =>
      clock.sleep(1, this.#abort.signal),
    )
    if (differing.length === 0) return
    logger.error(
      { dataset: this.#dataset, streams: differing },
      'snapshots differ from the log: restart osctld, they are dropped',
    )
    await this.#checkpoints?.forget()
  }

  /** At export: the last word about this log. */
  async finish(): Promise<Head> {
    await this.save()
    const head = await this.anchor()
    await this.#takeSnapshot(head)
    return head
  }

  async stop(): Promise<void> {
    this.#abort.abort()
    await this.#checkpoints?.close()
  }
}
