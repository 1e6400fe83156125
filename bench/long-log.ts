/**
 * A pool's log of a million events in 1,000 containers, in segments of 250,000: two years of a busy host, by eight
 * people, with refusals, failures, crashes, sessions, reboots, and names that were used again.
 */
import { SqliteLog } from '../src/events/log/sqlite/log.ts'
import type { Actor } from '../src/events/types/actor.ts'
import type { NewEvent } from '../src/events/types/envelope.ts'
import type { EventType } from '../src/events/types/events.ts'
import type { StreamId } from '../src/events/types/ids.ts'
import { baselines, ctOf } from './log-events.ts'

export const CONTAINERS = 1000
/** Every tenth name had an earlier container, which is gone. */
export const EARLIER = CONTAINERS / 10
const YEARS_MS = 2 * 365 * 86_400_000
export const END = 1_800_000_000_000
const BEGIN = END - YEARS_MS
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const BATCH = 2000

export const earlierOf = (i: number): StreamId => `ct:01JB0000000000000000${String(i).padStart(6, '0')}`
export const nameOf = (i: number): string => `web${i}`

const people = ['alice', 'bob', 'carol', 'dave', 'erin', 'frank', 'grace', 'heidi']
const human = (i: number): Actor => ({
  verified: {
    uid: 0,
    gid: 0,
    pid: 1000 + (i % 30_000),
    start: 998_877 + i,
    loginuid: 1000 + (i % 8),
    exe: '/usr/bin/osctl',
    tty: 'pts/0',
  },
  claimed: { sudoUser: people[i % 8] ?? 'alice', sshClient: `10.0.0.${i % 5}` },
})
/** Somebody who was here once. */
const stranger: Actor = {
  verified: { uid: 0, gid: 0, pid: 1, start: 1, loginuid: 4711, exe: '/usr/bin/osctl', tty: 'pts/9' },
}

export class LongLog {
  readonly #events: number
  #n = 0
  #chance = 12345

  constructor(events: number) {
    this.#events = events
  }

