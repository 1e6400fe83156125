/** Replies as lines: one, or for a long array several parts that the client joins (`protocol.ts`). */
import { RPC } from './errors.ts'
import { encodeLine } from './framing.ts'
import { MAX_LINE_BYTES, ROWS_PART_BYTES, type RpcId } from './protocol.ts'

/**
 * @param result  what the handler answered; undefined counts as null
 * @returns       lines of at most MAX_LINE_BYTES each; an error's line when a single value is longer
 */
export function replyLines(id: RpcId, result: unknown): string[] {
  const line = encodeLine({ jsonrpc: '2.0', id, result: result ?? null })
  if (Buffer.byteLength(line) <= MAX_LINE_BYTES) return [line]
  if (!Array.isArray(result)) return [tooLarge(id)]
  const parts: string[] = []
  let rows: string[] = []
  let bytes = 0
  const flush = () => {
    const list = `[${rows.join(',')}]`
    parts.push(`{"jsonrpc":"2.0","method":"rows","params":{"id":${JSON.stringify(id)},"rows":${list}}}\n`)
    rows = []
    bytes = 0
  }
  for (const row of result) {
    const text = JSON.stringify(row) ?? 'null'
    const size = Buffer.byteLength(text)
    if (size > MAX_LINE_BYTES - 1024) return [tooLarge(id)]
    if (bytes > 0 && bytes + size > ROWS_PART_BYTES) flush()
    rows.push(text)
    bytes += size + 1
  }
  if (rows.length > 0) flush()
  return [...parts, encodeLine({ jsonrpc: '2.0', id, result: [] })]
}

function tooLarge(id: RpcId): string {
  const data = { kind: 'internal', code: 'E_REPLY_TOO_LARGE' }
  const message = `the reply is longer than ${MAX_LINE_BYTES} bytes: ask for less`
  return encodeLine({ jsonrpc: '2.0', id, error: { code: RPC.internal, message, data } })
}
