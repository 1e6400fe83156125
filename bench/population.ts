/**
 * A pool's log with many containers and a long history, written straight through the machines: what a
 * daemon of some months finds at its start, made in seconds.
 */

import { realClock } from '../src/daemon/adapters/clock.ts'
import { ulids } from '../src/daemon/adapters/ids.ts'
import type { Journal } from '../src/daemon/journal.ts'
import { Journal as RealJournal } from '../src/daemon/journal.ts'
import { SqliteLog } from '../src/events/log/sqlite/log.ts'
import type { Fact } from '../src/events/types/events.ts'
import { decideCt } from '../src/machines/decide/container.ts'
import type { Asked, DecideView, Decision } from '../src/machines/decide/decision.ts'
import { decidePool } from '../src/machines/decide/pool.ts'

const ids = ulids()
const mint = { id: () => ids.ulid(), wall: realClock.wall, mono: realClock.mono }
const actor = {
  verified: {
    uid: 0,
    gid: 0,
    pid: 4242,
    start: 123456,
    loginuid: 1000,
    exe: '/usr/bin/node',
    tty: '/dev/pts/0',
  },
}
const asked = (command: string, id: string): Asked => ({
  op: ids.ulid(),
  actor,
  cli: `osctl ${command} ${id}`,
  key: undefined,
  command,
  args: { id },
})
const BATCH = 200

/** What a daemon does to a pool before anybody makes containers on it. */
async function install(journal: Journal): Promise<void> {
  const ask = asked('pool install', 'tank')
  const command = { type: 'pool.install', pool: 'tank', dataset: null, repository: '/repository' } as const
  await decided(journal, (view) => decidePool(view, command, ask))
  for (const evidence of [{}, {}]) await succeed(journal, 'pool', evidence)
  const opened = { pool: 'tank', dataset: 'tank', bootId: 'bench', previous: 'none' } as const
  await journal.note('pool', { type: 'PoolOpened', ...opened })
}

/** The log of a pool that no daemon holds. */
export async function opened(dir: string): Promise<Journal> {
  const stamp = () => ({ id: ids.ulid(), t: realClock.wall(), m: realClock.mono() })
  const journal = new RealJournal(new SqliteLog({ dir, stamp }), mint)
  await journal.open()
  return journal
}

/** Commands that were accepted when the daemon died: each has its first intent, and nothing is done. */
export async function begun(
  journal: Journal,
  command: 'ct start' | 'ct stop',
  ctids: readonly string[],
): Promise<void> {
  for (const ctid of ctids) {
    const asks =
      command === 'ct start'
        ? ({ type: 'ct.start', ctid, run: ids.ulid(), timeoutSeconds: 60 } as const)
        : ({ type: 'ct.stop', ctid, mode: 'kill', timeoutSeconds: 0 } as const)
    await decided(journal, (view) => decideCt(view, asks, asked(command, ctid)))
  }
}

/**
 * Appends `containers` creations, then settings of them until the log holds `events`.
 * @param segment  a segment is sealed when it has so many events
 */
export async function populate(
  dir: string,
  containers: number,
  events: number,
  segment = Number.POSITIVE_INFINITY,
): Promise<void> {
  const journal = await opened(dir)
  if (journal.states.pool().context.pool === null) await install(journal)
  const sealed = async (): Promise<void> => {
    if (journal.store.segmentEvents() >= segment) await journal.seal(() => Promise.resolve())
  }
  await inBatches(containers, (n) => create(journal, `ct${n}`), sealed)
  const left = Math.max(0, events - journal.head().seq)
  await inBatches(Math.floor(left / 3), (n) => set(journal, `ct${n % containers}`, n), sealed)
  await journal.close()
}

async function inBatches(
  count: number,
  work: (n: number) => Promise<void>,
  after: () => Promise<void>,
): Promise<void> {
  for (let n = 0; n < count; n += BATCH) {
    await Promise.all(Array.from({ length: Math.min(BATCH, count - n) }, (_, i) => work(n + i)))
    await after()
  }
}

const decided = (journal: Journal, decide: (view: DecideView) => Decision) =>
  journal.submit((view) => ({ drafts: decide(view).drafts, extra: null }))

async function create(journal: Journal, ctid: string): Promise<void> {
  const ask = asked('ct new', ctid)
  const id = ids.ulid()
  await decided(journal, (view) =>
    decideCt(
      view,
      {
        type: 'ct.create',
        id,
        ctid,
        user: null,
        group: '/default',
        distribution: 'debian',
        version: '13',
        arch: 'x86_64',
        initCmd: null,
        source: { from: 'pool', key: 's0123456789', guid: '7' },
        foreignBlocks: [],
      },
      ask,
    ),
  )
  await outcome(journal, id, { guid: String(1000 + Number(ctid.slice(2))), createtxg: '8' })
  await outcome(journal, id, { guid: String(1000 + Number(ctid.slice(2))), existing: false })
}

const outcome = (journal: Journal, id: string, evidence: Record<string, string | boolean>): Promise<void> =>
  succeed(journal, `ct:${id}`, evidence)

async function succeed(
  journal: Journal,
  stream: 'pool' | `ct:${string}`,
  evidence: Record<string, string | boolean>,
): Promise<void> {
  await journal.submit((view) => {
    const state = stream === 'pool' ? view.pool() : view.ct(stream.slice(3))
    const pending = state.context.op?.pending
    const fact = {
      type: 'EffectSucceeded',
      intent: pending?.intent,
      kind: pending?.kind,
      evidence,
      by: 'run',
    } as Fact
    return { drafts: [{ stream, fact }], extra: null }
  })
}

async function set(journal: Journal, ctid: string, n: number): Promise<void> {
  const ask = asked('ct set attr', ctid)
  await decided(journal, (view) =>
    decideCt(view, { type: 'ct.set', ctid, set: { attrs: { 'my.org:n': String(n) } } }, ask),
  )
}
