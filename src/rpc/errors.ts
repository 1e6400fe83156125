/**
 * Errors as they cross the socket: what went wrong, in the reference's words first, and what is possible.
 * JSON-RPC's own codes stand for malformed requests; everything of ours has code 1 and a `kind`.
 */
export type ErrorKind =
  | 'invalid' /* bad input: the field and what is legal */
  | 'refused' /* the state does not allow it; `possible` names what it does allow */
  | 'not-found'
  | 'failed' /* accepted, tried, and undone or left as told */
  | 'in-doubt' /* an effect's outcome is unknown: op retry, op resolve */
  | 'unavailable' /* the pool is suspended, read-only, or the daemon shuts down */
  | 'internal'

export type RpcErrorData = {
  kind: ErrorKind
  /** Stable and searchable, such as E_CT_NOT_FOUND. */
  code: string
  state?: string
  possible?: string[]
  op?: string
}

export const RPC = {
  parse: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internal: -32603,
  /** Everything that the daemon itself refuses or fails at. */
  ours: 1,
} as const

/**
 * What a handler throws to refuse or to report a failure, and what the client throws on receiving it.
 * `message` is the reference's text alone; the CLI adds ` (state: …; possible: …)` from `data`.
 */
export class RpcError extends Error {
  readonly code: number
  readonly data: RpcErrorData
  constructor(message: string, data: RpcErrorData, code: number = RPC.ours) {
    super(message)
    this.name = 'RpcError'
    this.code = code
    this.data = data
  }
}
