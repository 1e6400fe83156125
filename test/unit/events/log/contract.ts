/** What every store of the log promises: one suite, run on each of them. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, describe, it } from 'node:test'
import fc from 'fast-check'
import { LogError, type LogStore } from '../../../../src/events/log/store.ts'
import { EMPTY_HEAD, type NewEvent } from '../../../../src/events/types/envelope.ts'
import type { Formats } from '../../../../src/events/types/formats.ts'
import type { StreamId } from '../../../../src/events/types/ids.ts'
import { ONE, TWO } from '../../../simulation/formats.ts'
import { appendEach, baseline, codeOf, ct, event, nextId, readAll, session, T0 } from './helpers.ts'

/** A place that outlives a store: opened again, it holds what was committed. */
export type Medium = {
  store(options?: { create?: boolean; formats?: Formats }): LogStore
  remove(): void
}

const DAY = 24 * 3600 * 1000

export function describeContract(name: string, medium: () => Medium, propertyRuns = 25): void {
  const media: Medium[] = []
  const fresh = (): Medium => {
    const one = medium()
    media.push(one)
    return one
  }
  const opened = async (): Promise<LogStore> => {
    const log = fresh().store()
    await log.open()
    return log
  }

  describe(`the log's contract, ${name}`, () => {
    after(() => {
      for (const one of media) one.remove()
    })

    it('a new log opens with SegmentOpened as its first event', async () => {
      const log = fresh().store()
      const opening = await log.open()
      assert.equal(opening.head.seq, 1)
      assert.equal(opening.replayFrom, 1)
      assert.equal(opening.readOnly, null)
      assert.deepEqual([...opening.streams], [['log', 1]])
      const [first] = await readAll(log)
      assert.equal(first?.type, 'SegmentOpened')
      assert.deepEqual(first?.data, { segment: 1, previous: null, format: { number: 1, since: '0.1.0' } })
      assert.equal(first?.s, 0)
      await log.close()
    })

    it('a log is not created where it was not asked for', async () => {
      const log = fresh().store({ create: false })
      assert.equal(await codeOf(log.open()), 'E_LOG_MISSING')
    })

    it('an append gets the next positions and every event its version and session', async () => {
      const log = await opened()
      assert.deepEqual((await log.append({ events: [session()], expected: { log: 1 } })).first, 2)
      const done = await log.append({ events: [event(ct(1)), event('pool'), event(ct(1))], expected: {} })
      assert.equal(done.first, 3)
      assert.equal(done.head.seq, 5)
      assert.deepEqual(log.head(), done.head)
      const events = await readAll(log, 2)
      assert.deepEqual(
        events.map(({ seq, stream, ver, s }) => [seq, stream, ver, s]),
        [
          [2, 'log', 2, 2],
          [3, ct(1), 1, 2],
          [4, 'pool', 1, 2],
          [5, ct(1), 2, 2],
        ],
      )
      await log.close()
    })

    it('gives every event with the bytes and the hash that the chain has, and the place of each', async () => {
      const log = await opened()
      await appendEach(log, [session(), event('pool'), event(ct(1)), event('pool')])
      await log.seal([baseline('pool', 3)])
      await appendEach(log, [event('pool')])
      const events = await readAll(log)
      let hash: Buffer = Buffer.alloc(32)
      let next: number | null = 1
      const seen: unknown[] = []
      while (next !== null) {
        const slice = await log.raw({ from: next, limit: 2 })
        for (const row of slice.rows) {
          hash = createHash('sha256').update(hash).update(row.body).digest()
          assert.equal(Buffer.from(row.hash).toString('hex'), hash.toString('hex'))
          seen.push(JSON.parse(Buffer.from(row.body).toString()))
          const place = await log.placeOf(seen.length)
          assert.deepEqual(place, { segmentFirst: seen.length < 6 ? 1 : 6, hash: hash.toString('hex') })
        }
        next = slice.next
      }
      assert.deepEqual(seen, events)
      assert.equal(await log.placeOf(0), null)
      assert.equal(await log.placeOf(events.length + 1), null)
      const pool = await log.raw({ from: 3, stream: 'pool', limit: 10 })
      assert.deepEqual(
        pool.rows.map(({ body }) => (JSON.parse(Buffer.from(body).toString()) as { seq: number }).seq),
        events.filter(({ stream, seq }) => stream === 'pool' && seq >= 3).map(({ seq }) => seq),
      )
      await log.close()
    })

    it('an event comes back as it was appended', async () => {
      const log = await opened()
      const full = event('pool', {
        op: nextId(),
        by: nextId(),
        key: 'k-ü',
        data: { text: 'ž \u2028 "', n: [1, null] },
      })
      const bare = event('pool')
      await log.append({ events: [full, bare], expected: {} })
      const [first, second] = await readAll(log, 2)
      assert.deepEqual(first, { ...full, seq: 2, ver: 1, s: 0 })
      assert.deepEqual(second, { ...bare, seq: 3, ver: 2, s: 0 })
      await log.close()
    })

    it('a closed log opens again where it ended', async () => {
      const one = fresh()
      const log = one.store()
      await log.open()
      await log.append({ events: [session(), event(ct(1)), event('pool')], expected: {} })
      const head = log.head()
      const events = await readAll(log)
      await log.close()
      const again = one.store()
      const opening = await again.open()
      assert.deepEqual(opening.head, head)
      assert.equal(opening.streams.get(ct(1)), 1)
      assert.equal(opening.streams.get('log'), 2)
      assert.deepEqual(await readAll(again), events)
      const appended = await again.append({ events: [event('pool')], expected: { pool: 1 } })
      assert.equal(appended.first, head.seq + 1)
      assert.equal((await readAll(again)).at(-1)?.s, 2, 'the session is remembered')
      await again.close()
    })

    it('a stream at another version refuses the batch as a whole', async () => {
      const log = await opened()
      await log.append({ events: [event(ct(1))], expected: { [ct(1)]: 0 } })
      const before = log.head()
      const stale = log.append({ events: [event('pool'), event(ct(1))], expected: { [ct(1)]: 0 } })
      assert.equal(await codeOf(stale), 'E_LOG_CONFLICT')
      assert.deepEqual(log.head(), before)
      assert.equal(
        await codeOf(log.append({ events: [event('pool')], expected: { pool: 7 } })),
        'E_LOG_CONFLICT',
      )
      await log.close()
    })

    it('a conflict refuses only its own batch of those that commit together', async () => {
      const log = await opened()
      const outcomes = await Promise.allSettled([
        log.append({ events: [event(ct(1))], expected: { [ct(1)]: 0 } }),
        log.append({ events: [event(ct(1))], expected: { [ct(1)]: 0 } }),
        log.append({ events: [event(ct(1))], expected: { [ct(1)]: 1 } }),
      ])
      assert.deepEqual(
        outcomes.map((it) => it.status),
        ['fulfilled', 'rejected', 'fulfilled'],
      )
      assert.equal(log.head().seq, 3)
      await log.close()
    })

    it('an idempotency key or an event id is taken once', async () => {
      const log = await opened()
      const first = event('pool', { key: 'same' })
      await log.append({ events: [first], expected: {} })
      assert.equal(
        await codeOf(log.append({ events: [event('pool', { key: 'same' })], expected: {} })),
        'E_LOG_DUPLICATE',
      )
      assert.equal(
        await codeOf(log.append({ events: [event('pool', { id: first.id })], expected: {} })),
        'E_LOG_DUPLICATE',
      )
      const twice = [event('pool', { key: 'two' }), event('pool', { key: 'two' })]
      assert.equal(await codeOf(log.append({ events: twice, expected: {} })), 'E_LOG_DUPLICATE')
      const together = await Promise.allSettled(
        [1, 2].map(() => log.append({ events: [event('pool', { key: 'racing' })], expected: {} })),
      )
      assert.deepEqual(
        together.map((it) => it.status),
        ['fulfilled', 'rejected'],
      )
      assert.equal((await log.byKey('same'))?.id, first.id)
      assert.equal((await log.byId(first.id))?.seq, 2)
      assert.equal(await log.byId(nextId()), null)
      assert.equal(await log.byKey('never'), null)
      await log.close()
    })

    it('an empty batch checks versions and appends nothing', async () => {
      const log = await opened()
      const head = log.head()
      assert.deepEqual((await log.append({ events: [], expected: { log: 1 } })).head, head)
      assert.equal(await codeOf(log.append({ events: [], expected: { log: 2 } })), 'E_LOG_CONFLICT')
      await log.close()
    })

    it('reading goes both ways, by stream and within bounds', async () => {
      const log = await opened()
      const events = Array.from({ length: 40 }, (_, i) => event(ct(i % 3)))
      await log.append({ events, expected: {} })
      const seqs = async (query: Parameters<LogStore['read']>[0]): Promise<number[]> =>
        (await log.read(query)).events.map((it) => it.seq)
      assert.deepEqual(await seqs({ from: 5, to: 8, limit: 10 }), [5, 6, 7, 8])
      assert.deepEqual(await seqs({ from: 5, limit: 2 }), [5, 6])
      assert.equal((await log.read({ from: 5, limit: 2 })).next, 7)
      assert.equal((await log.read({ from: 40, limit: 2 })).next, null)
      assert.deepEqual(await seqs({ from: 1, reverse: true, limit: 3 }), [41, 40, 39])
      assert.equal((await log.read({ from: 1, reverse: true, limit: 3 })).next, 38)
      assert.deepEqual(await seqs({ from: 9, to: 20, stream: ct(0), limit: 10 }), [11, 14, 17, 20])
      assert.deepEqual(await seqs({ from: 9, to: 20, stream: ct(0), reverse: true, limit: 3 }), [20, 17, 14])
      assert.deepEqual(await seqs({ from: 1, stream: ct(9), limit: 3 }), [])
      assert.deepEqual(await seqs({ from: 42, limit: 3 }), [])
      await log.close()
    })

    it('a query answers by stream, type, operation and time, together', async () => {
      const log = await opened()
      const op = nextId()
      const command = event(ct(1), { id: op, op, type: 'CommandAccepted', t: T0 + 1e9 })
      const rest = [
        event(ct(1), { op, type: 'EffectIntended', t: T0 + 2e9 }),
        event(ct(2), { type: 'EffectIntended', t: T0 + 3e9 }),
        event('pool', { op, type: 'TrashAdded', t: T0 + 5e8 }),
        event(ct(1), { op, type: 'OperationFinished', t: T0 + 4e9 }),
      ]
      await log.append({ events: [command, ...rest], expected: {} })
      const seqs = async (query: Omit<Parameters<LogStore['query']>[0], 'limit'>): Promise<number[]> => {
        const found: number[] = []
        let part = await log.query({ ...query, limit: 2 })
        for (;;) {
          found.push(...part.events.map((it) => it.seq))
          if (part.next === null) return found
          const edge = query.reverse ? { to: part.next } : { from: part.next }
          part = await log.query({ ...query, ...edge, limit: 2 })
        }
      }
      assert.deepEqual(await seqs({ op }), [2, 3, 5, 6])
      assert.deepEqual(await seqs({ op, reverse: true }), [6, 5, 3, 2])
      assert.deepEqual(await seqs({ types: ['EffectIntended'] }), [3, 4])
      assert.deepEqual(await seqs({ types: ['EffectIntended', 'TrashAdded'] }), [3, 4, 5])
      assert.deepEqual(await seqs({ stream: ct(1), types: ['EffectIntended'] }), [3])
      assert.deepEqual(await seqs({ since: T0 + 1e9, until: T0 + 3e9 }), [2, 3, 4])
      assert.deepEqual(await seqs({ since: T0 + 4e8, until: T0 + 1e9, op }), [2, 5])
      assert.deepEqual(await seqs({ op: nextId() }), [])
      await log.seal([baseline('pool', 1)])
      assert.deepEqual(await seqs({ op }), [2, 3, 5, 6], 'and in a sealed segment')
      assert.deepEqual(await seqs({ types: ['EffectIntended'], reverse: true }), [4, 3])
      assert.deepEqual(await seqs({ since: T0 + 1e9, until: T0 + 3e9 }), [2, 3, 4])
      assert.deepEqual(await seqs({ stream: ct(1) }), [2, 3, 6])
      await log.close()
    })

    it('sealing opens the next segment with its baselines, in the same chain', async () => {
      const one = fresh()
      const log = one.store()
      await log.open()
      await log.append({
        events: [session(), event(ct(1)), event(ct(2)), event(ct(1)), event('pool')],
        expected: {},
      })
      const before = log.head()
      const sealed = await log.seal([baseline('pool', 1), baseline(ct(1), 2)], { [ct(1)]: 2 })
      assert.equal(sealed.first, 7)
      assert.equal(log.segmentEvents(), 3)
      const events = await readAll(log)
      assert.deepEqual(
        events.map((it) => it.seq),
        [1, 2, 3, 4, 5, 6, 7, 8, 9],
      )
      const [opening, pool, ct1] = events.slice(6)
      assert.deepEqual(opening?.data, {
        segment: 2,
        previous: { segment: 1, first: 1, last: 6, head: before.hash },
        format: { number: 1, since: '0.1.0' },
      })
      assert.deepEqual([opening?.ver, pool?.ver, ct1?.ver], [3, 2, 3])
      assert.equal(opening?.s, 2, 'the session is the one of the older segment')
      await log.append({ events: [event(ct(1))], expected: { [ct(1)]: 3 } })
      const ended = await log.append({ events: [event(ct(2))], expected: { [ct(2)]: 1 } })
      assert.equal((await readAll(log, ended.first))[0]?.ver, 2, 'a stream without baseline goes on counting')
      assert.deepEqual((await log.verify({ full: true })).damage, [])
      assert.equal((await log.verify({ full: true })).checked, 11)
      await log.close()
      const again = one.store()
      const opening2 = await again.open()
      assert.equal(opening2.replayFrom, 7)
      assert.deepEqual(opening2.damage, [])
      assert.deepEqual((await readAll(again)).length, 11)
      await again.close()
    })

    it('a stale baseline is refused and nothing is sealed', async () => {
      const log = await opened()
      await log.append({ events: [event(ct(1)), event(ct(1))], expected: {} })
      assert.equal(await codeOf(log.seal([baseline(ct(1), 1)], { [ct(1)]: 1 })), 'E_LOG_CONFLICT')
      assert.equal(log.segmentEvents(), 3)
      await log.append({ events: [event(ct(1))], expected: { [ct(1)]: 2 } })
      await log.close()
    })

    it('an upgrade opens the next segment in the newer format, and says so behind its baselines', async () => {
      const one = fresh()
      const older = one.store({ formats: ONE })
      await older.open()
      await older.append({ events: [session(), event('pool')], expected: {} })
      await older.close()
      const log = one.store({ formats: TWO })
      assert.deepEqual((await log.open()).format, { number: 1, since: '0.1.0' }, 'it goes on as it was')
      assert.equal(
        await codeOf(log.seal([baseline('pool', 1)], {}, { to: 3, events: [] })),
        'E_LOG_READ_ONLY',
      )
      assert.equal((await readAll(log)).length, 3)
      const told = event('log', { type: 'PoolUpgraded', data: { from: 1, to: 2, needs: '9.9.0' } })
      await log.seal([baseline('pool', 1)], { pool: 1 }, { to: 2, events: [told] })
      await log.append({ events: [event('pool')], expected: { pool: 2 } })
      await log.seal([baseline('pool', 3)])
      const events = await readAll(log)
      assert.deepEqual(
        events.slice(3).map(({ type }) => type),
        ['SegmentOpened', 'Baseline', 'PoolUpgraded', 'CtFreezeRequested', 'SegmentOpened', 'Baseline'],
      )
      assert.deepEqual((await log.verify({ full: true })).damage, [])
      await log.close()
      const again = one.store({ formats: TWO })
      const { format, readOnly } = await again.open()
      assert.deepEqual([format, readOnly], [{ number: 2, since: '9.9.0' }, null])
      await again.close()
    })

    it('a log of a newer format is read whole and not written, and says which osctld it needs', async () => {
      const one = fresh()
      const newer = one.store({ formats: TWO })
      await newer.open()
      await newer.append({ events: [session(), event('pool'), event(ct(1))], expected: {} })
      await newer.close()
      const log = one.store({ formats: ONE })
      const { format, readOnly, damage } = await log.open()
      assert.deepEqual([format, damage], [{ number: 2, since: '9.9.0' }, []])
      assert.equal(
        readOnly,
        'the pool was upgraded to format 2, this osctld writes up to format 1: osctld 9.9.0 or newer is needed',
      )
      assert.equal((await readAll(log)).length, 4)
      assert.deepEqual((await log.verify({ full: true })).damage, [])
      assert.equal(await codeOf(log.append({ events: [event('pool')], expected: {} })), 'E_LOG_READ_ONLY')
      assert.equal(await codeOf(log.seal([baseline('pool', 1)])), 'E_LOG_READ_ONLY')
      const recovery = { label: 'x', events: [], baselines: [] }
      assert.equal(await codeOf(log.recover(recovery)), 'E_LOG_READ_ONLY')
      await log.close()
      const again = one.store({ formats: TWO })
      assert.equal((await again.open()).readOnly, null, 'nothing was done to it')
      await again.append({ events: [event('pool')], expected: { pool: 1 } })
      await again.close()
    })

    it('a key is found for a day after its segment was sealed', async () => {
      const log = await opened()
      await log.append({ events: [event('pool', { key: 'day', t: T0 })], expected: {} })
      await log.seal([baseline('pool', 1)])
      await log.append({ events: [event('pool', { t: T0 + DAY / 2 })], expected: {} })
      assert.equal((await log.byKey('day'))?.seq, 2)
      const early = log.append({ events: [event('pool', { key: 'day', t: T0 + DAY })], expected: {} })
      assert.equal(await codeOf(early), 'E_LOG_DUPLICATE')
      await log.append({ events: [event('pool', { key: 'day', t: T0 + DAY + 1 })], expected: {} })
      assert.equal((await log.byKey('day'))?.t, T0 + DAY + 1)
      await log.close()
    })

    it('reading and querying go on across segments, in slices, both ways', async () => {
      const log = await opened()
      for (let segment = 0; segment < 3; segment++) {
        await log.append({ events: Array.from({ length: 30 }, () => event(ct(1))), expected: {} })
        await log.seal([baseline(ct(1), 0)])
      }
      const last = log.head().seq
      assert.deepEqual(
        (await readAll(log)).map((it) => it.seq),
        Array.from({ length: last }, (_, i) => i + 1),
      )
      const back: number[] = []
      let to: number | null = last
      while (to !== null) {
        const slice = await log.query({ to, reverse: true, stream: ct(1), limit: 7 })
        back.push(...slice.events.map((it) => it.seq))
        to = slice.next
      }
      assert.deepEqual(back, (await readAll(log, 1, ct(1))).map((it) => it.seq).reverse())
      assert.equal(back.length, 93)
      await log.close()
    })

    it('tells the hash of any of its events, across segments, and of no other', async () => {
      const log = await opened()
      await appendEach(log, [event('pool'), event(ct(1))])
      const { seq, hash } = log.head()
      await log.seal([baseline('pool', 1)])
      assert.equal(await log.hashAt(seq), hash)
      assert.equal(await log.hashAt(log.head().seq), log.head().hash)
      assert.deepEqual([await log.hashAt(0), await log.hashAt(log.head().seq + 1)], [null, null])
      await log.close()
    })

    it('verify knows the head that it is held against', async () => {
      const log = await opened()
      await log.append({ events: [event('pool')], expected: {} })
      const anchor = log.head()
      await log.append({ events: [event('pool')], expected: {} })
      assert.deepEqual((await log.verify({ full: true, against: anchor })).damage, [])
      assert.deepEqual((await log.verify({ full: false, against: EMPTY_HEAD })).damage, [])
      const forged = await log.verify({ full: false, against: { ...anchor, hash: 'f'.repeat(64) } })
      assert.match(forged.damage[0]?.what ?? '', /event 2 is not the one/)
      const longer = await log.verify({ full: true, against: { seq: 9, hash: anchor.hash } })
      assert.match(longer.damage[0]?.what ?? '', /ends at 3, but it once ended at 9/)
      await log.close()
    })

    it('sealing in the middle of a verification disturbs neither', async () => {
      const log = await opened()
      for (let i = 0; i < 6; i++)
        await log.append({ events: Array.from({ length: 700 }, () => event(ct(i))), expected: {} })
      const verified = log.verify({ full: true })
      for (let i = 0; i < 3; i++) await log.seal([baseline(ct(1), 0)])
      assert.deepEqual((await verified).damage, [])
      await log.close()
    })

    it('a closed log refuses everything, and closing twice is closing', async () => {
      const one = fresh()
      const log = one.store()
      assert.equal(await codeOf(log.append({ events: [event('pool')], expected: {} })), 'E_LOG_CLOSED')
      await log.open()
      await log.close()
      await log.close()
      assert.equal(await codeOf(log.append({ events: [event('pool')], expected: {} })), 'E_LOG_CLOSED')
      assert.equal(await codeOf(log.read({ from: 1, limit: 1 })), 'E_LOG_CLOSED')
      assert.throws(() => log.head(), LogError)
    })

    it('a second opener is refused while the first lives', async () => {
      const one = fresh()
      const first = one.store()
      await first.open()
      const second = one.store()
      assert.equal(await codeOf(second.open()), 'E_LOG_LOCKED')
      await first.append({ events: [event('pool')], expected: {} })
      await first.close()
      await second.open()
      assert.equal(second.head().seq, 2)
      await second.close()
    })

    it('any mixture of appends leaves a gap-free chain with versions counted per stream', async () => {
      const batches = fc.array(fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 4 }), {
        minLength: 1,
        maxLength: 12,
      })
      await fc.assert(
        fc.asyncProperty(batches, fc.integer({ min: 1, max: 4 }), async (plan, width) => {
          const log = await opened()
          await appendConcurrently(log, plan, width)
          await assertChain(log)
          await log.close()
        }),
        { numRuns: propertyRuns },
      )
    })
  })
}

async function appendConcurrently(log: LogStore, plan: readonly number[][], width: number): Promise<void> {
  for (let at = 0; at < plan.length; at += width) {
    const group = plan.slice(at, at + width).map((streams) => streams.map((n): NewEvent => event(ct(n))))
    const acks = await Promise.all(group.map((events) => log.append({ events, expected: {} })))
    const firsts = acks.map((it) => it.first)
    assert.deepEqual(
      [...firsts].sort((a, b) => a - b),
      firsts,
      'batches commit in the order they came',
    )
  }
  await appendEach(log, [])
}

/** Recomputes the chain from the events alone. */
async function assertChain(log: LogStore): Promise<void> {
  const events = await readAll(log)
  const versions = new Map<StreamId, number>()
  let previous = Buffer.alloc(32)
  for (const [i, each] of events.entries()) {
    assert.equal(each.seq, i + 1)
    const ver = (versions.get(each.stream) ?? 0) + 1
    assert.equal(each.ver, ver)
    versions.set(each.stream, ver)
    previous = createHash('sha256').update(previous).update(JSON.stringify(each)).digest()
  }
  assert.deepEqual(log.head(), { seq: events.length, hash: previous.toString('hex') })
}
