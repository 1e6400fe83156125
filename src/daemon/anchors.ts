/**
 * Keeping the head of a pool's log where a rollback or the loss of the log's dataset does not reach (DESIGN D5), and
 * comparing the log with it when it is opened.
 *
 *   property    `org.vpsadminos.osctl:head` of `<ds>`: the newest anchored head
 *   snapshots   of the log's dataset, hourly and at export, with the head in a property of their own: what a lost
 *               end is looked for in, and a log that can be put back. A bounded number of them is kept
 *   log         a line for each in the daemon's own log, which is in memory and goes where the admin sends it
 *
 * An anchor is written after its commit, so a log that is behind one has lost something that was acknowledged.
 * A crash between commit and anchor, or between a snapshot and the removal of an old one, costs nothing: the next
 * anchor does both.
 */
import { type Anchor, type Broken, judge } from '../audit/anchors.ts'
import { ask } from '../audit/ask.ts'
import type { Dataset } from '../effects/host.ts'
import { HostError } from '../effects/host.ts'
import { keepReservation } from '../effects/reservation.ts'
import type { LogStore } from '../events/log/store.ts'
import type { Head } from '../events/types/envelope.ts'
import type { EventData } from '../events/types/events.ts'
import { headText, parseHead } from '../rpc/heads.ts'
import { eventsDataset, unlogged } from './log-datasets.ts'
import type { DaemonPorts } from './ports.ts'

/** Holds `seq:hash` of the newest anchored head on `<ds>`, and of the head at that moment on a snapshot. */
export const ANCHOR_PROPERTY = 'org.vpsadminos.osctl:head'
/** A day of hours. */
export const SNAPSHOTS_KEPT = 24
const SNAPSHOT_PREFIX = 'osctl-head-'

/** Ours by name and by the property that only we set on it. */
const isOurs = ({ name, properties }: Dataset): boolean =>
  (name.split('@')[1] ?? '').startsWith(SNAPSHOT_PREFIX) && properties[ANCHOR_PROPERTY] !== undefined

export class Anchors {
  readonly #ports: Pick<DaemonPorts, 'host'>
  readonly #dataset: string

  /** @param dataset  `<ds>` of the pool */
  constructor(ports: Pick<DaemonPorts, 'host'>, dataset: string) {
    this.#ports = ports
    this.#dataset = dataset
  }

  /** Every head that is kept on the pool. */
  async kept(): Promise<Anchor[]> {
    const { zfs } = this.#ports.host
    const own = (await zfs.get(this.#dataset))?.properties[ANCHOR_PROPERTY]
    const snapshots = (await zfs.snapshots(eventsDataset(this.#dataset))).filter(isOurs)
    const places = snapshots.map(({ name, properties }) => ({
      text: properties[ANCHOR_PROPERTY],
      where: `property ${ANCHOR_PROPERTY} of ${name}`,
    }))
    return [{ text: own, where: `property ${ANCHOR_PROPERTY} of ${this.#dataset}` }, ...places].flatMap(
      ({ text, where }) => {
        const head = text === undefined ? null : parseHead(text)
        return head ? [{ ...head, where }] : []
      },
    )
  }

  /** Compares an open log with everything that is kept; empty when it is the one that was anchored. */
  async compare(store: LogStore): Promise<Broken[]> {
    return await compareAll(store, await this.kept())
  }

  async setProperty(head: Head): Promise<void> {
    await this.#ports.host.zfs.set(this.#dataset, { [ANCHOR_PROPERTY]: headText(head) })
  }

  /** Takes a snapshot of the log that bears its head, and lets the oldest beyond the number that is kept go. */
  async snapshot(head: Head): Promise<void> {
    const { zfs } = this.#ports.host
    const events = eventsDataset(this.#dataset)
    const name = `${events}@${SNAPSHOT_PREFIX}${head.seq}-${head.hash.slice(0, 8)}`
    await zfs.snapshot(name, unlogged(name), { [ANCHOR_PROPERTY]: headText(head) }).catch((error) => {
      if (!(error instanceof HostError) || error.code !== 'E_EXISTS') throw error
    })
    // What the log holds by itself is another amount now.
    await keepReservation(zfs, events)
    const ours = (await zfs.snapshots(events)).filter(isOurs)
    for (const old of ours.slice(0, Math.max(0, ours.length - SNAPSHOTS_KEPT))) {
      await zfs.destroy(old.name, old.guid, unlogged(old.name))
    }
  }
}

/** Anchors of any origin against one log: those that it does not fit, and that no recovery has given up. */
export async function compareAll(store: LogStore, anchors: readonly Anchor[]): Promise<Broken[]> {
  const end = store.head()
  const judged = await Promise.all(
    anchors.map(async (anchor) =>
      judge(end, anchor, anchor.seq > end.seq ? null : await store.hashAt(anchor.seq)),
    ),
  )
  const broken = judged.filter((it) => it !== null)
  if (broken.length === 0) return []
  const given = await givenUp(store)
  return broken.filter(({ anchor }) => !given.has(headText(anchor)))
}

/** Heads of what was lost and given up by `event recover`. */
async function givenUp(store: LogStore): Promise<Set<string>> {
  const recoveries = await ask(store, { types: ['LogRecovered'], limit: 1000, reverse: true })
  return new Set(
    recoveries.flatMap(({ data }) => (data as EventData<'LogRecovered'>).lost.map((head) => headText(head))),
  )
}
