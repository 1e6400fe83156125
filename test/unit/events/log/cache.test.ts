/** The cache of states: quick when it fits, gone when it does not, and never in the way. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import Database from 'better-sqlite3'
import { type CachedStates, StateCacheFile } from '../../../../src/events/log/cache.ts'
import { WorkerLog } from '../../../../src/events/log/client.ts'
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

const position = { seq: 7, hash: 'a'.repeat(64) }
const states: CachedStates = {
  position,
  states: [
    { stream: ct(1), ver: 3, state: '{"a":1}' },
    { stream: 'pool', ver: 2, state: '{"b":"ž"}' },
  ],
}
const same = (): string => position.hash

function filled(dir: string, key = 'v1'): StateCacheFile {
  const cache = new StateCacheFile({ dir, key })
  assert.equal(cache.save(states), true)
  return cache
}

describe('the cache of states', () => {
  it('gives back what was saved, also after closing', () => {
    const dir = dirOf()
    const cache = filled(dir)
    assert.deepEqual(cache.load(same), states)
    cache.close()
    const again = new StateCacheFile({ dir, key: 'v1' })
    assert.deepEqual(again.load(same), states)
    again.close()
  })

  it('saving again replaces the set: streams that ended are gone', () => {
    const cache = filled(dirOf())
    const next = {
      position: { seq: 9, hash: 'b'.repeat(64) },
      states: [{ stream: ct(1), ver: 4, state: '{}' }],
    }
    cache.save(next)
    assert.deepEqual(
      cache.load(() => next.position.hash),
      next,
    )
    cache.close()
  })

  it('another log, another code or a position beyond the log drops everything', () => {
    for (const [key, hash] of [
      ['v1', 'b'.repeat(64)],
      ['v1', null],
      ['v2', position.hash],
    ] as const) {
      const dir = dirOf()
      filled(dir).close()
      const cache = new StateCacheFile({ dir, key })
      assert.equal(
        cache.load(() => hash),
        null,
      )
      assert.equal(cache.load(same), null, 'dropped for good')
      cache.close()
    }
  })

  it('a changed state or a missing one drops everything', () => {
    for (const sql of [
      'UPDATE states SET state = \'{"a":2}\' WHERE ver = 3',
      'DELETE FROM states WHERE ver = 3',
    ]) {
      const dir = dirOf()
      filled(dir).close()
      const db = new Database(join(dir, 'cache.db'))
      db.exec(sql)
      db.close()
      const cache = new StateCacheFile({ dir, key: 'v1' })
      assert.equal(cache.load(same), null)
      assert.equal(cache.save(states), true)
      assert.deepEqual(cache.load(same), states)
      cache.close()
    }
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
      const loaded = cache.load(same)
      if (loaded !== null) assert.deepEqual(loaded, states)
      cache.save(states)
      cache.close()
    }
    const cache = new StateCacheFile({ dir, key: 'v1' })
    cache.save(states)
    assert.deepEqual(cache.load(same), states)
    cache.close()
  })

  it('without a directory there is simply no cache', () => {
    const cache = new StateCacheFile({ dir: '/nowhere/at/all', key: 'v1' })
    assert.equal(cache.load(same), null)
    assert.equal(cache.save(states), false)
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
    assert.equal(await log.loadStates(head), null)
    assert.equal(await log.saveStates({ ...states, position: head }), true)
    assert.deepEqual(await log.loadStates(head), { ...states, position: head })
    await log.close()
    const stranger = await open(other)
    assert.equal(await stranger.loadStates(stranger.head()), null)
    await stranger.close()
    assert.ok(readdirSync(cacheDir).includes('cache.db'))
  })
})
