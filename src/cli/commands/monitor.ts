/**
 * `osctl monitor`: events as they happen, in the original's lines where it has them.
 *
 * It outlives the daemon: when the connection is lost, or the daemon ends a subscription that reads too
 * slowly, it connects again and goes on after the last event that it printed, so nothing is missed.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { ConnectionError } from '../../rpc/client.ts'
import type { EventNote } from '../../rpc/results.ts'
import { given, type Invocation, poolsOf } from '../invocation.ts'
import { harmless } from '../output/table.ts'
import type { CommandSpec } from '../spec.ts'

const RETRY_MS = 500

export const monitor: CommandSpec = {
  name: 'monitor',
  summary: 'Print events as they happen',
  description: [
    'With -j one JSON object a line: {type, opts}. `state POOL ID STATE` when a container changes, `management id=… state=run|done|failed …` for commands, `event …` for all else.',
    'It goes on when osctld is restarted, from the last event that it printed.',
  ],
  run: async (invocation) => {
    const { io, link } = invocation
    const seen: Record<string, number> = {}
    const states = new Map<string, string>()
    for (let first = true; ; first = false) {
      const reason = await follow(invocation, { seen, states }, first)
      io.err(`monitor: ${reason}; connecting again …\n`)
      link.close()
      await sleep(RETRY_MS)
    }
  },
}

/** The last seq that was printed of each pool, and the last state of each container. */
type Memory = { seen: Record<string, number>; states: Map<string, string> }

/** Follows until the subscription ends, and says why it did. The first failure to connect is an error. */
async function follow(invocation: Invocation, { seen, states }: Memory, first: boolean): Promise<string> {
  const ended = Promise.withResolvers<string>()
  const from = Object.keys(seen).length === 0 ? undefined : { ...seen }
  try {
    const { positions } = await invocation.link.query(
      'event.subscribe',
      { ...given({ from }), ...poolsOf(invocation) },
      {
        onEvent: (note) => {
          seen[note.event.pool] = note.event.seq
          print(invocation, note, states)
        },
        onEnded: ({ reason }) => ended.resolve(reason),
      },
    )
    for (const [pool, seq] of Object.entries(positions)) seen[pool] ??= seq
    if (!first) invocation.io.err('monitor: connected\n')
    return await ended.promise
  } catch (error) {
    if (first || !(error instanceof ConnectionError)) throw error
    return error.message
  }
}

function print({ io, globals }: Invocation, note: EventNote, states: Map<string, string>): void {
  const json = globals.flag('json')
  for (const { type, opts, line } of messages(note, states)) {
    io.out(json ? `${JSON.stringify({ type, opts })}\n` : `${harmless(line)}\n`)
  }
}

type Message = { type: string; opts: object; line: string }

/** An event, and the change of state that it made, as the original's messages. */
export function messages({ event, state }: EventNote, states: Map<string, string>): Message[] {
  const list = [management(event) ?? other(event)]
  const id = event.target ?? '-'
  const entity = `${event.pool}:${id}`
  if (state !== undefined && states.get(entity) !== state) {
    states.set(entity, state)
    list.push({
      type: 'state',
      opts: { pool: event.pool, id, state },
      line: `state ${event.pool} ${id} ${state}`,
    })
  }
  return list
}

function management({ type, op, id, data }: EventNote['event']): Message | null {
  const details = data as { command?: string; args?: object; result?: string }
  const states: Record<string, string> = {
    CommandAccepted: 'run',
    CommandNoop: 'done',
    CommandRefused: 'failed',
    OperationFinished: details.result === 'done' ? 'done' : 'failed',
  }
  const state = states[type]
  if (state === undefined) return null
  const opts = { id: op ?? id, state, cmd: details.command ?? null, opts: details.args ?? {} }
  const command = `command=${opts.cmd ?? '-'} opts=${JSON.stringify(opts.opts)}`
  return { type: 'management', opts, line: `management id=${opts.id} state=${state} ${command}` }
}

function other(event: EventNote['event']): Message {
  const line = `event ${event.position} ${event.type} ${event.target ?? event.stream} ${JSON.stringify(event.data)}`
  return { type: 'event', opts: event, line }
}
