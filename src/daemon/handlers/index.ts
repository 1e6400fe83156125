/** Every method of the protocol and its handler. A method without one does not compile. */
import type { Handlers } from '../../rpc/server.ts'
import type { Daemon } from '../daemon.ts'
import { auditHandlers, opHandlers } from './audit.ts'
import { ctHandlers } from './ct.ts'
import { hostHandlers } from './host.ts'
import { entityHandlers, poolHandlers } from './pool.ts'
import { sessionHandlers } from './session.ts'

export function handlers(daemon: Daemon, pid: number): Handlers {
  return {
    ...hostHandlers(daemon, pid),
    ...poolHandlers(daemon),
    ...entityHandlers(daemon),
    ...ctHandlers(daemon),
    ...sessionHandlers(daemon),
    ...auditHandlers(daemon),
    ...opHandlers(daemon),
  }
}
