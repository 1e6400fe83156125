/**
 * Starting at boot what is to run: containers with autostart, and those that their host's death caught in
 * a reboot. Lower priority first, then the older container; `parallelStart` at a time. The plan is a fact,
 * so that a daemon that dies half-way goes on with the rest; each start is a command of its own.
 */

import { ask } from '../audit/ask.ts'
import type { LogStore } from '../events/log/store.ts'
import type { EventData } from '../events/types/events.ts'
import type { Ulid } from '../events/types/ids.ts'
import type { CtState } from '../machines/container/machine.ts'
import { decideCt } from '../machines/decide/container.ts'
import type { Asked } from '../machines/decide/decision.ts'
import { ctIdOf, ctidOf, type States, streamOfCt } from '../machines/fold.ts'
import { lifeOf } from '../machines/life.ts'
import type { Bus } from './bus.ts'
import type { Pool } from './pool.ts'
import type { DaemonPorts } from './ports.ts'

const START_TIMEOUT_S = 120

const wants = (ct: CtState): boolean =>
  lifeOf(ct) === 'stopped' && (ct.context.settings.autostart !== null || ct.context.lostRebooting)

const priorityOf = (ct: CtState): number => ct.context.settings.autostart?.priority ?? 0

/** The containers to start, in order. @pure */
export function plan(states: States): Ulid[] {
  return [...states.cts()]
    .filter(wants)
    .sort((a, b) => priorityOf(a) - priorityOf(b) || (a.context.createdAt ?? 0) - (b.context.createdAt ?? 0))
    .map(ctIdOf)
}

/**
 * What is still to be done of the plan that a daemon died in: what nobody started since.
 * @returns null when it died before there was a plan
 */
export async function remaining(states: States, store: LogStore): Promise<Ulid[] | null> {
  const [newest] = await ask(store, { types: ['AutostartPlanned'], reverse: true, limit: 1 })
  const opened = await ask(store, { types: ['PoolOpened'], from: newest?.seq ?? 1, limit: 10_000 })
  const isOlder = opened.some((event) => (event.data as EventData<'PoolOpened'>).previous !== 'daemon-died')
  if (!newest || isOlder) return null
  const { autostart } = states.pool().context
  if (autostart.length === 0) return []
  const starts = await ask(store, {
    types: ['CtStartRequested', 'CtRestartRequested'],
    from: newest.seq,
    limit: 100_000,
  })
  const started = new Set(starts.map((event) => event.stream))
  return autostart.filter((id) => {
    const ct = states.ct(id)
    return wants(ct) && ct.context.op === null && !started.has(streamOfCt(ct))
  })
}

/** Runs `work` on each item, `width` at a time, in order; one that fails does not stop the others. */
export async function inParallel<T>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const queue = [...items]
  const worker = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item)
  }
  await Promise.all(Array.from({ length: Math.max(1, Math.min(width, items.length)) }, worker))
}

/** What autostart needs of the daemon. */
export type Starter = {
  readonly ports: DaemonPorts
  readonly bus: Bus
  readonly stopping: boolean
  asked(actor: 'autostart', command: string, args: Record<string, unknown>): Asked
}

/**
 * Plans what starts after an import, and starts it in the background: the rest of an earlier plan when only the
 * daemon died, else everything that is to run.
 * @param isAsked  false: nothing starts but what a plan still names
 */
export async function autostart(
  daemon: Starter,
  pool: Pool,
  isAsked: boolean,
  previous: EventData<'PoolOpened'>['previous'],
): Promise<void> {
  const { states, store } = pool.journal
  const rest = previous === 'daemon-died' ? await remaining(states, store) : null
  const cts = rest ?? (isAsked ? plan(states) : [])
  // An empty plan is one, too: the next daemon must not make another.
  if (rest === null) await pool.journal.note('pool', { type: 'AutostartPlanned', cts })
  if (cts.length > 0) pool.inBackground('autostart was interrupted', () => startAll(daemon, pool, cts))
}

async function startAll(daemon: Starter, pool: Pool, cts: readonly Ulid[]): Promise<void> {
  const { parallelStart } = pool.states.pool().context.config
  await inParallel(cts, parallelStart, async (id) => {
    if (daemon.stopping) return
    await startOne(daemon, pool, id).catch((error) =>
      daemon.ports.logger.warn(
        { pool: pool.name, ct: pool.ctid(id), error: String(error) },
        'a container did not start',
      ),
    )
  })
}

async function startOne(daemon: Starter, pool: Pool, id: Ulid): Promise<void> {
  const ctid = ctidOf(pool.states.ct(id))
  const asked = daemon.asked('autostart', 'ct start', { id: ctid })
  const run = daemon.ports.ids.ulid()
  const command = { type: 'ct.start', ctid, run, timeoutSeconds: START_TIMEOUT_S } as const
  await daemon.bus.run(pool, asked, (view) => decideCt(view, command, asked), { noWait: false })
}
