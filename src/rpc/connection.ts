/**
 * One client on the daemon's side: lines in, calls out, replies back.
 *
 * Limits, so that no client costs more than a known amount of memory:
 *   a line           MAX_LINE_BYTES, enforced before it is parsed; a longer one ends the connection
 *   calls at once    MAX_IN_FLIGHT; further lines wait, and the socket is not read meanwhile
 *   unread replies   once the kernel's buffer is full the socket is not read until it drains
 *   a subscription   MAX_UNREAD_BYTES unread; then it says that it is full, and goes on when all is read
 *
 * A client may close its writing end and wait for replies (`echo … | nc -U`): calls in flight are answered
 * first. A subscription ends with the client's writing end.
 */
import type { Socket } from 'node:net'
import type { VerifiedActor } from '../events/types/actor.ts'
import type { Call } from './call.ts'
import {
  dispatch,
  type Handlers,
  idOf,
  type Request,
  type ServerLog,
  toErrorObject,
  toRequest,
} from './dispatch.ts'
import { RPC, RpcError } from './errors.ts'
import { encodeLine, LineDecoder, parseLine } from './framing.ts'
import { MAX_LINE_BYTES, type RpcId, type RpcMessage, SUBSCRIPTIONS } from './protocol.ts'
import { replyLines } from './reply.ts'

const MAX_IN_FLIGHT = 64
const MAX_UNREAD_BYTES = 256 * 1024
/** After an error that ends the connection, what the client still sends is read and dropped for this long. */
const LINGER_MS = 2000

export type ConnectionOptions = {
  socket: Socket
  actor: VerifiedActor
  handlers: Partial<Handlers>
  log: ServerLog
}

export class Connection {
  readonly #socket: Socket
  readonly #actor: VerifiedActor
  readonly #handlers: Partial<Handlers>
  readonly #log: ServerLog
  readonly #decoder = new LineDecoder()
  readonly #calls = new Set<ServerCall>()
  #waiting: Buffer[] = []
  #inFlight = 0
  /** No further requests are taken: the client closed its end, broke the framing, or the daemon stops. */
  #finishing = false

  constructor(options: ConnectionOptions) {
    this.#socket = options.socket
    this.#actor = options.actor
    this.#handlers = options.handlers
    this.#log = options.log
    this.#socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    this.#socket.on('drain', () => this.#pump())
    this.#socket.on('end', () => this.#receiveEnd())
    this.#socket.on('close', () => this.#closed())
  }

