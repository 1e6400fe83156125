/**
 * What a test may do to the host: at each boundary of each port call, let it fail, hang, or stop the world.
 *
 * A call has two boundaries: `before` it is applied, and `after`, when the machine has changed and nobody
 * was told yet. A helper process may outlive the daemon that started it: `orphan` leaves the call pending
 * in the machine, to be applied later by `finishHelpers` unless the next daemon fences its intent first.
 */

import type { FailureClass } from '../../events/types/intents.ts'
import type { HostErrorCode } from '../host.ts'

export type FaultPoint = {
  /** Port and method: `zfs.rename`, `lxc.start`, `materialise.container`, `host.fence` … */
  readonly op: string
  readonly phase: 'before' | 'after'
  readonly intent: string | null
  /** False for read-only calls. */
  readonly changes: boolean
  /** What the call is about: a dataset, file or container. */
  readonly subject: string
}

export type Fault =
  | 'ok'
  /** E_IO, transient; nothing was applied. At `after` the same as fail-after. */
  | 'fail-before'
  /** E_IO, transient; it was applied, and reported as failed: a lie of the host. */
  | 'fail-after'
  /** Its helper is killed at its work: it had begun, nothing was applied, and it leaves no word. At `after` as fail-after. */
  | 'helper-killed'
  /** It was not applied, and reported as done: what an unsafe disk does at a power cut. */
  | 'lie'
  /** Never answers; ends with E_ABORTED when the signal fires or the intent is fenced. */
  | 'hang'
  /** The daemon dies here: this host never answers again. */
  | { readonly crash: true; readonly orphan?: boolean }
  | { readonly error: { code: HostErrorCode; failure: FailureClass; message: string } }

export type FaultPlan = (point: FaultPoint) => Fault

export const noFaults: FaultPlan = () => 'ok'
