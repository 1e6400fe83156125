/**
 * The journal of one pool: decisions go in, commits come out.
 *
 * `submit` decides at once, on the speculative states, and appends; many submits may be on their way, and
 * the store commits them together. Nobody hears of a batch before its COMMIT: not the caller, not the
 * subscribers, not the engine that runs effects. So there is no lock, and no moment at which a reply or an
 * effect could outrun the log.
 *
 * A batch that fails takes the speculative layer with it: batches that were decided on top of it fail on
 * their expected versions, and the layer is laid anew on what is committed. A COMMIT whose outcome is
 * unknown is settled by reopening the log and looking (DESIGN D2): what is there happened. Until it can be opened, the
 * pool is suspended and the outcome awaited, as with a disk that does not answer.
 */

import type { Checkpoint } from '../audit/past.ts'
import type { LogStore, LogUpgrade, OpenedLog, ReadQuery } from '../events/log/store.ts'
import { LogError } from '../events/log/store.ts'
import type { Head, NewEvent } from '../events/types/envelope.ts'
import type { Fact } from '../events/types/events.ts'
import { FORMATS, type Formats } from '../events/types/formats.ts'
import type { StreamId } from '../events/types/ids.ts'
import { type Advanced, advance, type Draft, type Minting } from '../machines/advance.ts'
import type { DecideView } from '../machines/decide/decision.ts'
import { type AnyState, Fold, States } from '../machines/fold.ts'
import { Availability } from './availability.ts'
import { baselinesOf } from './baselines.ts'
import { isNotThere, Unavailable } from './errors.ts'
import { Flights } from './flights.ts'
import { LogEnd } from './log-end.ts'
import { LogFormat } from './log-format.ts'
import { replay, seated } from './replay.ts'
import { Stalls } from './stalls.ts'
import { asStored, type Committed } from './stored.ts'

export type { Committed }

/** What a batch is made of, or why there is none. `extra` comes back to the caller untouched. */
export type Proposal<X> = { readonly drafts: readonly Draft[]; readonly extra: X }

export type JournalListener = (committed: Committed) => void

const APPEND_ATTEMPTS = 3

export class Journal {
  readonly store: LogStore
  /** What it holds may be no newer. */
  readonly format: LogFormat
  readonly #mint: Minting
  #fold = new Fold()
  #speculative = new States()
  #versions = new Map<StreamId, number>()
  readonly #flights: Flights
  #poisoned = false
  readonly availability = new Availability()
  #committed: Head | null = null
  readonly #end: LogEnd
  /** Head that was committed and is not in the log any more. */
  lost: Head | null = null
  readonly stalls = new Stalls()
  #session = 0
  readonly #listeners = new Set<JournalListener>()

  constructor(store: LogStore, mint: Minting, formats: Formats = FORMATS) {
    this.store = store
    this.#end = new LogEnd(store)
    this.#mint = mint
    this.format = new LogFormat(formats)
    this.#flights = new Flights(() => mint.mono())
  }

  /** Committed states: what readers see. */
  get states(): States {
    return this.#fold.states
  }

  get fold(): Fold {
    return this.#fold
  }

  /** Why the journal takes no changes; null when it does. */
  get unavailable(): string | null {
    return this.availability.why
  }

  /** This log is not the one that it should be: it is read from now on and never written. */
  distrust(why: string): void {
    this.availability.distrust(why)
  }

