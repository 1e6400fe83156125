/** Errors that a caller is told: one line, a kind, a stable code. Anything else is an internal error. */
import { type ErrorKind, type RpcErrorData, RpcError } from '../rpc/errors.ts'

export class CallError extends RpcError {
  constructor(kind: ErrorKind, code: string, message: string, more: Omit<RpcErrorData, 'kind' | 'code'> = {}) {
    super(message, { kind, code, ...more })
    this.name = 'CallError'
  }
}

export const invalid = (code: string, message: string): CallError => new CallError('invalid', code, message)
export const notFound = (code: string, message: string): CallError => new CallError('not-found', code, message)
export const refused = (code: string, message: string): CallError => new CallError('refused', code, message)