  /** @returns where it is and how many bytes its files and its bodies have */
  async write(dir: string, segment: number): Promise<{ bodies: number }> {
    const log = new SqliteLog({ dir, stamp: () => this.#stamp() })
    await log.open()
    let bodies = 0
    let waiting: NewEvent[] = [...this.#beginnings()]
    while (log.head().seq + waiting.length < this.#events) {
      if (log.segmentEvents() + BATCH >= segment) await log.seal(this.#baselines())
      while (waiting.length < BATCH) waiting.push(...this.#happening())
      bodies += waiting.reduce((sum, event) => sum + JSON.stringify(event).length, 0)
      await log.append({ events: waiting, expected: {} })
      waiting = []
    }
    await log.close()
    return { bodies }
  }

  #baselines(): NewEvent[] {
    return baselines(CONTAINERS).map((event) => ({ ...event, ...this.#stamp() }))
  }

  #random(below: number): number {
    this.#chance = (Math.imul(this.#chance, 1103515245) + 12345) >>> 0
    return (this.#chance >>> 8) % below
  }

  #stamp(): { id: string; t: number; m: number } {
    this.#n += 1
    let [value, tail] = [this.#n, '']
    for (let i = 0; i < 16; i++) {
      tail = (ALPHABET[value % 32] ?? '0') + tail
      value = Math.floor(value / 32)
    }
    const t = BEGIN + Math.floor((this.#n / this.#events) * YEARS_MS)
    return { id: `01JD9ZQ4XK${tail}`, t, m: this.#n * 1000 }
  }

  #event(stream: StreamId, type: EventType, data: unknown, more: Partial<NewEvent> = {}): NewEvent {
    return { ...this.#stamp(), stream, type, v: 1, data, ...more }
  }

  *#beginnings(): Generator<NewEvent> {
    yield this.#session()
    for (let i = 0; i < EARLIER; i++) yield* this.#creation(earlierOf(i), i)
    for (let i = 0; i < EARLIER; i++)
      yield* this.#command(earlierOf(i), 'ct del', nameOf(i), human(i), 'done')
    for (let i = 0; i < CONTAINERS; i++) yield* this.#creation(ctOf(i), i)
  }

  #session(): NewEvent {
    const data = {
      bootId: `boot${this.#n}`,
      host: 'h',
      hostId: null,
      pool: 'tank',
      poolGuid: '1',
      code: '1',
      machines: 1,
      format: 1,
      simulated: true,
    }
    return this.#event('log', 'SessionOpened', data)
  }

  #creation(stream: StreamId, i: number): NewEvent[] {
    const stamp = this.#stamp()
    const op = stamp.id
    const command = { command: 'ct create', args: { id: nameOf(i) }, actor: human(i), cli: null }
    const identity = {
      id: stream.slice(3),
      ctid: nameOf(i),
      user: nameOf(i),
      group: '/default',
      distribution: 'debian',
      version: '13',
      arch: 'x86_64',
      initCmd: null,
    }
    const data = {
      identity,
      settings: { autostart: null, hostname: null, attrs: {} },
      source: { from: 'empty' },
      map: { first: 65536 * (i + 1), count: 65536 },
    }
    return [
      { ...stamp, stream, type: 'CommandAccepted', v: 1, op, key: `k${op}`, data: command },
      this.#event(stream, 'CtCreateRequested', data, { op, by: op }),
    ]
  }

  #happening(): NewEvent[] {
    const i = this.#random(CONTAINERS)
    const stream = ctOf(i)
    const kind = this.#random(1000)
    if (kind === 0) return [this.#session()]
    if (kind < 10) return [this.#event(stream, 'CtExited', { run: 'r', target: 'crash', how: 'probe' })]
    if (kind < 30) {
      const data = {
        command: 'ct start',
        args: { id: nameOf(i) },
        actor: human(kind),
        cli: `osctl ct start ${nameOf(i)}`,
        code: 'E_BUSY',
        message: 'container is busy',
      }
      return [this.#event(stream, 'CommandRefused', data)]
    }
    if (kind < 50) {
      const session = `s${this.#n}`
      return [
        this.#event(stream, 'CtSessionOpened', { session, how: 'exec', program: 'sh', actor: human(kind) }),
        this.#event(stream, 'CtSessionEnded', { session, status: 0 }),
      ]
    }
    const actor = this.#random(50_000) === 0 ? stranger : human(this.#random(40))
    return this.#command(stream, 'ct start', nameOf(i), actor, this.#random(50) === 0 ? 'failed' : 'done')
  }

  #command(stream: StreamId, command: string, id: string, actor: Actor, result: string): NewEvent[] {
    const stamp = this.#stamp()
    const op = stamp.id
    const data = { command, args: { id, waitSeconds: 120 }, actor, cli: `osctl ${command} ${id}` }
    const intent = `${op}.1`
    const args = { id: stream.slice(3), ctid: id, run: op, timeoutSeconds: 120 }
    const evidence = { initPid: 4712, startTime: 998_999, bootId: op }
    return [
      { ...stamp, stream, type: 'CommandAccepted', v: 1, op, key: `k${op}`, data },
      this.#event(stream, 'CtStartRequested', { run: op, timeoutSeconds: 120 }, { op, by: op }),
      this.#event(
        stream,
        'EffectIntended',
        { intent, kind: 'lxc.start', args, compensates: null },
        { op, by: op },
      ),
      result === 'done'
        ? this.#event(stream, 'EffectSucceeded', { intent, kind: 'lxc.start', by: 'run', evidence }, { op })
        : this.#event(
            stream,
            'EffectFailed',
            { intent, kind: 'lxc.start', class: 'permanent', message: 'lxc-start: exit status 1', by: 'run' },
            { op },
          ),
      this.#event(
        stream,
        'OperationFinished',
        { result, error: result === 'done' ? null : 'lxc-start: exit status 1' },
        { op },
      ),
    ]
  }
}
