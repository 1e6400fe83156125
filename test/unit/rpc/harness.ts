/** A real server on a socket of its own, and a raw client that sends bytes as told. */
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { VerifiedActor } from '../../../src/events/types/actor.ts'
import { type Handlers, type RpcServer, type ServerLog, serve } from '../../../src/rpc/server.ts'

export type Logged = { level: string; fields: Record<string, unknown>; text: string }

export function memoryLog(): ServerLog & { lines: Logged[] } {
  const lines: Logged[] = []
  const write = (level: string) => (fields: object, text: string) => {
    lines.push({ level, fields: fields as Record<string, unknown>, text })
  }
  return { lines, info: write('info'), warn: write('warn'), error: write('error') }
}

export type Harness = AsyncDisposable & { path: string; server: RpcServer; log: ReturnType<typeof memoryLog> }

export async function startServer(
  handlers: Partial<Handlers>,
  more: { simulated?: boolean; onConnection?: (actor: VerifiedActor) => void } = {},
): Promise<Harness> {
  const directory = mkdtempSync(join(tmpdir(), 'osctl-rpc-'))
  const path = join(directory, 'osctld.sock')
  const log = memoryLog()
  const allowUid = process.getuid?.() ?? 0
  const options = { path, handlers, version: '0.0.0-test', simulated: false, allowUid, log, ...more }
  const server = await serve(options)
  return {
    path,
    server,
    log,
    [Symbol.asyncDispose]: async () => {
      server.destroy()
      await server.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

type Message = {
  id?: unknown
  method?: string
  params?: Record<string, unknown>
  result?: unknown
  error?: { code: number; message: string; data: { kind: string; code: string } }
}

/** Reads lines one by one; the daemon's hello is the first. */
export class RawClient {
  readonly socket: Socket
  readonly closed: Promise<void>
  #text = ''
  #lines: Message[] = []
  #waiters: ((message: Message | null) => void)[] = []
  #ended = false

  constructor(path: string) {
    this.socket = connect({ path, allowHalfOpen: true })
    this.socket.setEncoding('utf8')
    this.socket.on('data', (text: string) => this.#receive(text))
    this.socket.on('error', () => undefined)
    this.closed = new Promise((resolve) => {
      this.socket.once('close', () => {
        this.#ended = true
        for (const waiter of this.#waiters.splice(0)) waiter(null)
        resolve()
      })
    })
    this.socket.once('end', () => this.socket.end())
  }

  send(data: string | Buffer): this {
    this.socket.write(data)
    return this
  }

  request(id: unknown, method: string, params?: unknown): this {
    return this.send(`${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`)
  }

  /** The next line; null when the connection was closed. */
  next(): Promise<Message | null> {
    const line = this.#lines.shift()
    if (line !== undefined) return Promise.resolve(line)
    if (this.#ended) return Promise.resolve(null)
    return new Promise((resolve) => this.#waiters.push(resolve))
  }

  /** The next reply, notifications skipped. */
  async reply(): Promise<Message> {
    for (;;) {
      const message = await this.next()
      if (message === null) throw new Error('the connection was closed')
      if (message.method === undefined) return message
    }
  }

  #receive(text: string): void {
    this.#text += text
    const lines = this.#text.split('\n')
    this.#text = lines.pop() ?? ''
    for (const line of lines) {
      if (line === '') continue
      const message = JSON.parse(line) as Message
      const waiter = this.#waiters.shift()
      if (waiter === undefined) this.#lines.push(message)
      else waiter(message)
    }
  }
}
