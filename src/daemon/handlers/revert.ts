/** Handler of `revert`: finds what is to be taken back, and all that its decision needs to know of the log. */
import { ask } from '../../audit/ask.ts'
import type { StoredEvent } from '../../events/types/envelope.ts'
import type { EventType } from '../../events/types/events.ts'
import type { LogReader } from '../../events/types/query.ts'
import { readFact } from '../../events/types/upcast.ts'
import {
  decideRevert,
  isRevertible,
  REVERTIBLE,
  type Recorded,
  type RevertCommand,
} from '../../machines/decide/revert.ts'
import type { Daemon } from '../daemon.ts'
import { invalid, notFound } from '../errors.ts'
import type { Pool } from '../pool.ts'
import { asked, type HandlersOf, refuseWhileStopping, waiting } from './context.ts'

const ULID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/
const POSITION = /^(?:([^:]+):)?(\d{1,15})$/
const MOST_EVENTS = 10_000
/** What an operation is made of besides what it changed. */
const FRAME: readonly EventType[] = [
  'CommandAccepted',
  'OperationFinished',
  'CancelRequested',
  'EffectIntended',
  'EffectRetried',
  'EffectSucceeded',
  'EffectFailed',
  'EffectInDoubt',
  'EffectResumed',
  'EffectFenced',
  'EffectLate',
]

export function revertHandlers(daemon: Daemon): HandlersOf<'revert'> {
  return {
    revert: async (params, call) => {
      refuseWhileStopping(daemon)
      const { pool, events } = await named(daemon, params.what)
      const command = await commandOf(pool, events, params.what, params.force)
      const ask = asked(daemon, call, 'revert', params)
      return await daemon.bus.run(
        pool,
        ask,
        (view) => decideRevert(view, command, ask),
        waiting(call, params.meta),
      )
    },
  }
}

/** The events that a position or an operation's id names. @throws CallError invalid, not-found */
async function named(daemon: Daemon, what: string): Promise<{ pool: Pool; events: StoredEvent[] }> {
  if (ULID.test(what)) {
    for (const pool of daemon.pools.values()) {
      const events = await operationOf(pool.journal.store, what)
      if (events.length > 0) return { pool, events }
    }
    throw notFound('E_OP_NOT_FOUND', `operation not found: ${what} (osctl history -o +op shows their ids)`)
  }
  const [, name, seq] = POSITION.exec(what) ?? []
  if (seq === undefined)
    throw invalid('E_POSITION', `not a change: ${what} (POOL:SEQ, SEQ with one pool, or an operation's id)`)
  if (name === undefined && daemon.pools.size > 1) {
    const names = [...daemon.pools.keys()].join(', ')
    throw invalid('E_POSITION', `several pools are imported: write POOL:${what} (${names})`)
  }
  const pool = daemon.poolOr(name)
  const head = pool.journal.head().seq
  const at = Number(seq)
  const [event] = at < 1 || at > head ? [] : (await pool.journal.read({ from: at, to: at, limit: 1 })).events
  if (!event)
    throw notFound('E_EVENT_NOT_FOUND', `no event ${pool.name}:${seq} (the log goes from 1 to ${head})`)
  const isFrame = FRAME.includes(event.type) && event.op !== undefined
  return { pool, events: isFrame ? await operationOf(pool.journal.store, event.op ?? '') : [event] }
}

const operationOf = (log: LogReader, op: string): Promise<StoredEvent[]> =>
  ask(log, { op, limit: MOST_EVENTS })

async function commandOf(
  pool: Pool,
  events: readonly StoredEvent[],
  what: string,
  force: boolean,
): Promise<RevertCommand> {
  const log = pool.journal.store
  const inside = events.filter(({ type }) => !FRAME.includes(type))
  // An operation that changed nothing is told by its command.
  const changes = recorded(inside.length > 0 ? inside : events.slice(0, 1))
  const last = changes.at(-1)
  const later = last
    ? recorded(
        await ask(log, { stream: last.stream, types: REVERTIBLE, from: last.seq + 1, limit: MOST_EVENTS }),
      )
    : []
  const repositories: Record<string, { url: string; enabled: boolean }> = {}
  for (const { seq, fact } of changes) {
    if (fact.type !== 'RepositoryDeleted') continue
    const was = await repositoryBefore(log, fact.name, seq)
    if (was) repositories[fact.name] = was
  }
  return { type: 'revert', what, changes, later, repositories, force }
}

function recorded(events: readonly StoredEvent[]): Recorded[] {
  return events.flatMap((event) => {
    const reading = readFact(event)
    return reading.ok ? [{ seq: event.seq, stream: event.stream, fact: reading.fact }] : []
  })
}

/** A repository as it was before this position, as far as the log still tells. */
async function repositoryBefore(
  log: LogReader,
  name: string,
  seq: number,
): Promise<{ url: string; enabled: boolean } | null> {
  const types: EventType[] = ['RepositoryAdded', 'RepositorySet']
  const events = await ask(log, { stream: 'pool', types, to: seq - 1, reverse: true, limit: MOST_EVENTS })
  let enabled: boolean | null = null
  for (const { fact } of recorded(events)) {
    if (!isRevertible(fact) || !('name' in fact) || fact.name !== name) continue
    if (fact.type === 'RepositorySet') enabled ??= fact.enabled
    if (fact.type === 'RepositoryAdded') return { url: fact.url, enabled: enabled ?? true }
  }
  return null
}
