/**
 * The victim: appends to a log until it is killed, and prints each acknowledgement in one line once the
 * log has given it. Several appends are under way at once, so that commits are groups; now and then it
 * seals a segment.
 */
import { writeSync } from 'node:fs'
import { WorkerLog } from '../../src/events/log/client.ts'
import { SqliteLog } from '../../src/events/log/sqlite/log.ts'
import type { LogStore } from '../../src/events/log/store.ts'
import type { NewEvent } from '../../src/events/types/envelope.ts'

const [dir = '', life = '0', kind = 'process'] = process.argv.slice(2)
let n = 0
const stamp = (): { id: string; t: number; m: number } => {
  n += 1
  return { id: `01J${life.padStart(8, '0')}${String(n).padStart(15, '0')}`, t: Date.now(), m: n }
}
const event = (more: Partial<NewEvent>): NewEvent => ({
  stream: 'pool',
  type: 'CtFreezeRequested',
  v: 1,
  ...stamp(),
  data: { text: 'x'.repeat(n % 700) },
  ...more,
})

const log: LogStore = kind === 'worker' ? new WorkerLog({ dir, stamp }) : new SqliteLog({ dir, stamp })
const opened = await log.open()
if (opened.readOnly !== null || opened.damage.length > 0) {
  writeSync(1, `damage ${JSON.stringify([opened.readOnly, opened.damage])}\n`)
  process.exit(1)
}
await log.append({ events: [event({ stream: 'log', type: 'SessionOpened' })], expected: {} })
writeSync(1, 'open\n')

async function client(number: number): Promise<never> {
  for (;;) {
    const events = Array.from({ length: 1 + (n % 3) }, () => event({ stream: `ct:${number}` }))
    const { first } = await log.append({ events, expected: {} })
    for (const [i, { id }] of events.entries()) writeSync(1, `ack ${first + i} ${id}\n`)
    if (number === 0 && log.segmentEvents() > 400) {
      const { first: seq } = await log.seal([event({ type: 'Baseline' })])
      writeSync(1, `sealed ${seq}\n`)
    }
  }
}

await Promise.all([0, 1, 2, 3].map(client))
