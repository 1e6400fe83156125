/**
 * From an object that arrived to a handler's result: everything that can be wrong with a request is found
 * here and becomes one line for the caller. No exception passes: what is not an RpcError is an internal
 * error, logged with a short id, of which the caller learns the id alone.
 */
import type { z } from 'zod'
import type { Call } from './call.ts'
import { RPC, RpcError } from './errors.ts'
import { type MethodName, type MethodParams, methods } from './methods.ts'
import type { RpcId, RpcMessage } from './protocol.ts'
import type { MethodResult } from './results.ts'

export type Handlers = {
  [M in MethodName]: (params: MethodParams<M>, call: Call) => Promise<MethodResult<M>>
}

/** pino's call shape, so that its logger fits as it is. */
export type ServerLog = {
  info(fields: object, text: string): void
  warn(fields: object, text: string): void
  error(fields: object, text: string): void
}

export type Request = { method: string; params: unknown; id: RpcId | null }

const NAMES = Object.keys(methods) as MethodName[]
const MAX_ID_LENGTH = 100

/**
 * Checks the envelope of JSON-RPC 2.0.
 *
 * @param message  what a line held; undefined when it was no JSON
 * @throws RpcError naming what is wrong with it
 */
export function toRequest(message: unknown): Request {
  if (message === undefined) throw malformed('the line is not valid JSON in UTF-8', RPC.parse)
  if (Array.isArray(message)) throw malformed('batches are not served: send one request a line')
  if (typeof message !== 'object' || message === null) throw malformed('a request is a JSON object')
  const { jsonrpc, method, params, id } = message as Record<string, unknown>
  if (jsonrpc !== '2.0') throw malformed('a request has "jsonrpc": "2.0"')
  if (typeof method !== 'string') throw malformed('a request has a "method", a string')
  if (id !== undefined && !isId(id))
    throw malformed('an "id" is a number or a string of at most 100 characters')
  return { method, params, id: id ?? null }
}

/** The id of something that is no valid request, as far as it has one: the reply should carry it. */
export function idOf(message: unknown): RpcId | null {
  if (typeof message !== 'object' || message === null || Array.isArray(message)) return null
  const id = (message as Record<string, unknown>)['id']
  return isId(id) ? id : null
}

/** Finds the handler, checks the parameters, runs it. */
export async function dispatch(handlers: Partial<Handlers>, request: Request, call: Call): Promise<unknown> {
  const method = NAMES.find((name) => name === request.method)
  if (method === undefined || handlers[method] === undefined) {
    const known = NAMES.filter((name) => handlers[name] !== undefined).join(', ')
    const what = `unknown method '${request.method.slice(0, 100)}' (known: ${known})`
    throw new RpcError(what, { kind: 'invalid', code: 'E_METHOD' }, RPC.methodNotFound)
  }
  return invoke(handlers, method, request.params, call)
}

async function invoke<M extends MethodName>(
  handlers: Partial<Handlers>,
  method: M,
  params: unknown,
  call: Call,
): Promise<MethodResult<M>> {
  const handler = handlers[method]
  if (handler === undefined) throw new Error(`no handler for ${method}`)
  if (Array.isArray(params)) throw invalidParams('parameters are given by name, as an object')
  const parsed = methods[method].safeParse(params ?? {})
  if (!parsed.success) throw invalidParams(describeIssue(parsed.error))
  return handler(parsed.data as MethodParams<M>, call)
}

/** The first issue in one line: the field, then what is legal; the value itself is not repeated. */
export function describeIssue(error: z.ZodError): string {
  const issue = error.issues[0]
  if (issue === undefined) return 'invalid parameters'
  const field = issue.path.map(String).join('.')
  if (issue.code === 'unrecognized_keys') {
    const where = field === '' ? '' : ` in '${field}'`
    return `unknown parameter '${issue.keys[0] ?? ''}'${where}`
  }
  if (issue.message.startsWith('invalid ')) return `${issue.message} (parameter '${field}')`
  return field === '' ? `parameters: ${issue.message}` : `invalid parameter '${field}': ${issue.message}`
}

/** The error object of a reply. */
export function toErrorObject(
  error: unknown,
  log: ServerLog,
  method: string | null,
): NonNullable<RpcMessage['error']> {
  if (error instanceof RpcError) return { code: error.code, message: error.message, data: error.data }
  const errorId = nextErrorId()
  log.error({ errorId, method, err: error }, 'unexpected error in a handler')
  return {
    code: RPC.internal,
    message: `internal error ${errorId} (the daemon's log has the details)`,
    data: { kind: 'internal', code: 'E_INTERNAL' },
  }
}

let errors = 0
/** Unique within the log of a boot: the daemon's pid and a count, short enough to be read out. */
function nextErrorId(): string {
  errors += 1
  return `${process.pid.toString(36)}-${errors}`
}

function isId(id: unknown): id is RpcId {
  return typeof id === 'number' ? Number.isFinite(id) : typeof id === 'string' && id.length <= MAX_ID_LENGTH
}

function malformed(message: string, code: number = RPC.invalidRequest): RpcError {
  return new RpcError(message, { kind: 'invalid', code: 'E_REQUEST' }, code)
}

function invalidParams(message: string): RpcError {
  return new RpcError(message, { kind: 'invalid', code: 'E_PARAMS' }, RPC.invalidParams)
}
