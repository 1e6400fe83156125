/** Errors that a caller is told: one line, a kind, a stable code. Anything else is an internal error. */
import { HostError } from '../effects/host.ts'
import { LogError } from '../events/log/store.ts'
import { type ErrorKind, RpcError, type RpcErrorData } from '../rpc/errors.ts'

export class CallError extends RpcError {
  constructor(
    kind: ErrorKind,
    code: string,
    message: string,
    more: Omit<RpcErrorData, 'kind' | 'code'> = {},
  ) {
    super(message, { kind, code, ...more })
    this.name = 'CallError'
  }
}

export const invalid = (code: string, message: string): CallError => new CallError('invalid', code, message)
export const notFound = (code: string, message: string): CallError =>
  new CallError('not-found', code, message)
export const refused = (code: string, message: string): CallError => new CallError('refused', code, message)

/** What was asked for needs events that the pool's log cannot hold yet. */
export const needsUpgrade = (has: number, wants: number): CallError =>
  refused(
    'E_POOL_FORMAT',
    `the pool has format ${has}, and this needs format ${wants} (osctl pool upgrade tells what that means)`,
  )

/** The pool's log takes no changes now; the reason is what the caller is told. */
export class Unavailable extends Error {
  constructor(why: string) {
    super(why)
    this.name = 'Unavailable'
  }
}

/** An error of the host or of a log as a caller is told of it; any other comes back as it is. */
export function toCallError(error: unknown): unknown {
  if (error instanceof Unavailable)
    return new CallError('unavailable', 'E_POOL_UNAVAILABLE', `the pool takes no changes: ${error.message}`)
  if (error instanceof LogError)
    return new CallError('unavailable', error.code, `the pool takes no changes: ${error.message}`)
  if (!(error instanceof HostError)) return error
  return new CallError(
    error.failure === 'transient' ? 'unavailable' : 'failed',
    error.code,
    oneLine(error.message),
  )
}

export const oneLine = (text: string): string => text.replace(/\s*\n\s*/g, ' | ').slice(0, 1000)

/** The batch is not in the log, for certain, and nothing is wrong with it: UNKNOWN was looked up by then. */
export const isNotThere = (error: unknown): boolean =>
  error instanceof LogError && (error.code === 'E_LOG_CONFLICT' || error.code === 'E_LOG_UNKNOWN')

/** The pool is none of ours, or no longer. */
export const isUninstalled = (error: unknown): boolean =>
  error instanceof CallError && error.data.code === 'E_POOL_NOT_INSTALLED'
