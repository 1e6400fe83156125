/**
 * Indexes that a segment gets when it is sealed, so that its commits did not have to pay for them.
 *
 * The expressions say in SQL what `actorName` and `isFailure` say of an event; a test holds them equal. A query
 * uses an index by repeating its expression to the letter.
 */
import { ACTOR_TYPES, FAILURE_TYPES } from '../../types/query.ts'

const JSON_BODY = 'CAST(body AS TEXT)'
const field = (path: string): string => `json_extract(${JSON_BODY}, '$.data.${path}')`
const list = (types: readonly string[]): string => types.map((type) => `'${type}'`).join(', ')

/** As `actorName`. */
export const ACTOR = [
  `coalesce(${field('actor.claimed.sudoUser')},`,
  `'uid ' || coalesce(${field('actor.verified.loginuid')}, ${field('actor.verified.uid')}),`,
  `'system:' || ${field('actor.system')}, '-')`,
  `|| coalesce(' from ' || nullif(${field('actor.claimed.sshClient')}, ''), '')`,
].join(' ')
export const HAS_ACTOR = `type IN (${list(ACTOR_TYPES)})`

/** As `isFailure`. */
export const FAILURE = [
  `(type IN (${list(FAILURE_TYPES)})`,
  `OR type = 'OperationFinished' AND ${field('result')} <> 'done'`,
  `OR type = 'CtExited' AND ${field('target')} = 'crash')`,
].join(' ')

export const QUERY_INDEXES = {
  events_op: 'CREATE INDEX IF NOT EXISTS events_op ON events (op) WHERE op IS NOT NULL',
  events_type: 'CREATE INDEX IF NOT EXISTS events_type ON events (type)',
  events_t: 'CREATE INDEX IF NOT EXISTS events_t ON events (t)',
  events_actor: `CREATE INDEX IF NOT EXISTS events_actor ON events (${ACTOR}) WHERE ${HAS_ACTOR}`,
  events_failure: `CREATE INDEX IF NOT EXISTS events_failure ON events (seq) WHERE ${FAILURE}`,
} as const
export type QueryIndex = keyof typeof QUERY_INDEXES
