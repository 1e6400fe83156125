/** A request without a socket. */
import type { Call } from '../../src/rpc/call.ts'

const ADMIN = { uid: 0, gid: 0, pid: 4242, start: 1, loginuid: 1000, exe: '/usr/bin/osctl', tty: 'pts/0' }

export function fakeCall(parts: { operation: (op: string) => void }): Call {
  return {
    actor: ADMIN,
    id: 1,
    signal: new AbortController().signal,
    progress: () => {},
    operation: parts.operation,
    notify: () => {},
    isFull: false,
    drained: async () => {},
    end: () => {},
  }
}
