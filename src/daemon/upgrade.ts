/**
 * Upgrading the format of a pool's log (DESIGN D14; formats.ts says what a format is).
 *
 * The open segment is sealed, and the next one is of the newest format that this osctld knows. It opens with the
 * baselines, as every segment, and then with the command, `PoolUpgraded` and the command's end. So there is one
 * moment, the rename that publishes the next segment: before it nothing is recorded and nothing is different, after it
 * the pool is upgraded and its log says by whom. A daemon that dies on either side has nothing to take up; whoever
 * asks again with the same key gets the same operation.
 *
 * It is refused where it could not be trusted or would lose something: on a pool whose log takes no changes, whose
 * disks are not whole or may lose what was acknowledged, or one of whose streams is quarantined (the next segment
 * would open with its state before the event that is not understood).
 */
import { LogError } from '../events/log/store.ts'
import type { Fact } from '../events/types/events.ts'
import { type NamedFormat, newest, tooNew } from '../events/types/formats.ts'
import { ctOfStream } from '../events/types/ids.ts'
import { advance } from '../machines/advance.ts'
import { type Asked, type Decision, noop } from '../machines/decide/decision.ts'
import { decideLog } from '../machines/decide/log.ts'
import type { PlannedEvent } from '../rpc/plan.ts'
import type { FormatRow } from '../rpc/proof.ts'
import type { Accepted } from '../rpc/results.ts'
import { baselinesOf } from './baselines.ts'
import type { Bus, Waiting } from './bus.ts'
import { CallError, refused } from './errors.ts'
import { checkAvailable } from './plan/plan.ts'
import type { Pool } from './pool.ts'
import { formatsOf, mintOf } from './ports.ts'
import { prunedSegments, segmentRows } from './segments.ts'

/** The seal waits for commits that are on their way no longer than this. */
const PATIENCE_MS = 5000
const ATTEMPTS = 3

/** What an upgrade of the pool would bring, and cost. */
export function formatRow(pool: Pool): FormatRow {
  const formats = formatsOf(pool.ports)
  const { number: format, since } = pool.journal.format
  const last = newest(formats)
  const more = formats.filter(({ number }) => number > format)
  const problem = tooNew(formats, { number: format, since }) ?? pool.journal.unavailable
  return {
    pool: pool.name,
    format,
    newest: last.number,
    needs: since ?? formats.find(({ number }) => number === format)?.since ?? null,
    upgrade: more.length === 0 ? null : last.number,
    would_need: more.length === 0 ? null : last.since,
    brings: more.length === 0 ? null : more.map(({ brings }) => brings).join('; '),
    problem,
  }
}

function decideUpgrade(pool: Pool, asked: Asked): Decision {
  const { number, since } = newest(formatsOf(pool.ports))
  const { number: format } = pool.journal.format
  if (format >= number) return noop('log', asked, `the pool has format ${format}, the newest that there is`)
  const fact: Fact = { type: 'PoolUpgraded', from: format, to: number, needs: since }
  return decideLog(asked, fact)
}

/**
 * Must be the only thing that is done to the pool as a whole meanwhile.
 * @throws CallError refused, unavailable; LogError E_LOG_FULL, E_LOG_IO: nothing has happened
 */
export async function upgrade(bus: Bus, pool: Pool, asked: Asked, waiting: Waiting): Promise<Accepted> {
  checkAvailable(pool)
  const decision = decideUpgrade(pool, asked)
  if (decision.is !== 'accepted') return await bus.run(pool, asked, () => decision, waiting)
  const known = waiting.dryRun ? null : await bus.known(pool, asked.key, waiting)
  if (known) return known
  await checkWhole(pool)
  if (waiting.dryRun) return await planned(bus, pool, asked, decision, waiting)
  const { number: to } = newest(formatsOf(pool.ports))
  const { events } = advance(pool.journal.states, decision.drafts, mintOf(pool.ports))
  await sealed(pool, asked, { to, events })
  const told = await pool.journal.store.byId(asked.op)
  if (!told) throw new CallError('failed', 'E_FAILED', 'the segment could not be sealed, nothing has changed')
  waiting.accepted?.(asked.op)
  return { op: asked.op, result: 'done', position: `${pool.name}:${told.seq}`, warnings: [] }
}

