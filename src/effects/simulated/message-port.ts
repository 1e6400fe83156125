/** Messages of a simulated machine: what was sent where is remembered, the newest of it. */
import { HostError, type MessagePort } from '../host.ts'
import type { Calls } from './calls.ts'
import type { SimulatedMachine } from './machine.ts'

const MOST = 1000

export function simulatedMessages({ messages, deaf }: SimulatedMachine, calls: Calls): MessagePort {
  const send = (to: string, text: string): Promise<void> =>
    calls.run({
      op: 'messages.send',
      subject: to,
      intent: null,
      changes: false,
      apply: () => {
        if (deaf.has(to)) throw new HostError('E_NETWORK', 'transient', `${to}: Connection refused`)
        messages.push({ to, text })
        if (messages.length > MOST) messages.shift()
      },
    })
  return {
    syslog: (line, server) => send(server === null ? 'syslog' : `syslog:${server.host}`, line),
    post: (url, json) => send(url, json),
    ssh: ({ host }, text) => send(`ssh:${host}`, text),
  }
}
