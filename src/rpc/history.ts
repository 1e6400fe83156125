/** Following a history: which events a line of it is complete with. */
import type { EventType } from '../events/types/events.ts'
import { ACTOR_TYPES, HAPPENINGS } from '../events/types/query.ts'

/** A command's line is complete when its operation ended; a session has a line when it begins. */
export const OCCASIONS: readonly EventType[] = [
  ...ACTOR_TYPES.filter((type) => type !== 'CommandAccepted'),
  'OperationFinished',
  ...HAPPENINGS,
]
