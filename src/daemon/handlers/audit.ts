/** Handlers of `history`, `event …`, `op …`, `monitor`. */

import { history } from '../../audit/history.ts'
import { openOpRow, operation } from '../../audit/operations.ts'
import { ask, eventRow } from '../../audit/read.ts'
import { actorName } from '../../audit/rows.ts'
import type { Fact } from '../../events/types/events.ts'
import type { StreamId } from '../../events/types/ids.ts'
import { ctidOf, streamOfCt } from '../../machines/fold.ts'
import { lifeOf } from '../../machines/life.ts'
import type { PendingIntent } from '../../machines/operation.ts'
import type { Call } from '../../rpc/call.ts'
import type { Accepted, EventRow, OpRow } from '../../rpc/results.ts'
import type { Daemon } from '../daemon.ts'
import { invalid, notFound, refused } from '../errors.ts'
import type { Committed } from '../journal.ts'
import { planOutcome, planRetry } from '../plan/operations.ts'
import { planned } from '../plan/plan.ts'
import type { Pool } from '../pool.ts'
import { actorOf, type HandlersOf, locateCt, poolsOf } from './context.ts'

type AuditMethods = 'history.list' | 'event.list' | 'event.show' | 'event.subscribe'

export function auditHandlers(daemon: Daemon): HandlersOf<AuditMethods> {
  return {
    'history.list': async ({ pools, ct, limit }) => {
      if (ct !== undefined) {
        const found = locateCt(daemon, ct)
        return await history(found.pool, found.pool.journal.store, streamOfCt(found.ct), limit)
      }
      const rows = await Promise.all(
        poolsOf(daemon, pools).map((pool) => history(pool, pool.journal.store, undefined, limit)),
      )
      return rows
        .flat()
        .sort((a, b) => a.time - b.time)
        .slice(-limit)
    },
    'event.list': async (params) => {
      const found = params.ct === undefined ? null : locateCt(daemon, params.ct)
      const pool = found?.pool ?? daemon.poolOr(params.pool)
      const { from, to, reverse, limit, types } = params
      // Without a beginning or an end the newest are wanted, told in the order in which they happened.
      const newest = !reverse && from === undefined && to === undefined
      const query = {
        reverse: reverse || newest,
        limit,
        ...(from === undefined ? {} : { from }),
        ...(to === undefined ? {} : { to }),
        ...(types === undefined ? {} : { types: types as Fact['type'][] }),
        ...(found === null ? {} : { stream: streamOfCt(found.ct) }),
      }
      const rows = (await ask(pool.journal.store, query)).map((event) => eventRow(pool, event))
      return newest ? rows.reverse() : rows
    },
    'event.show': async ({ position }) => await show(daemon, position),
    'event.subscribe': async ({ pools, from }, call) =>
      await subscribe(poolsOf(daemon, pools), from ?? {}, call),
  }
}

async function show(daemon: Daemon, position: string): Promise<EventRow> {
  const match = /^(?:([^:]+):)?(\d+)$/.exec(position)
  if (!match) throw invalid('E_POSITION', `not a position: ${position} (POOL:SEQ, or SEQ with one pool)`)
  if (match[1] === undefined && daemon.pools.size > 1) {
    throw invalid(
      'E_POSITION',
      `several pools are imported: write POOL:${position} (${[...daemon.pools.keys()].join(', ')})`,
    )
  }
  const pool = daemon.poolOr(match[1])
  const seq = Number(match[2])
  const head = pool.journal.head().seq
  if (seq < 1 || seq > head)
    throw notFound('E_EVENT_NOT_FOUND', `no event ${pool.name}:${seq} (the log goes from 1 to ${head})`)
  const { events } = await pool.journal.read({ from: seq, to: seq, limit: 1 })
  const event = events[0]
  if (!event) throw notFound('E_EVENT_NOT_FOUND', `no event ${pool.name}:${seq}`)
  return eventRow(pool, event)
}

/**
 * Sends every event after `from`, gap-free: new commits queue while the past is read. The queue is bounded;
 * a subscriber that overruns it is told to come back with its position.
 */
async function subscribe(pools: readonly Pool[], from: Readonly<Record<string, number>>, call: Call) {
  const positions: Record<string, number> = {}
  for (const pool of pools) {
    positions[pool.name] = from[pool.name] ?? pool.journal.head().seq
    follow(pool, positions[pool.name] ?? 0, call)
  }
  return { positions }
}

const LONGEST_QUEUE = 10_000

function follow(pool: Pool, after: number, call: Call): void {
  const queue: Committed[] = []
  let catchingUp = true
  let sent = after
  const stop = pool.journal.listen((committed) => {
    if (!catchingUp) return deliver(committed)
    queue.push(committed)
    if (queue.length > LONGEST_QUEUE)
      finish('the subscriber was too slow: subscribe again from the last position')
  })
  const finish = (reason: string | null): void => {
    stop()
    if (reason !== null) call.end(reason)
  }
  const send = (row: EventRow, state?: string): boolean => {
    if (row.seq <= sent) return true
    sent = row.seq
    return call.notify(state === undefined ? { event: row } : { event: row, state })
  }
  const deliver = (committed: Committed): void => {
    for (const event of committed.stored) {
      const state = committed.states.get(event.stream)
      if (!send(eventRow(pool, event), state ? lifeOf(state) : undefined)) return finish(null)
    }
  }
  call.signal.addEventListener('abort', () => finish(null), { once: true })
  pool.inBackground('a subscription ended', async () => {
    let next: number | null = after + 1
    const head = pool.journal.head().seq
    while (next !== null && next <= head && !call.signal.aborted) {
      const slice: Awaited<ReturnType<Pool['journal']['read']>> = await pool.journal.read({
        from: next,
        to: head,
        limit: 500,
      })
      for (const event of slice.events) if (!send(eventRow(pool, event))) return finish(null)
      next = slice.next
    }
    for (const committed of queue) deliver(committed)
    catchingUp = false
  })
}

