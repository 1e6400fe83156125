/** Files of pruned segments go, and what is left is whole; what opening looks at does not grow with the years. */
import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { SqliteLog } from '../../../../src/events/log/sqlite/log.ts'
import type { SegmentInfo } from '../../../../src/events/log/store.ts'
import { appendEach, baseline, codeOf, ct, event, readAll, scratchDir, session, stamp } from './helpers.ts'

const { dir: root, remove } = scratchDir()
after(remove)
let places = 0

const at = (dir: string): SqliteLog => new SqliteLog({ dir, stamp, create: false })

/** A log of so many sealed segments, closed. */
async function made(sealed: number): Promise<string> {
  const dir = join(root, `log-${++places}`)
  mkdirSync(dir)
  const log = new SqliteLog({ dir, stamp })
  await log.open()
  for (let i = 0; i < sealed; i++) {
    await appendEach(log, [session(), event(ct(i)), event('pool')])
    await log.seal([baseline('pool', 1)])
  }
  await log.close()
  return dir
}

const heads = (infos: readonly SegmentInfo[]) =>
  infos.map(({ segment, first, last, head }) => ({ segment, first, last, head }))

async function pruned(log: SqliteLog, upTo: number): Promise<void> {
  const going = heads(await log.segments()).filter(({ segment }) => segment <= upTo)
  await log.append({
    events: [event('log', { type: 'SegmentsPruned', data: { segments: going } })],
    expected: {},
  })
}

describe('pruning', () => {
  it('removes exactly the files that the log says are pruned, and the rest joins what went', async () => {
    const dir = await made(4)
    const log = at(dir)
    await log.open()
    assert.deepEqual(await log.prune(), [])
    const before = await log.segments()
    await pruned(log, 2)
    assert.deepEqual(await log.prune(), [1, 2])
    assert.deepEqual(await log.prune(), [])
    assert.deepEqual(
      readdirSync(dir)
        .filter((name) => name.endsWith('.db'))
        .sort(),
      ['log.3.db', 'log.4.db', 'log.db'],
    )
    assert.deepEqual(await log.segments(), before.slice(2))
    const report = await log.verify({ full: true })
    assert.deepEqual([report.damage, report.pruned?.last], [[], before[1]?.last])
    assert.equal((await readAll(log))[0]?.seq, before[2]?.first)
    const gone = before[0]
    assert.ok(gone)
    assert.deepEqual(
      (await log.verify({ full: true, against: { seq: gone.last, hash: gone.head } })).damage,
      [],
    )
    await log.close()
  })

  it('is finished by opening, and is known in later segments without its event', async () => {
    const dir = await made(4)
    const log = at(dir)
    await log.open()
    await pruned(log, 2)
    await log.close()
    const again = at(dir)
    assert.deepEqual((await again.open()).damage, [])
    assert.ok(!existsSync(join(dir, 'log.1.db')) && !existsSync(join(dir, 'log.2.db')))
    await again.seal([baseline('pool', 1)])
    await again.seal([baseline('pool', 1)])
    await again.close()
    const last = at(dir)
    assert.deepEqual((await last.open()).damage, [])
    assert.equal((await last.verify({ full: true })).pruned?.segment, 2)
    await last.close()
  })

  it('excuses no segment that is missing without it, and none that follows another', async () => {
    const dir = await made(4)
    const log = at(dir)
    await log.open()
    await pruned(log, 1)
    await log.prune()
    await log.close()
    const copy = `${dir}-copy`
    cpSync(dir, copy, { recursive: true })
    rmSync(join(dir, 'log.2.db'))
    const broken = at(dir)
    assert.deepEqual(
      (await broken.open()).damage.map(({ what }) => what),
      ['log.2.db is missing'],
    )
    assert.equal(await codeOf(readAll(broken)), 'E_LOG_DAMAGED')
    await broken.close()
    const other = await made(4)
    cpSync(join(other, 'log.2.db'), join(copy, 'log.2.db'))
    const foreign = at(copy)
    await foreign.open()
    assert.match(
      (await foreign.verify({ full: true })).damage.map(({ what }) => what).join('; '),
      /does not join/,
    )
    await foreign.close()
  })

  it('knows a segment that cannot be read by the one after it', async () => {
    const dir = await made(3)
    const whole = at(dir)
    await whole.open()
    const before = heads(await whole.segments())
    await whole.close()
    cpSync(join(dir, 'log.db'), join(dir, 'log.2.db'))
    const log = at(dir)
    await log.open()
    assert.deepEqual(heads(await log.segments()), before)
    await log.close()
  })
})

describe('opening a log of many segments', () => {
  it('reads the open segment and the end of the one before it, whatever the number of the others', async () => {
    const opened: number[] = []
    for (const sealed of [2, 40]) {
      const dir = await made(sealed)
      // Unreadable unless it is needed: what opening touches would be damage.
      for (let n = 1; n < sealed; n++) writeFileSync(join(dir, `log.${n}.db`), '')
      const log = at(dir)
      const { damage, readOnly, head, replayFrom } = await log.open()
      assert.deepEqual([damage, readOnly], [[], null])
      const events = await readAll(log, replayFrom)
      assert.equal(events.at(-1)?.seq, head.seq)
      opened.push(events.length)
      await appendEach(log, [event('pool')])
      await log.close()
    }
    assert.equal(opened[0], opened[1])
  })
})
