/** What history, events and subscriptions are filtered by, from the words of a request to what a log is asked. */

import { EVENT_TYPES, type EventType } from '../../events/types/events.ts'
import { ctStream, type StreamId, ulidSchema } from '../../events/types/ids.ts'
import type { EventQuery } from '../../events/types/query.ts'
import type { SubjectRow } from '../../rpc/results.ts'
import { subjects } from '../subjects.ts'
import type { PoolMoment } from '../view.ts'
import { type Holder, invalid, notFound, poolsOf } from './holder.ts'

/** As `eventConditions` of the protocol. */
export type Conditions = {
  readonly actors?: string[] | undefined
  readonly since?: number | undefined
  readonly until?: number | undefined
  readonly failed?: boolean
  readonly op?: string | undefined
}

export function conditionsOf({ actors, since, until, failed, op }: Conditions): Partial<EventQuery> {
  if (since !== undefined && until !== undefined && since > until)
    throw invalid('E_TIME', 'nothing can be both since and until: the end lies before the beginning')
  return {
    ...(actors === undefined ? {} : { actors }),
    ...(since === undefined ? {} : { since }),
    ...(until === undefined ? {} : { until }),
    ...(op === undefined ? {} : { op }),
    ...(failed ? { failed } : {}),
  }
}

/**
 * Types that any of the patterns names; `*` stands for any part of one, and case does not matter.
 * @throws E_EVENT_TYPE when one names none
 */
export function typesOf(patterns: readonly string[]): EventType[] {
  const wanted = patterns.map((pattern) => {
    const parts = pattern.split('*').map((part) => part.replace(/[^a-z0-9]/gi, '\\$&'))
    const named = EVENT_TYPES.filter((type) => new RegExp(`^${parts.join('.*')}$`, 'i').test(type))
    if (named.length > 0) return named
    const word = pattern.replaceAll('*', '').toLowerCase()
    const near = EVENT_TYPES.filter((type) => type.toLowerCase().includes(word))
    const legal = near.length > 0 ? near : EVENT_TYPES
    throw invalid('E_EVENT_TYPE', `no such type of event: ${pattern} (legal: ${legal.join(', ')})`)
  })
  return [...new Set(wanted.flat())]
}

/** @throws E_STREAM */
export function streamOfWord(word: string): StreamId {
  if (word === 'log' || word === 'pool' || word === 'host') return word
  const id = word.replace(/^ct:/, '').toUpperCase()
  if (ulidSchema.safeParse(id).success) return ctStream(id)
  throw invalid('E_STREAM', `no such stream: ${word} (legal: log, pool, ct:ID with a container's own id)`)
}

export type Position = { readonly pool: PoolMoment; readonly seq: number }

/**
 * `POOL:SEQ`, or SEQ where one pool is meant.
 * @throws E_POSITION, E_POOL_NOT_FOUND
 */
export function positionOf(holder: Holder, position: string, pools?: readonly string[]): Position {
  const match = /^(?:(.+):)?(\d{1,15})$/.exec(position)
  if (!match) throw invalid('E_POSITION', `not a position: ${position} (POOL:SEQ, or SEQ with one pool)`)
  const seq = Number(match[2])
  if (match[1] !== undefined) return { pool: holder.pool(match[1]), seq }
  const meant = poolsOf(holder, pools)
  if (meant.length > 1) {
    const names = meant.map(({ name }) => name).join(', ')
    throw invalid('E_POSITION', `several pools are imported: write POOL:${position} (${names})`)
  }
  return { pool: meant[0] ?? holder.poolOr(undefined), seq }
}

export type Subjects = { readonly pool: PoolMoment; readonly rows: readonly SubjectRow[] }

/**
 * Containers that `ct` means, today's and those that are gone, by pool.
 * @throws E_CT_NOT_FOUND when no pool knows any
 */
export async function subjectsOf(
  holder: Holder,
  ct: string,
  pools: readonly string[] | undefined,
): Promise<Subjects[]> {
  const colon = ct.lastIndexOf(':')
  const among = colon > 0 ? [holder.pool(ct.slice(0, colon))] : poolsOf(holder, pools)
  const word = colon > 0 ? ct.slice(colon + 1) : ct
  const found = await Promise.all(
    among.map(async (pool) => ({ pool, rows: await subjects(pool, pool.log, { ct: word }) })),
  )
  const known = found.filter(({ rows }) => rows.length > 0)
  if (known.length === 0)
    throw notFound('E_CT_NOT_FOUND', 'container not found: none has or had this id in the logs there are')
  return known
}

export const streamsOf = (rows: readonly SubjectRow[]): StreamId[] =>
  rows.map(({ stream }) => ctStream(stream))
