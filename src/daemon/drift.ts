/**
 * Looking for drift: at import, after a recovery, on demand, and every five minutes.
 *
 * A look takes what the states say, then what the host shows, and appends what is new, once. A container that an
 * operation works on, or whose state has moved on meanwhile, is left for the next look: what was seen of it may be of
 * before. So a look never competes with a command, and needs no lock. One that was asked for is taken again then, a few
 * times: who asked wants to know what there is.
 *
 * On a crash nothing is lost: what was not recorded is seen again.
 */
import {
  ctFindings,
  type Finding,
  news,
  poolFindings,
  type SeenDataset,
  type SeenRun,
  sighted,
} from '../audit/drift.ts'
import { ownValue } from '../effects/kinds/dataset-set.ts'
import type { EventData, Fact } from '../events/types/events.ts'
import { ctOfStream } from '../events/types/ids.ts'
import type { CtState } from '../machines/container/machine.ts'
import { ctIdOf, streamOfCt } from '../machines/fold.ts'
import { exists, lifeOf } from '../machines/life.ts'
import type { PoolState } from '../machines/pool/machine.ts'
import { Diary } from './diary.ts'
import type { Committed, Journal } from './journal.ts'
import type { DaemonPorts } from './ports.ts'
import { refOf } from './reality.ts'

/** What a look needs of the pool. */
export type Watched = {
  readonly name: string
  readonly dataset: string
  readonly journal: Journal
  readonly ports: DaemonPorts
  containers(): CtState[]
  /** Looks at a container that should run. */
  lookForNews(ct: CtState): Promise<void>
  inBackground(what: string, work: () => Promise<void>): void
}

const PAUSE_MS = 300_000
/** As often a look that was asked for is taken at most. */
const LOOKS = 3

/** What one look found, and the state of the pool that it was compared with. */
type Look = {
  readonly cts: ReadonlyMap<CtState, Finding[]>
  readonly pool: Finding[]
  readonly before: PoolState
  /** False when something was left out that the next look can tell. */
  readonly isWhole: boolean
}

export class DriftScan {
  readonly #pool: Watched
  readonly diary: Diary
  #running: Promise<void> | null = null

  constructor(pool: Watched) {
    this.#pool = pool
    this.diary = new Diary(() => pool.ports, pool)
  }