/** @throws CallError refused */
async function checkWhole(pool: Pool): Promise<void> {
  const facts = await pool.ports.host.zfs.pool(pool.name)
  const why =
    facts && facts.unsafe.length > 0
      ? `it may lose what was acknowledged: ${facts.unsafe.join('; ')}`
      : facts?.health !== 'ONLINE'
        ? `the health of its zpool is ${facts?.health ?? 'unknown'}`
        : null
  if (why !== null)
    throw refused('E_POOL_DEGRADED', `pool ${pool.name} is degraded and is not upgraded: ${why}`)
  const [quarantined] = pool.quarantined.values()
  if (quarantined) {
    const message = `${quarantined.stream} is quarantined, and its segment must stay open (osctl event quarantine ls)`
    throw refused('E_QUARANTINED', message)
  }
}

/**
 * Seals, again when commits were in the way. A seal whose outcome is unknown is looked up by reopening the log, when its
 * disk lets it.
 */
async function sealed(pool: Pool, asked: Asked, to: Parameters<Pool['journal']['seal']>[1]): Promise<void> {
  const { journal, ports } = pool
  for (let attempt = 1; ; attempt++) {
    try {
      return await journal.seal(() => ports.clock.sleep(PATIENCE_MS), to)
    } catch (error) {
      const code = error instanceof LogError ? error.code : null
      if (code === 'E_LOG_UNKNOWN') {
        await journal.caughtUp().catch(() => journal.availability.settled())
        if (journal.availability.isUnopened) throw error
        return
      }
      if (code !== 'E_LOG_CONFLICT') throw error
      if (attempt === ATTEMPTS)
        throw new CallError(
          'unavailable',
          'E_BUSY',
          `pool ${pool.name} is too busy, ask again: ${asked.command}`,
        )
      await journal.caughtUp()
    }
  }
}

async function planned(
  bus: Bus,
  pool: Pool,
  asked: Asked,
  decision: Decision,
  waiting: Waiting,
): Promise<Accepted> {
  const answer = await bus.run(pool, asked, () => decision, waiting)
  const { number, since } = newest(formatsOf(pool.ports))
  const note = `the segment is sealed, and the next one has format ${number}: osctld before ${since} can then only read the pool`
  const { plan } = answer
  if (plan?.result !== 'done') return answer
  const events = [...(await nextSegment(pool, { number, since })), ...plan.events]
  return { ...answer, plan: { ...plan, events, notes: [...plan.notes, note] } }
}

/** What the next segment opens with. */
async function nextSegment(pool: Pool, format: NamedFormat): Promise<PlannedEvent[]> {
  const rows = await segmentRows(pool)
  const pruned = (await prunedSegments(pool)).at(-1)
  const open = rows.findLast(({ state }) => state === 'open')
  const { segment = 0, first = 0, last = 0, head = '' } = open ?? {}
  const opened = {
    segment: segment + 1,
    previous: { segment, first, last, head },
    ...(pruned ? { pruned } : {}),
    format,
  }
  const { clock } = pool.ports
  const paper = { id: () => '<event>', wall: () => clock.wall(), mono: () => clock.mono() }
  const planned = { pool: pool.name, target: null, assumed: false }
  return [
    { ...planned, stream: 'log', type: 'SegmentOpened', data: opened },
    ...baselinesOf(pool.journal.fold, paper).map(({ stream, type, data }) => {
      const id = ctOfStream(stream)
      return { ...planned, target: id === undefined ? null : pool.ctid(id), stream, type, data }
    }),
  ]
}
