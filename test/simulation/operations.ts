/** Operations that a pool has open. */
import type { Pool } from '../../src/daemon/pool.ts'

/** Ids of those that are under way. */
export const openOf = ({ states }: Pool): string[] =>
  [states.pool(), ...states.all()].flatMap(({ context: { op } }) => (op ? [op.id] : []))

/** Ids of those in doubt. */
export const doubtsOf = ({ states }: Pool): string[] =>
  [states.pool(), ...states.all()].flatMap(({ context: { op } }) => (op?.pending?.inDoubt ? [op.id] : []))
