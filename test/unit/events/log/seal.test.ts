/** A crash at each step of sealing: the log opens in the old or the new segment, gap-free, with all it had. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import Database from 'better-sqlite3'
import { SqliteLog } from '../../../../src/events/log/sqlite/log.ts'
import { SEAL_STEPS } from '../../../../src/events/log/sqlite/seal.ts'
import type { LogUpgrade } from '../../../../src/events/log/store.ts'
import { ONE, TWO } from '../../../simulation/formats.ts'
import { appendEach, baseline, codeOf, ct, event, readAll, scratchDir, session, stamp } from './helpers.ts'

const { dir: root, remove } = scratchDir()
after(remove)

/** Seals a log and keeps a copy of its files, as kill -9 would leave them, after each step. */
async function sealedWithCopies(
  upgrade?: LogUpgrade,
): Promise<{ live: string; copy: (step: string) => string; before: number }> {
  const live = join(root, `live-${readdirSync(root).length}`)
  execFileSync('mkdir', [live])
  const copy = (step: string): string => `${live}-${step}`
  // cp -a keeps hard links: the open file and its sealed name stay one file.
  const log = new SqliteLog({
    dir: live,
    stamp,
    formats: upgrade ? TWO : ONE,
    atSealStep: (step) => execFileSync('cp', ['-a', live, copy(step)]),
  })
  if (upgrade) await madeBefore(live)
  await log.open()
  await appendEach(log, [session(), event(ct(1), { key: 'k1' }), event(ct(1)), event('pool')])
  const before = log.head().seq
  execFileSync('cp', ['-a', live, copy('before')])
  await log.seal([baseline('pool', 1), baseline(ct(1), 2)], {}, upgrade)
  await log.close()
  return { live, copy, before }
}

/** The log of a release that knew one format. */
async function madeBefore(dir: string): Promise<void> {
  const log = new SqliteLog({ dir, stamp, formats: ONE })
  await log.open()
  await log.close()
}

describe('an upgrade', () => {
  it('is done and told, or neither, wherever it is interrupted; and can be asked for again', async () => {
    const told = event('log', { type: 'PoolUpgraded', data: { from: 1, to: 2, needs: '9.9.0' } })
    const upgrade = { to: 2, events: [told] }
    const { copy } = await sealedWithCopies(upgrade)
    const outcomes: Record<string, number> = {}
    for (const step of ['before', ...SEAL_STEPS]) {
      // The release before it looks first.
      const older = new SqliteLog({ dir: copy(step), stamp, create: false, formats: ONE })
      const { readOnly } = await older.open()
      await older.close()
      const log = new SqliteLog({ dir: copy(step), stamp, create: false, formats: TWO })
      const opened = await log.open()
      outcomes[step] = opened.format.number
      assert.deepEqual([opened.readOnly, opened.damage], [null, []], step)
      assert.equal(readOnly === null, opened.format.number === 1, step)
      const isTold = (await log.byId(told.id)) !== null
      assert.equal(isTold, opened.format.number === 2, step)
      if (!isTold) await log.seal([baseline('pool', 1), baseline(ct(1), 2)], {}, upgrade)
      assert.deepEqual((await log.verify({ full: true })).damage, [], step)
      assert.ok((await log.byId(told.id)) !== null, step)
      await log.close()
    }
    const old = { before: 1, built: 1, indexed: 1, closed: 1, linked: 1 }
    assert.deepEqual(outcomes, { ...old, published: 2 })
  })
})

