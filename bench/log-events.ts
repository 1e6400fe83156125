/** Events as a daemon with 1,000 containers writes them. */
import type { Stamp } from '../src/events/log/draft.ts'
import type { NewEvent } from '../src/events/types/envelope.ts'
import type { StreamId } from '../src/events/types/ids.ts'

let n = 0
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

/** A ULID of a counter: sorts by time, as real ones do. */
function ulid(): string {
  n += 1
  let [value, tail] = [n, '']
  for (let i = 0; i < 16; i++) {
    tail = (ALPHABET[value % 32] ?? '0') + tail
    value = Math.floor(value / 32)
  }
  return `01JD9ZQ4XK${tail}`
}

export const stamp = (): Stamp => ({ id: ulid(), t: 1_800_000_000_000 + n, m: n })

export const ctOf = (i: number): StreamId => `ct:01JC0000000000000000${String(i).padStart(6, '0')}`

/** A command, its intent, and the intent's outcome. */
export function command(host: string): NewEvent[] {
  const stream = ctOf(Math.floor(Math.random() * 1000))
  const accepted = stamp()
  const op = accepted.id
  const intent = `${op}.1`
  const actor = {
    verified: {
      uid: 0,
      gid: 0,
      pid: 4711,
      start: 998877,
      loginuid: 1000,
      exe: '/usr/bin/osctl',
      tty: 'pts/0',
    },
  }
  const args = { id: op, ctid: 'web', run: op, timeoutSeconds: 120 }
  return [
    {
      ...accepted,
      stream,
      type: 'CommandAccepted',
      v: 1,
      op,
      key: `k${op}`,
      data: { command: 'ct.start', args: { host }, actor, cli: 'ct start web' },
    },
    {
      ...stamp(),
      stream,
      type: 'EffectIntended',
      v: 1,
      op,
      by: op,
      data: { intent, kind: 'lxc.start', args, compensates: null },
    },
    {
      ...stamp(),
      stream,
      type: 'EffectSucceeded',
      v: 1,
      op,
      data: {
        intent,
        kind: 'lxc.start',
        by: 'run',
        evidence: { initPid: 4712, startTime: 998999, bootId: op },
      },
    },
  ]
}

export const baselines = (count: number): NewEvent[] =>
  Array.from({ length: count }, (_, i) => {
    const of = ctOf(i)
    return {
      ...stamp(),
      stream: of,
      type: 'Baseline',
      v: 1,
      data: { of, ver: 1, state: { text: 'x'.repeat(1500) }, stateHash: '' },
    }
  })
