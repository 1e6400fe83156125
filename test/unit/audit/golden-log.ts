/** The golden log, appended to a store anew: the same events at the same positions. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseBody } from '../../../src/events/log/chain.ts'
import type { LogStore } from '../../../src/events/log/store.ts'
import type { NewEvent, StoredEvent } from '../../../src/events/types/envelope.ts'

const path = (version: string): string =>
  fileURLToPath(new URL(`../../golden/${version}/log.jsonl`, import.meta.url))

export const goldenEvents = (version = 'v1'): StoredEvent[] =>
  readFileSync(path(version), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => parseBody(Buffer.from(line)))

const anew = ({ seq: _seq, ver: _ver, s: _s, ...event }: StoredEvent): NewEvent => event

/** Opens the store, which must be empty, and appends; where a segment opened, it is sealed. */
export async function appendGolden(
  log: LogStore,
  events: readonly StoredEvent[] = goldenEvents(),
): Promise<void> {
  await log.open()
  let batch: NewEvent[] = []
  const flush = async (): Promise<void> => {
    if (batch.length > 0) await log.append({ events: batch, expected: {} })
    batch = []
  }
  for (let i = 1; i < events.length; i++) {
    const event = events[i]
    if (!event) break
    if (event.type !== 'SegmentOpened') batch.push(anew(event))
    else {
      await flush()
      const rest = events.slice(i + 1)
      const baselines = rest.slice(
        0,
        rest.findIndex(({ type }) => type !== 'Baseline'),
      )
      await log.seal(baselines.map(anew))
      i += baselines.length
    }
  }
  await flush()
}
