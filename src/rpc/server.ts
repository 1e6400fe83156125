/**
 * The daemon's end of the socket: JSON-RPC 2.0, one object per line.
 *
 * A connection lives through: accept → who is it (`peer.ts`, the kernel's word; no answer, no connection)
 * → may they (uid 0, or the one uid that a sandbox allows) → `hello` → requests (`connection.ts`), each
 * checked and run by `dispatch.ts`. Many requests of one connection run at once; replies come as they end.
 *
 * The protocol is our own code, not the package json-rpc-2.0: measured, that package is 17 KB in the CLI's
 * bundle against 1 KB, slower, and what is hard here (limits before parsing, back-pressure, progress bound
 * to a request, parts of long replies, subscriptions with a bounded buffer) is outside of it anyway.
 *
 * Invariants: whatever a client sends, the daemon lives, and other clients notice nothing; no stack trace
 * and no secret of the daemon leaves it; every limit is a named constant.
 */
import { createServer, type Server, type Socket } from 'node:net'
import type { VerifiedActor } from '../events/types/actor.ts'
import { Connection } from './connection.ts'
import type { Handlers, ServerLog } from './dispatch.ts'
import { RPC } from './errors.ts'
import { encodeLine } from './framing.ts'
import { listenAt } from './listen.ts'
import { identifyPeer } from './peer.ts'
import { type Hello, PROTOCOL } from './protocol.ts'

export type { Call } from './call.ts'
export type { Handlers, ServerLog } from './dispatch.ts'

const MAX_CONNECTIONS = 1000

export type ServeOptions = {
  path: string
  /** A method without a handler is answered as unknown; the daemon's own table is of type Handlers. */
  handlers: Partial<Handlers>
  version: string
  simulated: boolean
  /** Besides 0, the one uid that is served: that of a sandbox's owner. */
  allowUid?: number
  log: ServerLog
  /** After a client was let in. */
  onConnection?: (actor: VerifiedActor) => void
}

export type RpcServer = {
  readonly path: string
  readonly connections: number
  /** No new connections; subscriptions are ended, calls in flight answered. Resolves when all are closed. */
  close(reason?: string): Promise<void>
  /** Cuts off whoever is still connected; `close()` then resolves. */
  destroy(): void
}

/**
 * Serves the methods on a Unix socket.
 *
 * @throws when the path is taken by a live daemon, or cannot be bound
 */
export async function serve(options: ServeOptions): Promise<RpcServer> {
  const connections = new Set<Connection>()
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const connection = admit(socket, options)
    if (connection === null) return
    connections.add(connection)
    socket.once('close', () => connections.delete(connection))
  })
  server.maxConnections = MAX_CONNECTIONS
  server.on('drop', () =>
    options.log.warn({ limit: MAX_CONNECTIONS }, 'connection dropped: too many clients'),
  )
  const release = await listenAt(server, options.path)
  server.on('error', (err) => options.log.error({ err }, 'the socket failed'))
  return {
    path: options.path,
    get connections() {
      return connections.size
    },
    close: async (reason = 'osctld is shutting down') => {
      const closed = closeServer(server)
      for (const connection of connections) connection.finish(reason)
      await closed
      release()
    },
    destroy: () => {
      for (const connection of connections) connection.destroy()
    },
  }
}

/** Lets a client in, or tells it why not. */
function admit(socket: Socket, options: ServeOptions): Connection | null {
  socket.on('error', (err) => options.log.info({ err }, 'connection lost'))
  let actor: VerifiedActor
  try {
    actor = identifyPeer(socket)
  } catch (err) {
    options.log.error({ err }, 'connection refused: the peer cannot be identified')
    socket.destroy()
    return null
  }
  if (actor.uid !== 0 && actor.uid !== options.allowUid) {
    options.log.warn({ actor }, 'connection refused: not root')
    refuse(socket, `permission denied: osctld serves root only, not uid ${actor.uid}`)
    return null
  }
  const hello: Hello = {
    version: options.version,
    protocol: PROTOCOL,
    simulated: options.simulated,
    pid: process.pid,
  }
  socket.write(encodeLine({ jsonrpc: '2.0', method: 'hello', params: hello }))
  options.onConnection?.(actor)
  return new Connection({ socket, actor, handlers: options.handlers, log: options.log })
}

function refuse(socket: Socket, message: string): void {
  const data = { kind: 'refused', code: 'E_NOT_ROOT' }
  socket.resume()
  socket.end(encodeLine({ jsonrpc: '2.0', id: null, error: { code: RPC.ours, message, data } }), () =>
    socket.destroySoon(),
  )
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()))
}
