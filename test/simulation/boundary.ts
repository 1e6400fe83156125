/**
 * Boundaries: the moments at which something can go wrong, numbered in the order in which a run meets them.
 *
 * A call of the host has two, before and after it; a sync point of a log has two as well. Equal seeds and
 * equal commands meet equal boundaries, so a number found in one run names the same moment in the next.
 */
import type { HostErrorCode } from '../../src/effects/host.ts'
import type { Fault as HostFault } from '../../src/effects/simulated/faults.ts'
import type { Fault as DiskFault } from '../../src/events/log/memory-disk.ts'
import type { FailureClass } from '../../src/events/types/intents.ts'

export type Boundary = {
  readonly n: number
  readonly where: 'host' | 'log'
  readonly phase: 'before' | 'after'
  /** Port and method of the host, or what a log makes durable. */
  readonly what: string
  readonly subject: string
  /** A helper process does it, which may outlive its daemon. */
  readonly helper: boolean
}

/** What a plan does at a boundary. */
export type Action =
  | { readonly do: 'nothing' }
  | { readonly do: 'kill'; readonly orphan?: boolean }
  | { readonly do: 'power-cut'; readonly orphan?: boolean }
  | { readonly do: 'fail' }
  | { readonly do: 'hang' }
  /** Before a call: its helper process is killed at its work, and the daemon lives. */
  | { readonly do: 'helper-killed' }
  | { readonly do: 'error'; readonly code: HostErrorCode; readonly failure: FailureClass }
  /** At a log's sync point only. */
  | { readonly do: 'disk'; readonly fault: DiskTrouble }

/** What a disk does, and the daemon lives. */
export const DISK_TROUBLE = [
  'unknown-applied',
  'unknown-lost',
  'away-applied',
  'away-lost',
  'full',
  'io',
] as const satisfies readonly DiskFault[]
export type DiskTrouble = (typeof DISK_TROUBLE)[number]

export type Plan = (boundary: Boundary) => Action

export const NOTHING: Action = { do: 'nothing' }
export const noPlan: Plan = () => NOTHING

export const nameOf = ({ n, phase, where, what, subject }: Boundary): string =>
  `${phase} ${where === 'log' ? `${what} of log ${subject}` : `${what} ${subject}`} (#${n})`

export function hostFault(action: Action, phase: 'before' | 'after'): HostFault {
  switch (action.do) {
    case 'kill':
    case 'power-cut':
      return { crash: true, orphan: action.orphan ?? false }
    case 'fail':
      return phase === 'before' ? 'fail-before' : 'fail-after'
    case 'hang':
    case 'helper-killed':
      return action.do
    case 'error': {
      const { code, failure } = action
      return { error: { code, failure, message: `injected ${code}` } }
    }
    case 'nothing':
    case 'disk':
      return 'ok'
  }
}

export function diskFault(before: Action, after: Action): DiskFault {
  if (before.do === 'kill' || before.do === 'power-cut') return 'crash-before'
  if (after.do === 'kill' || after.do === 'power-cut') return 'crash-after'
  if (before.do === 'disk') return before.fault
  return 'none'
}