  /** Looks whether commits come back. Called every second while any is pending; true while one is. */
  checkPending(): boolean {
    if (this.availability.isSuspendedBy(this.#flights.oldest())) this.stalls.tell(this.unavailable ?? '')
    return this.#flights.size > 0
  }

  /** Set by the pool: told when the first append of an idle journal is on its way. */
  onBusy: () => void = () => {}
  /** Set by the pool: told that the log could not be opened again. `reopen` is called until it can. */
  onUnopened: () => void = () => {}
  /** Set by the pool: told the head that was lost. */
  onLost: (head: Head) => void = () => {}

  /** Where the log ends; while it is opened again, or cannot be, where it ended last. */
  head(): Head {
    return this.#end.head()
  }

  listen(listener: JournalListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * Opens the log and folds it.
   * @param load  states of an earlier position, so that only the tail is folded; dropped when they do not fit
   */
  async open(load: (head: Head) => Promise<Checkpoint | null> = async () => null): Promise<OpenedLog> {
    const opened = await this.store.open()
    this.format.found(opened.format)
    const snapshot = await load(opened.head)
    // States from before the segment are of no use: its baselines are newer.
    const fold = snapshot && snapshot.seq >= opened.replayFrom ? seated(snapshot) : null
    this.#snapshot = fold && snapshot
    if (fold) this.#fold = fold
    await replay(this.store, this.#fold, fold ? fold.seq + 1 : opened.replayFrom, opened.head.seq)
    for (const [stream, ver] of opened.streams) this.#fold.versions.set(stream, ver)
    this.replayFrom = opened.replayFrom
    this.#relay()
    this.availability.readOnly = opened.readOnly
    return opened
  }

  #snapshot: Checkpoint | null = null
  /** Where folding began: the baselines of the segment that was open then. */
  replayFrom = 1

  /** The snapshot that the start began with, once: to be held against a replay. */
  takeSnapshot(): { snapshot: Checkpoint; replayFrom: number } | null {
    const snapshot = this.#snapshot
    this.#snapshot = null
    return snapshot && { snapshot, replayFrom: this.replayFrom }
  }

  /** Lays the speculative layer anew on the committed one. */
  #relay(): void {
    this.#poisoned = false
    // What a log has that cannot be opened is not known: what its commits may have taken, ids, stays taken.
    if (this.availability.isUnopened) return
    this.#speculative = new States(this.#fold.states)
    this.#versions = new Map(this.#fold.versions)
  }

  /** A quarantined stream goes on in this state; what is decided next is decided on it. */
  release(stream: StreamId, state: AnyState): void {
    this.#fold.release(stream, state)
    this.#speculative.set(stream, state)
  }

  /** States that decisions are made on: committed plus what is on its way. */
  get deciding(): States {
    return this.#speculative
  }

  /**
   * Decides and appends.
   *
   * `propose` runs at once and synchronously, on the speculative states; null means that there is nothing
   * to append. A batch that is not in the log because one before it failed, or because its COMMIT did, is
   * proposed anew on what is there now.
   * @throws Unavailable, LogError E_LOG_DUPLICATE (the key is known), E_LOG_FULL; CallError E_POOL_FORMAT (a fact
   * is newer than the log's format); IllegalFact is a bug
   */
  async submit<X>(
    propose: (view: DecideView) => Proposal<X>,
  ): Promise<{ committed: Committed | null; extra: X }> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#submitOnce(propose)
      } catch (error) {
        if (!isNotThere(error) || attempt === APPEND_ATTEMPTS) throw error
      }
    }
  }

