/** Every command that changes something, for what is enumerated over all of them. */

import {
  CREATIONS,
  DELETIONS,
  DRIFTS,
  OTHERS,
  RESTORATIONS,
  RUNS,
  UNPLANNED_DRIFTS,
  type Verb,
} from './verbs.ts'
import { LEFT, OVERTAKING } from './verbs-overtaking.ts'
import { COMMITS, UNRESTFUL } from './verbs-rest.ts'

export { prepared } from './verbs.ts'

export const GROUPS: readonly (readonly [string, readonly Verb[]])[] = [
  ['A creation', CREATIONS],
  ['A run', RUNS],
  ['A deletion', DELETIONS],
  ['A restoration', RESTORATIONS],
  ['A settling of drift', [...DRIFTS, ...UNPLANNED_DRIFTS]],
  ['Another change', OTHERS],
  ['A change of one commit', COMMITS],
  ['A change of a world that is not at rest', UNRESTFUL],
  ['A command that overtakes another, or a container', OVERTAKING],
  ['A change of what another one left', LEFT],
]

export const EVERY_VERB: readonly Verb[] = GROUPS.flatMap(([, verbs]) => verbs)