describe('sealing', () => {
  it('a crash after any step opens in the old or the new segment and loses nothing', async () => {
    const { copy, before } = await sealedWithCopies()
    const outcomes: Record<string, number> = {}
    for (const step of ['before', ...SEAL_STEPS]) {
      const log = new SqliteLog({ dir: copy(step), stamp, create: false })
      const opened = await log.open()
      assert.equal(opened.readOnly, null, step)
      assert.deepEqual([...opened.damage, ...opened.notes], [], step)
      const events = await readAll(log)
      assert.deepEqual(
        events.map((it) => it.seq),
        events.map((_, i) => i + 1),
        step,
      )
      assert.ok(events.length >= before, step)
      outcomes[step] = opened.replayFrom
      await log.append({ events: [event(ct(1))], expected: {} })
      assert.equal((await log.byKey('k1'))?.seq, 3, step)
      assert.equal(
        await codeOf(log.append({ events: [event('pool', { key: 'k1' })], expected: {} })),
        'E_LOG_DUPLICATE',
      )
      assert.deepEqual((await log.verify({ full: true })).damage, [], step)
      await log.seal([baseline('pool', 0)])
      assert.deepEqual((await log.verify({ full: true })).damage, [], step)
      await log.close()
      assert.deepEqual(strangers(copy(step)), [], step)
    }
    const old = { before: 1, built: 1, indexed: 1, closed: 1, linked: 1 }
    assert.deepEqual(outcomes, { ...old, published: before + 1 })
  })

  it('a half-built next segment is nothing', async () => {
    const { copy } = await sealedWithCopies()
    writeFileSync(join(copy('before'), 'log.next.db'), 'half')
    writeFileSync(join(copy('before'), 'log.next.db-wal'), 'half')
    const log = new SqliteLog({ dir: copy('before'), stamp })
    assert.deepEqual((await log.open()).damage, [])
    assert.equal(existsSync(join(copy('before'), 'log.next.db')), false)
    await log.close()
  })

  it('a seal that failed before it touched the log leaves the log as it was', async () => {
    const { live } = await sealedWithCopies()
    const failing = new SqliteLog({
      dir: live,
      stamp,
      atSealStep: (step) => {
        if (step === 'built') throw Object.assign(new Error('planted'), { code: 'ENOSPC' })
      },
    })
    await failing.open()
    const events = await readAll(failing)
    assert.equal(await codeOf(failing.seal([baseline('pool', 0)])), 'E_LOG_FULL')
    assert.deepEqual(await readAll(failing), events)
    await appendEach(failing, [event('pool')])
    await failing.close()
  })

  it('a seal that failed half-way is unknown, and the log opens again', async () => {
    for (const at of ['indexed', 'closed', 'linked', 'published']) {
      const { live } = await sealedWithCopies()
      const failing = new SqliteLog({
        dir: live,
        stamp,
        atSealStep: (step) => {
          if (step === at) throw new Error('planted')
        },
      })
      await failing.open()
      assert.equal(await codeOf(failing.seal([baseline('pool', 0)])), 'E_LOG_UNKNOWN')
      assert.equal(await codeOf(failing.append({ events: [event('pool')], expected: {} })), 'E_LOG_UNKNOWN')
      await failing.close()
      const again = new SqliteLog({ dir: live, stamp })
      assert.deepEqual((await again.open()).damage, [], at)
      assert.deepEqual((await again.verify({ full: true })).damage, [], at)
      await appendEach(again, [event('pool')])
      await again.close()
    }
  })

  it('a sealed segment is a plain file that others may read, with an index for every question', async () => {
    const { live } = await sealedWithCopies()
    const log = new SqliteLog({ dir: live, stamp })
    await log.open()
    const other = new Database(join(live, 'log.1.db'), { readonly: true })
    assert.equal(other.pragma('journal_mode', { simple: true }), 'delete')
    const plan = (sql: string): string => JSON.stringify(other.prepare(`EXPLAIN QUERY PLAN ${sql}`).all())
    assert.match(plan("SELECT seq FROM events WHERE op = 'x'"), /events_op/)
    assert.match(plan("SELECT seq FROM events WHERE type = 'x'"), /events_type/)
    assert.match(plan('SELECT seq FROM events WHERE t BETWEEN 1 AND 2'), /events_t/)
    assert.equal((await readAll(log, 1))[0]?.seq, 1)
    other.close()
    await log.close()
    assert.deepEqual(strangers(live), [])
  })
})

/** Files that are neither a segment nor expected. */
function strangers(dir: string): string[] {
  return readdirSync(dir).filter((name) => !/^log(\.\d+)?\.db$/.test(name))
}
