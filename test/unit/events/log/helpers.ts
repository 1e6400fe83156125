/** Events, clocks and directories for the tests of the log. Deterministic: time is a counter. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Stamp } from '../../../../src/events/log/draft.ts'
import type { LogStore } from '../../../../src/events/log/store.ts'
import type { NewEvent, StoredEvent } from '../../../../src/events/types/envelope.ts'
import type { StreamId } from '../../../../src/events/types/ids.ts'

let counter = 0

export const ulid = (n: number): string => `01JCLOGTEST${String(n).padStart(15, '0')}`
export const nextId = (): string => ulid(++counter)
export const T0 = 1_800_000_000_000

export function stamp(): Stamp {
  const id = nextId()
  return { id, t: T0 + counter, m: counter }
}

export function event(stream: StreamId, more: Partial<NewEvent> = {}): NewEvent {
  return { stream, type: 'CtFreezeRequested', v: 1, ...stamp(), data: { n: counter }, ...more }
}

export function session(): NewEvent {
  return event('log', { type: 'SessionOpened', data: { bootId: 'b', host: 'h' } })
}

export const baseline = (stream: StreamId, ver: number): NewEvent =>
  event(stream, { type: 'Baseline', data: { of: stream, ver, state: { ver }, stateHash: '0' } })

export const ct = (n: number): StreamId => `ct:${ulid(900_000 + n)}`

/** Appends events one commit each. */
export async function appendEach(log: LogStore, events: readonly NewEvent[]): Promise<void> {
  for (const each of events) await log.append({ events: [each], expected: {} })
}

export async function readAll(log: LogStore, from = 1, stream?: StreamId): Promise<StoredEvent[]> {
  const all: StoredEvent[] = []
  let next: number | null = from
  while (next !== null) {
    const slice = await log.read({ from: next, limit: 100, ...(stream ? { stream } : {}) })
    all.push(...slice.events)
    next = slice.next
  }
  return all
}

export function scratchDir(): { dir: string; remove: () => void } {
  const dir = mkdtempSync(join(tmpdir(), 'osctl-log-test-'))
  return { dir, remove: () => rmSync(dir, { recursive: true, force: true }) }
}

/** The code of the LogError that a promise rejects with. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
    return 'none'
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error)
  }
}
