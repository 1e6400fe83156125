/**
 * The CLI's end of the socket: one connection, one round trip a command.
 *
 * The request is written at once, without waiting for the daemon's `hello`. Errors come in two kinds: what
 * the daemon says is an RpcError; whatever keeps us from hearing it is a ConnectionError, with a line that
 * tells what to do. No schema library is imported here (DESIGN D12).
 */
import { connect } from 'node:net'
import { RPC, RpcError, type RpcErrorData } from './errors.ts'
import { encodeLine, LineDecoder, parseLine } from './framing.ts'
import type { MethodInput, MethodName } from './methods.ts'
import { DEFAULT_SOCKET, type Hello, MAX_LINE_BYTES, PROTOCOL, type RpcMessage } from './protocol.ts'
import type { EndedNote, EventNote, MethodResult, ProgressNote, RowsNote } from './results.ts'

/** no-daemon: nothing listens; lost: it went away; protocol: it answers something else. */
export type ConnectionProblem = 'no-daemon' | 'denied' | 'lost' | 'protocol'

export class ConnectionError extends Error {
  readonly problem: ConnectionProblem
  constructor(problem: ConnectionProblem, message: string) {
    super(message)
    this.name = 'ConnectionError'
    this.problem = problem
  }
}

export type CallOptions = {
  onProgress?: (note: ProgressNote) => void
  /** For `event.subscribe`: every event, and the end. */
  onEvent?: (note: EventNote) => void
  onEnded?: (note: EndedNote) => void
}

type Pending = CallOptions & {
  resolve: (result: unknown) => void
  reject: (error: Error) => void
  rows: unknown[]
}

/** Where the daemon listens: OSCTL_SOCKET, else the usual place. */
export function socketPath(env: NodeJS.ProcessEnv = process.env): string {
  return env['OSCTL_SOCKET'] || DEFAULT_SOCKET
}

/**
 * Connects to the daemon.
 *
 * @throws ConnectionError no-daemon, denied
 */
export function connectTo(path: string): Promise<Client> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path })
    const fail = (error: NodeJS.ErrnoException) => reject(describeConnectError(error, path))
    socket.once('error', fail)
    socket.once('connect', () => {
      socket.off('error', fail)
      resolve(new Client(socket))
    })
  })
}

/** What a client needs of a connection: a socket has it, and so has a child's pair of pipes. */
export type Channel = {
  on(event: 'data', listener: (chunk: Buffer) => void): unknown
  on(event: 'error' | 'close', listener: () => void): unknown
  write(line: string | Uint8Array): unknown
  destroy(): unknown
}

export class Client {
  /** What the daemon said of itself; null until its first line arrived, which is before any reply. */
  hello: Hello | null = null
  readonly #socket: Channel
  readonly #decoder = new LineDecoder(MAX_LINE_BYTES)
  readonly #pending = new Map<number, Pending>()
  #nextId = 1
  #failure: Error | null = null

  constructor(socket: Channel) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    socket.on('error', () => this.#lost())
    socket.on('close', () => this.#lost())
  }

  /** Calls a method and waits for its reply. A subscription's callbacks go on after it. */
  call<M extends MethodName>(
    method: M,
    params: MethodInput<M>,
    options: CallOptions = {},
  ): Promise<MethodResult<M>> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== null) {
        reject(this.#failure)
        return
      }
      const id = this.#nextId++
      const settle = (result: unknown) => resolve(result as MethodResult<M>)
      this.#pending.set(id, { ...options, resolve: settle, reject, rows: [] })
      this.#socket.write(encodeLine({ jsonrpc: '2.0', id, method, params }))
    })
  }

  close(): void {
    this.#failure ??= new ConnectionError('lost', 'the connection is closed')
    this.#socket.destroy()
  }

  #receive(chunk: Buffer): void {
    const { lines, tooLong } = this.#decoder.push(chunk)
    for (const line of lines) this.#handle(parseLine(line))
    if (tooLong) this.#fail(new ConnectionError('protocol', 'osctld sent a line that is too long'))
  }

  #handle(value: unknown): void {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      this.#fail(new ConnectionError('protocol', 'bad response: what listens on the socket is not osctld'))
      return
    }
    const message = value as RpcMessage
    if (message.method !== undefined) this.#notified(message.method, message.params)
    else this.#replied(message)
  }

  #replied(message: RpcMessage): void {
    const error = message.error === undefined ? null : toError(message.error)
    if (typeof message.id !== 'number') {
      this.#fail(error ?? new ConnectionError('protocol', 'bad response: a reply without an id'))
      return
    }
    const pending = this.#pending.get(message.id)
    if (pending === undefined) return
    const follows = error === null && pending.onEnded !== undefined
    if (!follows) this.#pending.delete(message.id)
    if (error !== null) pending.reject(error)
    else if (pending.rows.length === 0) pending.resolve(message.result)
    else pending.resolve(pending.rows.concat(message.result))
  }

  #notified(method: string, params: unknown): void {
    if (method === 'hello') {
      this.#greeted(params as Hello)
      return
    }
    const note = params as { id: number }
    const pending = this.#pending.get(note.id)
    if (pending === undefined) return
    if (method === 'progress') pending.onProgress?.(params as ProgressNote)
    else if (method === 'rows') for (const row of (params as RowsNote).rows) pending.rows.push(row)
    else if (method === 'event') pending.onEvent?.(params as EventNote)
    else if (method === 'ended') {
      this.#pending.delete(note.id)
      pending.onEnded?.(params as EndedNote)
    }
  }

  #greeted(hello: Hello): void {
    this.hello = hello
    if (hello.protocol === PROTOCOL) return
    const text = `osctl speaks protocol ${PROTOCOL}, the running osctld ${hello.version} speaks ${hello.protocol}`
    this.#fail(new ConnectionError('protocol', `${text}: use the osctl that came with it`))
  }

  #lost(): void {
    this.#fail(new ConnectionError('lost', 'the connection to osctld was lost'))
  }

  #fail(error: Error): void {
    const calls = [...this.#pending.values()]
    this.#pending.clear()
    const first = this.#failure === null
    this.#failure ??= error
    for (const call of calls) {
      call.reject(this.#failure)
      call.onEnded?.({ id: 0, reason: this.#failure.message })
    }
    if (first) this.#socket.destroy()
  }
}

function toError(error: NonNullable<RpcMessage['error']>): Error {
  const data = error.data as RpcErrorData | undefined
  const unknown: RpcErrorData = { kind: 'internal', code: 'E_UNKNOWN' }
  return new RpcError(error.message, data ?? unknown, error.code ?? RPC.internal)
}

function describeConnectError(error: NodeJS.ErrnoException, path: string): ConnectionError {
  switch (error.code) {
    case 'ENOENT':
    case 'ECONNREFUSED':
      return new ConnectionError(
        'no-daemon',
        `cannot connect to osctld at ${path}: it is not running (start it with: sv up osctld)`,
      )
    case 'EACCES':
    case 'EPERM':
      return new ConnectionError(
        'denied',
        `cannot connect to osctld at ${path}: permission denied, osctl is for root`,
      )
    default:
      return new ConnectionError('no-daemon', `cannot connect to osctld at ${path}: ${error.message}`)
  }
}
