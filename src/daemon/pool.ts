/**
 * One imported pool: its journal, its engine, and the watch on what its containers do.
 *
 * Opening: the log is folded, the session and `PoolOpened` are appended, derived host state is
 * materialised, open intents are settled, running containers are adopted or found lost, `PoolReady`
 * follows. Commands on containers without an open intent are taken all the while. Closing: `PoolClosed` is
 * the last event, but for a refusal in that very moment.
 *
 * On a crash at any point of this the next opening does the same from the log; nothing here is remembered
 * anywhere else.
 */

import type { HookReport } from '../effects/host.ts'
import { HostError } from '../effects/host.ts'
import { type Fact, REBOOTS_CODE } from '../events/types/events.ts'
import { ctOfStream, type StreamId } from '../events/types/ids.ts'
import type { LogReader } from '../events/types/query.ts'
import type { CtState } from '../machines/container/machine.ts'
import type { Asked } from '../machines/decide/decision.ts'
import { ctIdOf, ctidOf, type Quarantine, type States, streamOfCt } from '../machines/fold.ts'
import { exists, lifeOf } from '../machines/life.ts'
import type { PendingIntent } from '../machines/operation.ts'
import { Checkpoints } from './checkpoints.ts'
import { DriftScan } from './drift.ts'
import type { Opening } from './elsewhere.ts'
import { Engine } from './engine.ts'
import type { Committed, Journal } from './journal.ts'
import { MinuteLimit } from './minute-limit.ts'
import { appendOpened, type OpenPoolLog, openedAgain } from './opening.ts'
import { type OperationEnd, OperationEnds } from './operation-ends.ts'
import { paceOf } from './pace.ts'
import { isPassing, patiently } from './patience.ts'
import type { DaemonPorts } from './ports.ts'
import {
  beginsReboot,
  factsOfBoot,
  factsOfReport,
  isNews,
  isSame,
  look,
  refOf,
  shouldRun,
} from './reality.ts'
import { recover, settle } from './recovery.ts'
import { type Previous, sessionOpened } from './session.ts'
import { specOf } from './spec.ts'
import { Upkeep } from './upkeep.ts'
import { Witnesses } from './witnesses.ts'

/** A monitor that was killed leaves no report; one that was not gets this long to write it. */
/** Nobody else would ever do it. */
const FOREVER = Number.POSITIVE_INFINITY
const UNOPENED = 'the log could not be opened again'
const REPORT_GRACE_MS = 300
/** Between two inits of a reboot a run is empty, too; a monitor that died in it is noticed after this long. */
const REBOOT_GRACE_MS = 10_000
/** What nobody asked for is tried this often, over some seconds, before it is given up with a warning. */
const ATTEMPTS = 8

export type PoolFacts = {
  readonly name: string
  readonly guid: string | null
  readonly dataset: string
  readonly directory: string
}

export class Pool {
  readonly name: string
  readonly dataset: string
  readonly directory: string
  readonly guid: string | null
  readonly journal: Journal
  readonly engine: Engine
  readonly checkpoints: Checkpoints | null
  readonly upkeep: Upkeep
  readonly witnesses: Witnesses
  readonly drift = new DriftScan(this)
  /** What its log was found to be. */
  readonly found: Pick<OpenPoolLog, 'anchors' | 'opened' | 'broken'>
  readonly #ports: DaemonPorts
  readonly #ends: OperationEnds
  readonly #reports = new Map<string, HookReport>()
  readonly #reboots = new MinuteLimit()
  /** Containers whose run may have ended while their operation was open, or made it fail. */
  readonly #emptied = new Set<string>()
  readonly #watches = new Map<string, () => void>()
  readonly #background = new Set<Promise<void>>()
  readonly #abort = new AbortController()
  #closing = false

