/** The cache of states: quick when it fits, gone when it does not, and never in the way. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import Database from 'better-sqlite3'
import fc from 'fast-check'
import {
  type CachedState,
  type CachedStates,
  type HashAt,
  run,
  StateCacheFile,
  type StatesToKeep,
} from '../../../../src/events/log/cache.ts'
import { WorkerLog } from '../../../../src/events/log/client.ts'
import type { StreamId } from '../../../../src/events/types/ids.ts'
import { appendEach, ct, event, scratchDir, stamp } from './helpers.ts'

const cleanups: (() => void)[] = []
after(() => {
  for (const clean of cleanups) clean()
})

function dirOf(): string {
  const { dir, remove } = scratchDir()
  cleanups.push(remove)
  return dir
}

const hashOf = (seq: number): string => String(seq).padStart(64, 'a')
const first: CachedStates = {
  position: { seq: 7, hash: hashOf(7) },
  states: [
    { stream: ct(1), ver: 3, state: '{"a":1}' },
    { stream: 'pool', ver: 2, state: '{"b":"ž"}' },
  ],
}
const keptFirst: StatesToKeep = { seq: 7, base: null, states: first.states }
const load = (cache: StateCacheFile, upTo = 99, hashAt: HashAt = hashOf): CachedStates | null =>
  run(cache.load(upTo, hashAt))
const save = (cache: StateCacheFile, kept: StatesToKeep = keptFirst): boolean => run(cache.save(kept, hashOf))

function filled(dir: string, key = 'v1'): StateCacheFile {
  const cache = new StateCacheFile({ dir, key })
  assert.equal(save(cache), true)
  return cache
}

describe('the cache of states', () => {
  it('gives back what was saved, also after closing', () => {
    const dir = dirOf()
    const cache = filled(dir)
    assert.deepEqual(load(cache), first)
    cache.close()
    const again = new StateCacheFile({ dir, key: 'v1' })
    assert.deepEqual(load(again), first)
    again.close()
  })

  it('a complete checkpoint is complete: streams that are not in it ended', () => {
    const cache = filled(dirOf())
    const states = [{ stream: ct(1), ver: 4, state: '{}' }]
    save(cache, { seq: 9, base: null, states })
    assert.deepEqual(load(cache)?.states, states)
    assert.deepEqual(load(cache, 8), first)
    assert.equal(load(cache, 6), null)
    cache.close()
  })

  it('changes rest on the checkpoint before them, and on no other', () => {
    const cache = filled(dirOf())
    const states = [
      { stream: ct(1), ver: 4, state: null },
      { stream: ct(2), ver: 1, state: '{"c":2}' },
    ]
    assert.equal(save(cache, { seq: 9, base: 6, states }), false)
    assert.equal(save(cache, { seq: 9, base: 7, states }), true)
    assert.deepEqual(load(cache)?.states, [{ stream: ct(2), ver: 1, state: '{"c":2}' }, first.states[1]])
    assert.equal(run(cache.save({ seq: 12, base: 9, states: [] }, () => null)), false, 'beyond the log')
    cache.close()
  })

  it('another log, another code or a position beyond the log drops everything', () => {
    for (const [key, hash] of [
      ['v1', 'b'.repeat(64)],
      ['v1', null],
      ['v2', hashOf(7)],
    ] as const) {
      const dir = dirOf()
      filled(dir).close()
      const cache = new StateCacheFile({ dir, key })
      assert.equal(
        load(cache, 99, () => hash),
        null,
      )
      assert.equal(load(cache), null, 'dropped for good')
      cache.close()
    }
  })

  it('a changed state or a missing one drops everything', () => {
    for (const sql of [
      'UPDATE states SET state = \'{"a":2}\' WHERE ver = 3',
      'UPDATE states SET state = NULL WHERE ver = 3',
      'DELETE FROM states WHERE ver = 3',
      'DELETE FROM streams',
    ]) {
      const dir = dirOf()
      filled(dir).close()
      const db = new Database(join(dir, 'cache.db'))
      db.exec(sql)
      db.close()
      const cache = new StateCacheFile({ dir, key: 'v1' })
      assert.equal(load(cache), null)
      assert.equal(save(cache), true)
      assert.deepEqual(load(cache), first)
      cache.forget()
      assert.equal(load(cache), null)
      cache.close()
    }
  })

  it('answers every position as complete copies would, whichever checkpoints come when', () => {
    const STREAMS = [1, 2, 3, 4].map((n) => ct(n)).sort()
    // A history: what each stream was after each position. A state is named by its position, so versions rise.
    const history = fc.array(fc.tuple(fc.nat({ max: 3 }), fc.boolean()), { minLength: 12, maxLength: 12 })
    const order = fc.shuffledSubarray([2, 4, 6, 8, 10, 12], { minLength: 2 })
    fc.assert(
      fc.property(
        history,
        order,
        fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }),
        (moves, seqs, wholes) => {
          const at = (seq: number): Map<StreamId, CachedState> => {
            const states = new Map<StreamId, CachedState>()
            for (const [i, [n, lives]] of moves.slice(0, seq).entries()) {
              const stream = STREAMS[n] ?? 'pool'
              if (lives) states.set(stream, { stream, ver: i + 1, state: `{"at":${i}}` })
              else states.delete(stream)
            }
            return states
          }
          const cache = new StateCacheFile({ dir: dirOf(), key: 'v1' })
          const kept: number[] = []
          for (const [i, seq] of seqs.entries()) {
            const base = Math.max(0, ...kept.filter((before) => before < seq))
            const isWhole = wholes[i] || base === 0
            const changed = moves.slice(base, seq).map(([n]) => STREAMS[n] ?? 'pool')
            const states = isWhole
              ? [...at(seq).values()]
              : [...new Set(changed)].map(
                  (stream) => at(seq).get(stream) ?? { stream, ver: seq, state: null },
                )
            assert.equal(save(cache, { seq, base: isWhole ? null : base, states }), true)
            kept.push(seq)
            for (const each of kept) {
              const expected = [...at(each).values()].sort((a, b) => (a.stream < b.stream ? -1 : 1))
              assert.deepEqual(load(cache, each)?.states, expected, `at ${each} of ${kept}`)
            }
          }
          cache.close()
        },
      ),
      { numRuns: 60 },
    )
  })

  it('a file of garbage, cut or flipped, is made anew and never throws', () => {
    const dir = dirOf()
    filled(dir).close()
    const path = join(dir, 'cache.db')
    const good = readFileSync(path)
    const cases = [
      Buffer.from('garbage'.repeat(999)),
      good.subarray(0, 5000),
      Buffer.alloc(8192),
      Buffer.alloc(0),
    ]
    for (let i = 0; i < 40; i++) {
      const flipped = Buffer.from(good)
      const at = Math.floor((i / 40) * good.length)
      flipped[at] = (flipped[at] ?? 0) ^ 0x10
      cases.push(flipped)
    }
    for (const bytes of cases) {
      rmSync(path, { force: true })
      writeFileSync(path, bytes)
      const cache = new StateCacheFile({ dir, key: 'v1' })
      const loaded = load(cache)
      if (loaded !== null) assert.deepEqual(loaded, first)
      save(cache)
      cache.close()
    }
    rmSync(path)
    const cache = new StateCacheFile({ dir, key: 'v1' })
    save(cache)
    assert.deepEqual(load(cache), first)
    cache.close()
  })

  it('without a directory there is simply no cache', () => {
    const cache = new StateCacheFile({ dir: '/nowhere/at/all', key: 'v1' })
    assert.equal(load(cache), null)
    assert.equal(save(cache), false)
    cache.close()
  })

  it('keeps so many checkpoints and no more, and those that it keeps stay whole', () => {
    const cache = new StateCacheFile({ dir: dirOf(), key: 'v1' })
    const state = (n: number) => ({ stream: ct(n % 3), ver: n, state: `{"n":${n}}` })
    save(cache, { seq: 1, base: null, states: [state(0), state(1), state(2)] })
    for (let n = 3; n < 300; n++) save(cache, { seq: n - 1, base: n - 2, states: [state(n)] })
    assert.equal(load(cache, 42), null)
    for (const n of [44, 60, 298])
      assert.deepEqual(
        load(cache, n)
          ?.states.map(({ ver }) => ver)
          .sort((a, b) => a - b),
        [n - 1, n, n + 1],
      )
    cache.close()
  })

  it('works in the worker, and a cache of another log or beyond its head is not believed', async () => {
    const [dir, other, cacheDir] = [dirOf(), dirOf(), dirOf()]
    const open = async (log: string): Promise<WorkerLog> => {
      const one = new WorkerLog({ dir: log, stamp, cache: { dir: cacheDir, key: 'v1' } })
      await one.open()
      await appendEach(one, [event('pool'), event('pool')])
      return one
    }
    const log = await open(dir)
    const head = log.head()
    assert.equal(await log.loadStates(head.seq), null)
    assert.equal(await log.saveStates({ ...keptFirst, seq: head.seq }), true)
    assert.deepEqual(await log.loadStates(head.seq), { ...first, position: head })
    assert.equal(await log.loadStates(head.seq - 1), null)
    assert.equal(
      await log.saveStates({ ...keptFirst, seq: head.seq + 1 }),
      false,
      'the log has no such position',
    )
    await log.close()
    const stranger = await open(other)
    assert.equal(await stranger.loadStates(stranger.head().seq), null)
    await stranger.close()
    assert.ok(readdirSync(cacheDir).includes('cache.db'))
  })
})
