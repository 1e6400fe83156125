/** States as they were: at every position of a log, and at times, whatever the clock did. */
import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { foldAt, type Kept, logUpTo, poolAt, positionOf } from '../../../src/audit/past.ts'
import { run, StateCacheFile } from '../../../src/events/log/cache.ts'
import { MemoryLog } from '../../../src/events/log/memory.ts'
import { MemoryDisk } from '../../../src/events/log/memory-disk.ts'
import { SqliteLog } from '../../../src/events/log/sqlite/log.ts'
import type { LogStore } from '../../../src/events/log/store.ts'
import type { ReadQuery } from '../../../src/events/types/query.ts'
import { baselineOf, canonical } from '../../../src/machines/baseline.ts'
import { Fold } from '../../../src/machines/fold.ts'
import { event, scratchDir, stamp } from '../events/log/helpers.ts'
import { appendGolden, goldenEvents } from './golden-log.ts'

const cleanups: (() => void)[] = []
after(() => {
  for (const clean of cleanups) clean()
})

const noPause = (): undefined => undefined
const without = { checkpoint: () => Promise.resolve(null) }

/** All that lives, in order. */
const printed = (fold: Fold): string[] =>
  [fold.states.pool(), ...fold.states.cts()].map((state) => canonical(baselineOf(state)))

async function golden(): Promise<LogStore> {
  const { dir, remove } = scratchDir()
  cleanups.push(remove)
  const log = new SqliteLog({ dir, stamp })
  await appendGolden(log)
  return log
}

describe('the states at a position', () => {
  it('are those of a fold of all events up to it, at every position of two segments', async () => {
    const log = await golden()
    const whole = new Fold()
    for (const stored of goldenEvents()) {
      whole.apply(stored)
      const then = await foldAt({ log, ...without }, stored.seq, noPause)
      assert.deepEqual(printed(then), printed(whole), `at ${stored.seq}`)
      assert.equal(then.seq, stored.seq)
    }
    await log.close()
  })

  it('are the same from a checkpoint, and a checkpoint of an earlier segment is not used', async () => {
    const log = await golden()
    const events = goldenEvents()
    for (const at of [100, 190, 230]) {
      const fold = new Fold()
      for (const stored of events.slice(0, at)) fold.apply(stored)
      const states = [fold.states.pool(), ...fold.states.cts()].map((state) => {
        const id = 'identity' in state.context ? state.context.identity?.id : null
        const stream = id === null ? ('pool' as const) : (`ct:${id}` as const)
        return { stream, ver: fold.versions.get(stream) ?? 0, state: JSON.stringify(baselineOf(state)) }
      })
      const read: number[] = []
      const counted = {
        ...logUpTo(log, log.head().seq, log.head().hash),
        read: async (query: Parameters<LogStore['read']>[0]) => {
          read.push(query.from)
          return await log.read(query)
        },
      }
      const checkpoint = () => Promise.resolve({ seq: at, states })
      const then = await foldAt({ log: counted, checkpoint }, 260, noPause)
      assert.deepEqual(printed(then), printed(await foldAt({ log, ...without }, 260, noPause)))
      assert.equal(read[0], at < 206 ? 206 : at + 1)
    }
    await log.close()
  })

  it('are the same from checkpoints that earlier questions left on their way, in any order', async () => {
    const log = await golden()
    const { dir, remove } = scratchDir()
    cleanups.push(remove)
    const cache = new StateCacheFile({ dir, key: 'v1' })
    const hashes = new Map<number, string>()
    for (let seq = 1; seq <= log.head().seq; seq++) hashes.set(seq, (await log.placeOf(seq))?.hash ?? '')
    const hashAt = (seq: number): string | null => hashes.get(seq) ?? null
    const loaded: number[] = []
    const kept: number[] = []
    const source = {
      log: { ...logUpTo(log, log.head().seq, ''), read: (q: ReadQuery) => log.read({ ...q, limit: 7 }) },
      every: 15,
      checkpoint: async (upTo: number) => {
        const found = run(cache.load(upTo, hashAt))
        if (found) loaded.push(found.position.seq)
        return found && { seq: found.position.seq, states: found.states }
      },
      keep: async (states: Kept) => {
        if (run(cache.save(states, hashAt))) kept.push(states.seq)
      },
    }
    const events = goldenEvents()
    for (const at of [150, 60, 200, 240, 100, 273, 20, 199, 230, 90, 250, 130]) {
      const whole = new Fold()
      for (const stored of events.slice(0, at)) whole.apply(stored)
      assert.deepEqual(printed(await foldAt(source, at, noPause)), printed(whole), `at ${at}`)
    }
    assert.ok(loaded.length > 5 && kept.length > 10, `${loaded.length} used, ${kept.length} kept`)
    cache.close()
    await log.close()
  })

  it('know the session, and a log up to there that knows nothing later', async () => {
    const log = await golden()
    const facts = { name: 'tank', guid: null, dataset: 'tank', directory: '/tank' }
    const early = await poolAt(facts, { log, ...without }, 100, noPause)
    assert.equal(early.guid, '15839210391')
    assert.equal(early.bootId, '5b0c1d52-7a57-4c34-9d0f-0a6f3f6b1c11')
    assert.deepEqual(early.log.head(), { seq: 100, hash: (await log.placeOf(100))?.hash })
    assert.equal((await early.log.read({ from: 99, limit: 10 })).events.length, 2)
    assert.equal((await early.log.query({ limit: 500 })).events.at(-1)?.seq, 100)
    assert.equal(await early.log.byId(goldenEvents()[100]?.id ?? ''), null)
    assert.equal((await early.log.byId(goldenEvents()[99]?.id ?? ''))?.seq, 100)
    assert.equal(await early.log.placeOf(101), null)
    await log.close()
  })
})

describe('a moment', () => {
  it('is the last event that is not later, also after the clock was set back', async () => {
    const log = new MemoryLog({ disk: new MemoryDisk(), stamp: () => ({ ...stamp(), t: 1000 }) })
    await log.open()
    for (const t of [2000, 3000, 9000, 4000, 5000])
      await log.append({ events: [event('pool', { t })], expected: {} })
    const at = (time: number) => positionOf('tank', log, { time })
    assert.equal(await at(999), null)
    assert.equal(await at(1000), 1)
    assert.equal(await at(2500), 2)
    assert.equal(await at(3999), 3)
    // At 8,000 by the clock before it was set back nothing later than 3,000 was there; by positions it is 5,000.
    assert.equal(await at(8000), 6)
    assert.equal(await at(9000), 6)
    assert.equal(await positionOf('tank', log, { seq: 6 }), 6)
    for (const seq of [0, 7])
      await assert.rejects(positionOf('tank', log, { seq }), {
        message: `no event tank:${seq} (the log goes to 6)`,
      })
    await log.close()
  })
})