  async #submitOnce<X>(
    propose: (view: DecideView) => Proposal<X>,
  ): Promise<{ committed: Committed | null; extra: X }> {
    while (this.#held !== null) await this.#held
    // A recovery that began after the log was closed would open it again.
    while (this.#poisoned && !this.availability.isClosed) await this.#recover()
    if (this.unavailable !== null) throw new Unavailable(this.unavailable)
    const { drafts, extra } = propose(this.#speculative)
    if (drafts.length === 0) return { committed: null, extra }
    const advanced = advance(this.#speculative, drafts, this.#mint)
    this.format.refuseNewer(advanced.events)
    return { committed: await this.#append(advanced), extra }
  }

  /**
   * Waits until decisions stand on what the log has: a seal is over, and a commit that failed is looked up.
   * @throws Unavailable
   */
  async caughtUp(): Promise<void> {
    await this.submit(() => ({ drafts: [], extra: null }))
  }

  /** Appends facts of the log itself, which have no machine. */
  async note(stream: StreamId, fact: Fact): Promise<Committed> {
    const { committed } = await this.submit(() => ({ drafts: [{ stream, fact }], extra: null }))
    if (!committed) throw new Error('a note was not appended')
    return committed
  }

  async #append(advanced: Advanced): Promise<Committed> {
    const expected: Record<string, number> = {}
    const before = new Map<StreamId, number>()
    for (const { stream } of advanced.events) {
      if (!before.has(stream)) {
        const ver = this.#versions.get(stream) ?? 0
        before.set(stream, ver)
        expected[stream] = ver
      }
      this.#versions.set(stream, (this.#versions.get(stream) ?? 0) + 1)
    }
    for (const [stream, state] of advanced.states) this.#speculative.set(stream, state)
    const done = this.store.append({
      events: advanced.events,
      expected: expected as Partial<Record<StreamId, number>>,
    })
    const landed = this.#flights.add(done)
    if (this.#flights.size === 1) this.onBusy()
    try {
      const { first, head } = await done
      if (head.seq > (this.#committed?.seq ?? 0)) this.#committed = head
      return this.#commit(advanced, first, before)
    } catch (error) {
      return await this.#failed(error, advanced, before)
    } finally {
      landed()
    }
  }

  #commit(advanced: Advanced, first: number, before: ReadonlyMap<StreamId, number>): Committed {
    for (const [stream, state] of advanced.states) this.#fold.states.set(stream, state)
    const committed = this.#asStored(advanced, first, before)
    for (const { stream, ver, seq } of committed.stored) {
      this.#fold.versions.set(stream, ver)
      this.#fold.seq = seq
    }
    return this.#tell(committed)
  }

  async #failed(
    error: unknown,
    advanced: Advanced,
    before: ReadonlyMap<StreamId, number>,
  ): Promise<Committed> {
    this.#poisoned = true
    if (error instanceof LogError && error.code === 'E_LOG_UNKNOWN') {
      this.#mustReopen = true
      await this.#recover()
      await this.availability.settled()
      if (this.availability.isUnopened) throw error
      const there = await this.store.byId(advanced.events[0]?.id ?? '')
      // Recovery has folded it already.
      if (there) return this.#tell(this.#asStored(advanced, there.seq, before))
    }
    if (error instanceof LogError && (error.code === 'E_LOG_READ_ONLY' || error.code === 'E_LOG_DAMAGED')) {
      this.availability.readOnly = error.message
    }
    throw error
  }

  #asStored(advanced: Advanced, first: number, before: ReadonlyMap<StreamId, number>): Committed {
    const committed = asStored(advanced, first, before, this.#session)
    this.#session = committed.stored.at(-1)?.s ?? this.#session
    return committed
  }

  #tell(committed: Committed): Committed {
    for (const listener of this.#listeners) listener(committed)
    return committed
  }

  #recovering: Promise<void> | null = null
  #mustReopen = false

  /**
   * Opens a log that could not be opened again. What waits for the outcome of a commit goes on then. Idempotent.
   * @throws Unavailable while it cannot be opened
   */
  async reopen(): Promise<void> {
    if (this.availability.isClosed || !this.availability.isUnopened) return
    // Who decides meanwhile waits for the end of this.
    this.#poisoned = true
    await this.#recover()
    if (this.availability.isUnopened) throw new Unavailable(this.unavailable ?? '')
  }

  /** Waits for what is on its way, then lays the speculative layer anew; reopens a log that asks for it. */
  async #recover(): Promise<void> {
    this.#recovering ??= this.#recoverOnce().finally(() => {
      this.#recovering = null
    })
    await this.#recovering
  }

  async #recoverOnce(): Promise<void> {
    // What begins meanwhile, a seal, is waited for as well: the layer is laid on a log that rests.
    do {
      await this.#flights.landed()
      if (this.#mustReopen) await this.#reopen()
      else await this.#catchUp()
    } while (this.#flights.isAnyInTheAir)
    this.#relay()
  }

  async #reopen(): Promise<void> {
    try {
      await this.#end.close()
      const opened = await this.store.open()
      this.format.found(opened.format)
      this.availability.readOnly = opened.readOnly
      if (this.#committed && opened.head.seq < this.#committed.seq) this.#lose(this.#committed, opened.head)
      await this.#catchUp()
      this.#mustReopen = false
      this.availability.openedAgain()
    } catch (error) {
      if (this.availability.notOpened(error)) this.onUnopened()
    }
  }

  /** The disk comes back without what it had acknowledged. */
  #lose(committed: Head, found: Head): void {
    this.lost = committed
    this.distrust(`its end is lost: it ends at ${found.seq}, and ${committed.seq} was committed`)
    this.onLost(committed)
  }

  async #catchUp(): Promise<void> {
    const { seq } = this.store.head()
    if (seq > this.#fold.seq) await replay(this.store, this.#fold, this.#fold.seq + 1, seq)
  }

  read(query: ReadQuery): ReturnType<LogStore['read']> {
    return this.store.read(query)
  }

  #held: Promise<void> | null = null

  /**
   * Seals the segment; the next opens with the baselines of all that lives.
   *
   * Decisions wait meanwhile, so that the baselines hold all that was decided. What is on its way is waited for, but
   * not longer than `patience`: a disk that hangs must not make every command wait in silence.
   * @param upgrade  the next segment is of another format, and these events of the log itself say so
   * @throws LogError E_LOG_CONFLICT when something is on its way still, one has failed, or a seal is under way
   */
  async seal(patience: () => Promise<void>, upgrade?: LogUpgrade): Promise<void> {
    if (this.#held !== null) throw new LogError('E_LOG_CONFLICT', 'the segment is being sealed')
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#held = promise
    try {
      await Promise.race([this.#flights.allLanded(), patience()])
      if (this.#flights.size > 0 || this.#poisoned) {
        throw new LogError('E_LOG_CONFLICT', 'commits are on their way, or one has failed')
      }
      await this.#sealNow(baselinesOf(this.#fold, this.#mint), upgrade)
    } finally {
      this.#held = null
      resolve()
    }
  }

  async #sealNow(baselines: readonly NewEvent[], upgrade: LogUpgrade | undefined): Promise<void> {
    const expected = Object.fromEntries(
      baselines.map(({ stream }) => [stream, this.#versions.get(stream) ?? 0]),
    )
    for (const { stream } of baselines) this.#versions.set(stream, (this.#versions.get(stream) ?? 0) + 1)
    this.#poisoned = true
    const done = this.store.seal(baselines, expected, upgrade)
    const landed = this.#flights.add(done)
    try {
      const { head } = await done
      if (upgrade) await this.#upgraded(head, upgrade)
    } catch (error) {
      if (error instanceof LogError && error.code === 'E_LOG_UNKNOWN') this.#mustReopen = true
      throw error
    } finally {
      landed()
    }
  }

  /** Whoever listens hears of the upgrade as of any commit. It stands behind the baselines. */
  async #upgraded(head: Head, { to, events }: LogUpgrade): Promise<void> {
    this.format.upgraded(to)
    await this.#catchUp()
    const from = head.seq - events.length + 1
    const { events: stored } = await this.store.read({ from, to: head.seq, limit: events.length })
    this.#tell({ first: from, stored, events, states: new Map(), requested: [], finished: [] })
  }

  /** What follows from a commit that failed is waited for, too: it opens the log again, and nobody would close that. */
  async close(): Promise<void> {
    this.availability.close()
    while (this.#flights.size > 0 || this.#recovering !== null) {
      await Promise.allSettled([this.#flights.allLanded(), this.#recovering])
    }
    await this.#end.close()
  }
}
