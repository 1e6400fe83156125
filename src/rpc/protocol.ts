/**
 * Constants of the wire, without the schema library: what the CLI's bundle may carry at run time.
 *
 * One JSON object per line, each line at most MAX_LINE_BYTES, in both directions. A reply that is an array
 * and would be longer arrives in parts: notifications `rows` with the id of the request, in order, and then
 * the reply itself with the remaining rows. A client appends the reply's rows to those it was sent.
 */

/** Version of the protocol; the daemon sends it in its first notification, `hello`. */
export const PROTOCOL = 1
export const MAX_LINE_BYTES = 1024 * 1024
/** Where a long array is cut into parts. */
export const ROWS_PART_BYTES = 256 * 1024
export const DEFAULT_SOCKET = '/run/osctl/osctld.sock'
/** Files with one id a line that the daemon keeps for shell completion: ct, pool, repo, user. */
export const COMPLETION_DIRECTORY = '/run/osctl/completion'

/** Methods whose call outlives its reply: `event` notifications follow until either side ends it. */
export const SUBSCRIPTIONS: ReadonlySet<string> = new Set(['event.subscribe'])

export type RpcId = string | number

/** First line of every connection, from the daemon. */
export type Hello = { version: string; protocol: number; simulated: boolean; pid: number; replay?: boolean }

export type RpcMessage = {
  jsonrpc: '2.0'
  id?: RpcId | null
  method?: string
  params?: unknown
  result?: unknown
  error?: { code: number; message: string; data?: unknown }
}