  /** Ends subscriptions, answers what is in flight, then closes. */
  finish(reason: string): void {
    for (const call of this.#calls) if (call.isSubscription) call.end(reason)
    this.#finishing = true
    this.#waiting = []
    this.#closeWhenIdle()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  #receive(chunk: Buffer): void {
    if (this.#finishing) return
    const { lines, tooLong } = this.#decoder.push(chunk)
    this.#waiting.push(...lines)
    this.#pump()
    if (tooLong) this.#abandon(`a line is longer than ${MAX_LINE_BYTES} bytes`)
  }

  #receiveEnd(): void {
    const rest = this.#finishing ? null : this.#decoder.rest()
    if (rest !== null) this.#waiting.push(rest)
    this.#pump()
    for (const call of this.#calls) if (call.isSubscription) call.end('the client closed its end')
    this.#finishing = true
    // A client that is gone and one that closed only its writing end look the same until something is
    // written: a blank line, which every reader skips, fails for the one that is gone.
    if (this.#inFlight > 0) this.#socket.write('\n')
    this.#closeWhenIdle()
  }

  /** Starts waiting requests as far as the limits allow, and reads from the socket only when none waits. */
  #pump(): void {
    while (this.#waiting.length > 0 && this.#mayStart()) {
      const line = this.#waiting.shift()
      if (line !== undefined) this.#start(parseLine(line))
    }
    if (this.#waiting.length === 0 && this.#mayStart()) this.#socket.resume()
    else this.#socket.pause()
  }

  #mayStart(): boolean {
    return this.#inFlight < MAX_IN_FLIGHT && !this.#socket.writableNeedDrain
  }

  #start(message: unknown): void {
    try {
      const request = toRequest(message)
      this.#inFlight += 1
      const call = new ServerCall(this.#socket, this.#actor, request)
      this.#calls.add(call)
      void this.#run(request, call)
    } catch (error) {
      this.#send({ jsonrpc: '2.0', id: idOf(message), error: toErrorObject(error, this.#log, null) })
    }
  }

  async #run(request: Request, call: ServerCall): Promise<void> {
    try {
      const result = await dispatch(this.#handlers, request, call)
      if (request.id !== null) this.#reply(request.id, result)
      if (!call.isSubscription) this.#calls.delete(call)
    } catch (error) {
      this.#calls.delete(call)
      const reply = toErrorObject(error, this.#log, request.method)
      if (request.id !== null) this.#send({ jsonrpc: '2.0', id: request.id, error: reply })
    }
    this.#inFlight -= 1
    this.#pump()
    if (this.#finishing) this.#closeWhenIdle()
  }

  #reply(id: RpcId, result: unknown): void {
    for (const line of replyLines(id, result)) if (this.#socket.writable) this.#socket.write(line)
  }

  #send(message: RpcMessage): void {
    if (this.#socket.writable) this.#socket.write(encodeLine(message))
  }

  #closeWhenIdle(): void {
    if (this.#inFlight === 0 && this.#waiting.length === 0) this.#socket.end(() => this.#socket.destroySoon())
  }

  /**
   * Says why, then closes. The rest of what the client sends is dropped, not left unread: closing a Unix
   * socket with unread data resets it, and the client would never see the reason.
   */
  #abandon(reason: string): void {
    this.#log.warn({ actor: this.#actor }, `connection ended: ${reason}`)
    const error = new RpcError(reason, { kind: 'invalid', code: 'E_FRAMING' }, RPC.invalidRequest)
    this.#send({ jsonrpc: '2.0', id: null, error: toErrorObject(error, this.#log, null) })
    this.#finishing = true
    this.#waiting = []
    this.#socket.resume()
    this.#socket.setTimeout(LINGER_MS, () => this.#socket.destroy())
    this.#socket.end()
  }

  #closed(): void {
    this.#finishing = true
    this.#waiting = []
    for (const call of this.#calls) call.abandon()
    this.#calls.clear()
  }
}

class ServerCall implements Call {
  readonly actor: VerifiedActor
  readonly id: RpcId | null
  readonly isSubscription: boolean
  readonly #socket: Socket
  #controller: AbortController | null = null
  #over = false

  constructor(socket: Socket, actor: VerifiedActor, request: Request) {
    this.#socket = socket
    this.actor = actor
    this.id = request.id
    this.isSubscription = SUBSCRIPTIONS.has(request.method)
  }

  /** Made when first asked for: most calls never look at it. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    if (this.#over) this.#controller.abort()
    return this.#controller.signal
  }

  progress(text: string, done?: number, total?: number | null): void {
    const numbers = done === undefined ? {} : { done, total: total ?? null }
    if (!this.#socket.writableNeedDrain) this.#note('progress', { text, ...numbers })
  }

  operation(op: string): void {
    this.#note('progress', { text: '', op })
  }

  notify(note: object): void {
    this.#note('event', note)
  }

  get isFull(): boolean {
    return this.#socket.writableLength > MAX_UNREAD_BYTES
  }

  drained(): Promise<void> {
    const socket = this.#socket
    if (this.#over || !socket.writableNeedDrain) return Promise.resolve()
    return new Promise((resolve) => {
      const over = (): void => {
        socket.off('drain', over)
        socket.off('close', over)
        this.signal.removeEventListener('abort', over)
        resolve()
      }
      socket.on('drain', over)
      socket.on('close', over)
      this.signal.addEventListener('abort', over)
    })
  }

  end(reason: string): void {
    if (this.#over) return
    this.#note('ended', { reason })
    this.abandon()
  }

  /** The client is gone: no word to it. */
  abandon(): void {
    this.#over = true
    this.#controller?.abort()
  }

  #note(method: string, params: object): void {
    if (this.id === null || this.#over || !this.#socket.writable) return
    this.#socket.write(encodeLine({ jsonrpc: '2.0', method, params: { id: this.id, ...params } }))
  }
}