  /** @param prepared resolves when the host state that every effect relies on (users) is in place */
  constructor(ports: DaemonPorts, facts: PoolFacts, log: OpenPoolLog, prepared: () => Promise<void>) {
    const { journal, cache, anchors } = log
    this.#ports = ports
    this.name = facts.name
    this.guid = facts.guid
    this.dataset = facts.dataset
    this.directory = facts.directory
    this.journal = journal
    this.engine = new Engine(ports, journal, { ...facts, spec: (stream) => specOf(this, stream), prepared })
    this.#ends = new OperationEnds(journal)
    this.checkpoints = cache && new Checkpoints(journal, cache, () => paceOf(ports.clock))
    this.upkeep = new Upkeep(ports, journal, facts.dataset, this.checkpoints, anchors)
    this.witnesses = new Witnesses(ports, journal, facts)
    this.upkeep.onAnchored = (head) => this.witnesses.tell(head)
    this.found = log
    journal.listen((committed) => this.#onCommit(committed))
    journal.onUnopened = () => this.inBackground(UNOPENED, () => openedAgain(this), FOREVER)
  }

  /** Aborted when the pool is let go. */
  get signal(): AbortSignal {
    return this.#abort.signal
  }

  get ports(): DaemonPorts {
    return this.#ports
  }

  get bootId(): string {
    return this.#ports.host.bootId()
  }

  /** Committed states: what readers see. */
  get states(): States {
    return this.journal.states
  }

  get log(): LogReader {
    return this.journal.store
  }

  get quarantined(): ReadonlyMap<StreamId, Quarantine> {
    return this.journal.fold.quarantined
  }

  /** Runs detached work that must not outlive the pool; its failure is logged, never thrown. */
  inBackground(what: string, work: () => Promise<void>, attempts = ATTEMPTS): void {
    // Nobody else would ever do it: whatever the host says against it is tried again.
    const passes = (error: unknown): boolean => error instanceof HostError || isPassing(error)
    const running = patiently(this.#ports.clock, attempts, work, { signal: this.#abort.signal, passes })
      .catch((error) => {
        if (!this.#closing) this.#ports.logger.warn({ pool: this.name, error: String(error) }, what)
      })
      .finally(() => this.#background.delete(running))
    this.#background.add(running)
  }

  /** Lets so much time pass, unless the pool is closed meanwhile. */
  pause(ms: number): Promise<void> {
    return this.#ports.clock.sleep(ms, this.#abort.signal)
  }

  /** Appends the session's constants and `PoolOpened`; recovery follows in `ready`. */
  async begin(): Promise<void> {
    const { host, version } = this.#ports
    await this.journal.note('log', sessionOpened(host, version, this, this.journal.format.number))
  }

  /** Opens the pool for commands and settles what was left open. An operation that was open goes first. */
  async ready(asked: Asked, opening: Opening = {}): Promise<{ previous: Previous }> {
    const { host } = this.#ports
    const previous = await appendOpened(this, host, asked, opening.taken ?? null)
    opening.accepted?.(asked.op)
    await patiently(this.#ports.clock, ATTEMPTS, () => host.materialise.pool(this.name, this.dataset))
    const { settled, inDoubt } = await recover(this.#ports, this.journal, this.engine, this.#reports)
    const seen = await this.#lookAtAll()
    const containers = [...this.journal.states.cts()].length
    await this.journal.note('pool', { type: 'PoolReady', containers, ...seen, settled, inDoubt })
    this.drift.start(this.#abort.signal)
    this.inBackground('the snapshots could not be confirmed', () => this.upkeep.confirm())
    return { previous }
  }

  async #lookAtAll(): Promise<{ adopted: number; lost: number; exited: number }> {
    const counts = { adopted: 0, lost: 0, exited: 0 }
    for (const ct of [...this.journal.states.cts()]) {
      const facts = await this.#lookAt(ct)
      if (facts.some((fact) => fact.type === 'CtAdopted' || fact.type === 'CtRebooted')) counts.adopted++
      else if (facts.some((fact) => fact.type === 'CtLost')) counts.lost++
      else if (facts.some((fact) => fact.type === 'CtExited')) counts.exited++
      this.#watch(this.journal.states.ct(ctIdOf(ct)))
    }
    return counts
  }

  /** What is seen counts only for the run that was looked at: another may have taken its place meanwhile. */
  async #lookAt(ct: CtState): Promise<Fact[]> {
    const facts = await look(this.#ports.host, this.name, ct, this.#reports.get(ctIdOf(ct)) ?? null)
    return await this.#append(ct, (now) => (isSame(now, ct) ? facts : []))
  }

  /** Appends what `facts` says of the container's state at that moment, if it says anything. */
  async #append(ct: CtState, facts: (now: CtState) => Fact[]): Promise<Fact[]> {
    const stream = streamOfCt(ct)
    if (this.journal.fold.quarantined.has(stream)) return []
    const { extra } = await this.journal.submit((view) => {
      const told = facts(view.ct(ctIdOf(ct)))
      return { drafts: told.map((fact) => ({ stream, fact })), extra: told }
    })
    return extra
  }

  /** A container whose stream can be followed again: what was open of it is settled, and it is looked at. */
  async takeUp(stream: StreamId): Promise<void> {
    const id = ctOfStream(stream)
    if (id === undefined) return
    const { pending } = this.journal.states.ct(id).context.op ?? {}
    if (pending && pending.inDoubt === null) await this.settle(stream, pending)
    await this.#lookAt(this.journal.states.ct(id))
    this.#watch(this.journal.states.ct(id))
  }

  /** A hook left a report. It waits while an operation is open: `#onCommit` comes back to it. */
  report(report: HookReport): void {
    this.#reports.set(report.id, report)
    if (this.#closing) return
    this.inBackground('a report could not be recorded', async () => {
      const ct = this.journal.states.ct(report.id)
      if (lifeOf(ct) === 'gone') this.#forget(ct)
      if (!exists(ct)) return
      const { host } = this.#ports
      const seen = report.last === 'started' ? await host.lxc.inspect(refOf(this.name, ct)) : null
      const start = seen?.run?.initPid === report.initPid ? (seen?.run?.startTime ?? null) : null
      // A newer report may have come meanwhile, and says all that this one does.
      const isNewest = (): boolean => this.#reports.get(report.id) === report
      const isFrozen = seen?.state === 'frozen'
      const told = (now: CtState): Fact[] => factsOfReport(now, report, host.bootId(), start, isFrozen)
      await this.#append(ct, (now) => (isNewest() ? this.#bounded(now, told(now)) : []))
    })
  }

  /** Leaves out the beginnings of reboots that are too many, and nothing else; what became of them is looked at after a minute. */
  #bounded(ct: CtState, facts: Fact[]): Fact[] {
    if (!beginsReboot(facts)) return facts
    const id = ctIdOf(ct)
    const verdict = this.#reboots.admit(id, REBOOTS_CODE, this.#ports.clock.wall())
    if (verdict === 'drop-first') this.#sumReboots(id)
    return verdict === 'write' ? facts : []
  }

  #sumReboots(id: string): void {
    let sums: readonly Fact[] | null = null
    this.inBackground('the number of reboots could not be recorded', async () => {
      await this.pause(this.#reboots.rest(id, this.#ports.clock.wall()))
      const ct = this.journal.states.ct(id)
      sums ??= this.#reboots.sum(id)
      await this.#append(ct, () => [...(sums ?? [])])
      this.#lookLater(id)
    })
  }

  /** The run's cgroup became empty. If no hook tells why, its monitor was killed. */
  #onEmpty(id: string): void {
    const look = async (): Promise<void> => {
      await this.pause(REPORT_GRACE_MS)
      if (lifeOf(this.journal.states.ct(id)) === 'rebooting') await this.pause(REBOOT_GRACE_MS)
      const ct = this.journal.states.ct(id)
      if (ct.context.op) this.#emptied.add(id)
      else if (shouldRun(ct)) await this.lookForNews(ct)
    }
    // Its end is told once: given up, the container would be said to run until somebody touches it.
    this.inBackground('an empty run could not be recorded', look, FOREVER)
  }

  /** As `#lookAt`, and a container that is as the log says is not worth an event. */
  async lookForNews(ct: CtState): Promise<void> {
    const facts = await look(this.#ports.host, this.name, ct, this.#reports.get(ctIdOf(ct)) ?? null)
    if (isNews(ct, facts)) await this.#append(ct, (now) => (isSame(now, ct) ? this.#bounded(now, facts) : []))
  }

  #lookLater(id: string): void {
    const look = (): Promise<void> => this.lookForNews(this.journal.states.ct(id))
    this.inBackground('a container could not be looked at', look)
  }

  /** Keeps exactly the running containers watched. */
  #watch(ct: CtState): void {
    const id = ctIdOf(ct)
    const watched = this.#watches.get(id)
    const wanted = shouldRun(ct) && !this.#closing
    if (wanted && !watched) {
      const stop = this.#ports.host.watchRun(refOf(this.name, ct), () => this.#onEmpty(id))
      this.#watches.set(id, stop)
      // It may have ended before anybody watched.
      this.#lookLater(id)
    } else if (!wanted && watched) {
      watched()
      this.#watches.delete(id)
    }
  }

  #onCommit(committed: Committed): void {
    this.drift.onCommit(committed)
    this.#ends.onCommit(committed)
    for (const requested of committed.requested) this.engine.start(requested)
    for (const [stream, state] of committed.states) {
      if (stream === 'pool') continue
      const ct = state as CtState
      this.#watch(ct)
      const ends = committed.finished.filter((end) => end.stream === stream)
      if (ends.length > 0) {
        this.inBackground('an abandoned effect could not be fenced', () => this.engine.abandon(stream))
      }
      if (ct.context.op === null && ends.some(({ result }) => result !== 'done'))
        this.#emptied.add(ctIdOf(ct))
      if (ct.context.op === null) this.#afterOperation(ct)
      if (lifeOf(ct) === 'gone') this.#forget(ct)
    }
  }

  /** What happened while the operation was open and had to wait for its end. */
  #afterOperation(ct: CtState): void {
    const isSuspect = this.#emptied.delete(ctIdOf(ct))
    if (!shouldRun(ct)) return
    const { host } = this.#ports
    if (factsOfBoot(ct, host.bootId()).length > 0) {
      this.inBackground('a lost container could not be recorded', async () => {
        await this.#append(ct, (now) => factsOfBoot(now, host.bootId()))
      })
      return
    }
    if (isSuspect) this.#lookLater(ctIdOf(ct))
    const report = this.#reports.get(ctIdOf(ct))
    const { run } = ct.context
    if (!report || report.run !== run?.name) return
    if (report.last !== 'started' || report.initPid !== run.evidence?.initPid) this.report(report)
  }

  #forget(ct: CtState): void {
    this.#reports.delete(ctIdOf(ct))
    this.inBackground('derived state could not be removed', () =>
      this.#ports.host.materialise.forgetContainer(refOf(this.name, ct)),
    )
  }

