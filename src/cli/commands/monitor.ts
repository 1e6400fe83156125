/**
 * `osctl monitor`: events as they happen, in the original's lines where it has them.
 *
 * It outlives the daemon: when the connection is lost it connects again and goes on after the last event that it
 * printed, so nothing is missed. What was printed last of each pool is the *cursor*; --json prints it with each line
 * and --since takes it, so that another run goes on where one ended.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { ConnectionError } from '../../rpc/client.ts'
import type { MethodInput } from '../../rpc/methods.ts'
import type { EventNote } from '../../rpc/results.ts'
import { POSITION, parseTime } from '../../rpc/time.ts'
import { given, type Invocation, poolsOf } from '../invocation.ts'
import { cloudEvent } from '../output/cloud-events.ts'
import { harmless } from '../output/table.ts'
import type { CommandSpec } from '../spec.ts'
import { ACTOR, CT, FAILED, OP, orUsageError, timelessOf } from './conditions.ts'
import { FORMAT, STREAM, TYPE } from './event.ts'

const RETRY_MS = 500

type Subscribe = MethodInput<'event.subscribe'>

export const monitor: CommandSpec = {
  name: 'monitor',
  summary: 'Print events as they happen',
  description: [
    '`state POOL ID STATE` when a container changes, `management id=… state=run|done|failed …` for commands, `event …` for all else. With -j one JSON object a line: {type, opts, cursor}.',
    'Nothing is missed: it goes on when osctld is restarted or a pool comes back, after the last event that it printed; and a reader that is slow gets everything later. Given to --since, a cursor goes on where another run ended.',
    'Events of several pools are in the order in which they happened: by the monotonic clock within a boot, else by the wall clock.',
  ],
  options: [
    {
      long: 'since',
      value: 'cursor|time',
      help: 'First all that happened after these positions (POOL:SEQ,…; SEQ with one pool), or from this time on',
    },
    CT,
    STREAM,
    TYPE,
    ACTOR,
    FAILED,
    OP,
    FORMAT,
  ],
  examples: [
    {
      command: "osctl monitor --since '10 minutes ago' --ct 101",
      what: 'One container, from ten minutes ago on',
    },
    { command: 'osctl -j monitor --since tank:4711', what: 'Go on where another run ended' },
    { command: 'osctl monitor --failed', what: 'Only what goes wrong' },
  ],
  run: async (invocation) => {
    const { io, link, options } = invocation
    const names = given({
      ct: options.text('ct'),
      stream: options.text('stream'),
      types: options.list('type'),
    })
    const wanted = { ...names, ...timelessOf(invocation), ...poolsOf(invocation) }
    const memory: Memory = { seen: {}, states: new Map() }
    let next: Subscribe = { ...wanted, ...beginning(options.text('since')) }
    for (let first = true; ; first = false) {
      const reason = await follow(invocation, next, memory, first)
      io.err(`monitor: ${reason}; connecting again …\n`)
      link.close()
      await sleep(RETRY_MS)
      next = { ...wanted, from: { ...memory.seen } }
    }
  },
}

/** Positions that a cursor names, or a time. */
function beginning(text: string | undefined): Pick<Subscribe, 'after' | 'since'> {
  if (text === undefined) return {}
  return orUsageError('since', () => {
    const words = text.split(',').map((word) => word.trim())
    if (words.every((word) => POSITION.test(word))) return { after: words }
    return { since: parseTime(text, Date.now()).from }
  })
}

/** The last seq that was printed of each pool, and the last state of each container. */
type Memory = { seen: Record<string, number>; states: Map<string, string> }

/** Follows until the subscription ends, and says why it did. The first failure to connect is an error. */
async function follow(
  invocation: Invocation,
  params: Subscribe,
  { seen, states }: Memory,
  first: boolean,
): Promise<string> {
  const ended = Promise.withResolvers<string>()
  try {
    const { positions } = await invocation.link.query('event.subscribe', params, {
      onEvent: (note) => {
        seen[note.event.pool] = note.event.seq
        print(invocation, note, states, seen)
      },
      onEnded: ({ reason }) => ended.resolve(reason),
    })
    for (const [pool, seq] of Object.entries(positions)) seen[pool] ??= seq
    if (!first) invocation.io.err('monitor: connected\n')
    return await ended.promise
  } catch (error) {
    if (first || !(error instanceof ConnectionError)) throw error
    return error.message
  }
}

function print(
  { io, globals, options }: Invocation,
  note: EventNote,
  states: Map<string, string>,
  seen: Readonly<Record<string, number>>,
): void {
  const list = messages(note, states)
  if (options.text('format') === 'cloudevents') return io.out(`${JSON.stringify(cloudEvent(note.event))}\n`)
  if (!globals.flag('json')) return io.out(list.map(({ line }) => `${harmless(line)}\n`).join(''))
  const cursor = cursorOf(seen)
  io.out(list.map(({ type, opts }) => `${JSON.stringify({ type, opts, cursor })}\n`).join(''))
}

/** As --since takes it. */
const cursorOf = (seen: Readonly<Record<string, number>>): string =>
  Object.entries(seen)
    .map(([pool, seq]) => `${pool}:${seq}`)
    .join(',')

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