export function opHandlers(daemon: Daemon): HandlersOf<'op.list' | 'op.show' | 'op.retry' | 'op.resolve'> {
  return {
    'op.list': async ({ pools, all }) =>
      (await Promise.all(poolsOf(daemon, pools).map((pool) => operations(pool, all)))).flat(),
    'op.show': async ({ op }) => {
      for (const pool of daemon.pools.values()) {
        const row = await operation(pool, pool.journal.store, op)
        if (row) return row
      }
      throw notFound('E_OP_NOT_FOUND', `operation not found: ${op} (osctl op ls --all shows the recent ones)`)
    },
    'op.retry': async ({ op, meta }, call) => {
      const { pool, stream, pending } = doubtful(daemon, op)
      if (meta?.dryRun)
        return planned(await daemon.plan(pool.name, (users) => planRetry(pool, stream, pending, op, users)))
      await pool.settle(stream, pending)
      call.operation(op)
      return await ended(pool, stream, op)
    },
    'op.resolve': async (params, call) => {
      const { pool, stream, pending } = doubtful(daemon, params.op)
      const by = actorName(actorOf(call, params.meta))
      const fact: Fact =
        params.as === 'done'
          ? {
              type: 'EffectSucceeded',
              intent: pending.intent,
              kind: pending.kind,
              evidence: await evidenceFor(daemon, pool, stream, pending),
              by: 'operator',
            }
          : {
              type: 'EffectFailed',
              intent: pending.intent,
              kind: pending.kind,
              class: params.as === 'undone' ? 'undone' : 'permanent',
              message: `resolved as ${params.as} by ${by}`,
              by: 'operator',
            }
      if (params.meta?.dryRun)
        return planned(
          await daemon.plan(pool.name, (users) => planOutcome(pool, stream, pending, params.op, fact, users)),
        )
      await daemon.ports.host.fence(pending.intent)
      await pool.journal.submit(() => ({ drafts: [{ stream, fact }], extra: null }))
      return { op: params.op, result: 'done', position: null, warnings: [] }
    },
  }
}

async function operations(pool: Pool, all: boolean): Promise<OpRow[]> {
  const open = [
    { target: null, op: pool.journal.states.pool().context.op },
    ...pool.containers().map((ct) => ({ target: ctidOf(ct), op: ct.context.op })),
  ].flatMap(({ target, op }) => (op ? [openOpRow(pool, target, op, '-')] : []))
  if (!all)
    return await Promise.all(
      open.map(async (row) => (await operation(pool, pool.journal.store, row.op)) ?? row),
    )
  const recent = await ask(pool.journal.store, { types: ['CommandAccepted'], reverse: true, limit: 100 })
  const rows = await Promise.all(
    recent.map((event) => operation(pool, pool.journal.store, event.op ?? event.id)),
  )
  return rows.filter((row) => row !== null).reverse()
}

type Doubtful = { pool: Pool; stream: StreamId; pending: PendingIntent }

function doubtful(daemon: Daemon, op: string): Doubtful {
  for (const pool of daemon.pools.values()) {
    const streams: StreamId[] = ['pool', ...pool.containers().map(streamOfCt)]
    for (const stream of streams) {
      const open = pool.journal.states.of(stream)?.context.op
      if (open?.id !== op) continue
      if (open.pending?.inDoubt) return { pool, stream, pending: open.pending }
      throw refused('E_OP_RUNNING', `operation ${op} is not in doubt: it runs (osctl op show ${op})`)
    }
  }
  throw notFound('E_OP_NOT_FOUND', `no open operation ${op} (osctl op ls shows those that are)`)
}

/** `--as done` needs evidence: what a probe sees now. Without it the admin's word would have to be believed. */
async function evidenceFor(
  daemon: Daemon,
  pool: Pool,
  stream: StreamId,
  pending: Doubtful['pending'],
): Promise<never> {
  const { probe } = daemon.ports.effects[pending.kind]
  if (pending.compensates || typeof probe !== 'function') return {} as never
  const context = pool.engine.context(stream, pending.intent, new AbortController().signal)
  const seen = await probe(pending.args as never, context)
  if (seen.is !== 'done') {
    const what = 'why' in seen ? seen.why : 'what' in seen ? seen.what : 'it was not done'
    throw refused(
      'E_NOT_DONE',
      `cannot be resolved as done: ${what} (op retry runs it again, --as failed gives it up)`,
    )
  }
  return seen.evidence as never
}

async function ended(pool: Pool, stream: StreamId, op: string): Promise<Accepted> {
  const { result, error } = await pool.ended(op, stream)
  const warnings = result === 'done' || error === null ? [] : [`${result}: ${error}`]
  return { op, result: 'done', position: null, warnings }
}