  /** Resolves when the operation ends; at once when it is not open any more. */
  ended(op: string, stream: StreamId): Promise<OperationEnd> {
    return this.#ends.of(op, stream)
  }

  /** Settles an open intent: fence, probe, and what follows. */
  async settle(stream: StreamId, pending: PendingIntent): Promise<void> {
    await settle(this.#ports, this.journal, this.engine, stream, pending, this.#reports)
  }

  containers(): CtState[] {
    return [...this.journal.states.cts()]
  }

  ctid(id: string): string | null {
    const ct = this.journal.states.ct(id)
    return ct.context.identity ? ctidOf(ct) : null
  }

  /** At export, when nothing more comes: its last head goes to all who keep it. */
  async finish(): Promise<void> {
    await this.witnesses.finish(await this.upkeep.finish())
  }

  /** Stops watching; effects on their way are left to the next opening. */
  async detach(): Promise<void> {
    this.#closing = true
    this.#abort.abort()
    this.journal.availability.giveUp()
    for (const stop of this.#watches.values()) stop()
    this.#watches.clear()
    this.witnesses.stop()
    this.engine.stop()
    this.#ends.giveUp('osctld ended before the operation did; it goes on when osctld is back')
    await Promise.all([...this.#background])
    await this.upkeep.save().catch(() => {})
    await this.upkeep.stop()
    await this.journal.close()
  }
}