  /**
   * Looks now, or waits for the look that is under way and looks again.
   * @param isAsked  not one of those that are taken now and then
   * @param looks    at most so many, while something is changed in their middle
   * @throws HostError
   */
  async scan(isAsked = true, looks = LOOKS): Promise<void> {
    await this.#running?.catch(() => {})
    this.#running ??= this.#scan(isAsked, looks).finally(() => {
      this.#running = null
    })
    await this.#running
  }

  /** Resolves when no look is under way. */
  async idle(): Promise<void> {
    await this.#running?.catch(() => {})
  }

  /** Looks at once, and from then on now and then, until the signal. */
  start(signal: AbortSignal): void {
    this.#later()
    this.#watch(signal).catch(() => {})
  }

  #later(): void {
    this.#pool.inBackground('drift could not be looked for', () => this.scan(true, 1))
  }

  onCommit({ stored, finished, states }: Committed): void {
    // A repair that failed may have been done all the same.
    const isSuspect = finished.some(
      ({ stream, result }) => result !== 'done' && states.get(stream)?.context.drift !== undefined,
    )
    if (isSuspect) this.#later()
    for (const { type, stream, data } of stored) {
      const was = type === 'DriftAdopted' ? (data as EventData<'DriftAdopted'>).found.was : undefined
      const id = ctOfStream(stream)
      if (was !== undefined && id !== undefined) this.#forgetName(id, was)
    }
  }

  /** A container has another id now: what was derived for the one that it had goes. */
  #forgetName(id: string, was: string): void {
    const { name, ports } = this.#pool
    this.#pool.inBackground('derived state could not be removed', () =>
      ports.host.materialise.forgetContainer({ pool: name, id, ctid: was }),
    )
  }

  async #watch(signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.#pool.ports.clock.sleep(PAUSE_MS, signal)
      await this.scan(false, 1).catch((error) => {
        if (!signal.aborted)
          this.#pool.ports.logger.warn(
            { pool: this.#pool.name, error: String(error) },
            'no drift was looked for',
          )
      })
    }
  }

  /** What differs now, recorded or not. Changes nothing. @throws HostError */
  async look(isAsked = false): Promise<Look> {
    const { journal, name, dataset } = this.#pool
    const { states } = journal
    const before = states.pool()
    const cts = [...states.cts()].filter((ct) => !journal.fold.quarantined.has(streamOfCt(ct)))
    const { seq } = journal.head()
    const datasets = await this.#datasets()
    const at = { pool: name, dataset }
    const sight = sighted(datasets, await this.#runs(cts), (await this.diary.look(isAsked)) ?? undefined)
    const found = poolFindings(at, states, sight)
    // What a creation made and took away meanwhile is of nobody, and gone; what was known before is of no creation.
    const isStill = journal.head().seq === seq
    const known = before.context.drift
    const isPassing = ({ drift }: Finding): boolean =>
      !isStill && drift.startsWith('staging/') && known?.[drift] === undefined
    const lasting = found.filter((finding) => !isPassing(finding))
    return {
      before,
      cts: new Map(cts.map((ct) => [ct, ctFindings(at, ct, sight)])),
      pool: lasting,
      isWhole: lasting.length === found.length,
    }
  }

  async #datasets(): Promise<SeenDataset[]> {
    const { zfs } = this.#pool.ports.host
    const root = await zfs.get(this.#pool.name)
    const below = await zfs.list(this.#pool.name)
    return [...(root ? [root] : []), ...below].map((seen) => ({
      name: seen.name,
      guid: seen.guid,
      mountpoint: seen.mountpoint,
      own: (property: string) => ownValue(seen, property),
    }))
  }

  /** What runs although it should not; what should run is looked at by the pool itself. */
  async #runs(cts: readonly CtState[]): Promise<ReadonlyMap<string, SeenRun>> {
    const runs = new Map<string, SeenRun>()
    for (const ct of cts) {
      if (!exists(ct) || lifeOf(ct) !== 'stopped' || ct.context.op) continue
      const { state, runName, run } = await this.#pool.ports.host.lxc.inspect(refOf(this.#pool.name, ct))
      runs.set(ctIdOf(ct), { state, runName, run })
    }
    return runs
  }

  async #scan(isAsked: boolean, looks: number): Promise<void> {
    const pool = this.#pool
    if (pool.journal.unavailable !== null) return
    for (const ct of pool.containers()) await pool.lookForNews(ct)
    for (let left = looks; left > 0; left--) {
      // A seal lays the states anew: what is compared are those that the next decision will find.
      await pool.journal.caughtUp()
      if (await this.#recorded(await this.look(isAsked))) return
    }
  }

  /** @returns false when something of what was seen may be of before */
  async #recorded({ cts, pool: found, before, isWhole }: Look): Promise<boolean> {
    let isAll = isWhole
    for (const [ct, findings] of cts) if (!(await this.#record(ct, findings))) isAll = false
    const { extra: isSame } = await this.#pool.journal.submit((view) => {
      const now = view.pool()
      const isSame = now === before
      const facts = isSame && !now.context.op ? news(now.context.drift, found) : []
      return { drafts: facts.map((fact) => ({ stream: 'pool' as const, fact })), extra: isSame }
    })
    return isAll && isSame
  }

  /** @returns false when what was seen may be of before */
  async #record(ct: CtState, findings: readonly Finding[]): Promise<boolean> {
    if (ct.context.op || ct.context.dataset === null) return true
    if (news(ct.context.drift, findings).length === 0) return true
    const stream = streamOfCt(ct)
    const { extra: isSame } = await this.#pool.journal.submit((view) => {
      const now = view.ct(ctIdOf(ct))
      const facts: Fact[] = now === ct ? news(now.context.drift, findings) : []
      return { drafts: facts.map((fact) => ({ stream, fact })), extra: now === ct }
    })
    return isSame
  }
}
