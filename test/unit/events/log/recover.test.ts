/** Going on with a damaged log: nothing is thrown away, and a crash at any step opens it as before or recovered. */
import assert from 'node:assert/strict'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { MemoryLog } from '../../../../src/events/log/memory.ts'
import { MemoryDisk } from '../../../../src/events/log/memory-disk.ts'
import { RECOVER_STEPS, type RecoverStep } from '../../../../src/events/log/sqlite/finish.ts'
import { SqliteLog, type SqliteLogOptions } from '../../../../src/events/log/sqlite/log.ts'
import type { LogRecovery, LogStore, OpenedLog } from '../../../../src/events/log/store.ts'
import type { StoredEvent } from '../../../../src/events/types/envelope.ts'
import { appendEach, baseline, codeOf, ct, event, readAll, scratchDir, session, stamp } from './helpers.ts'

const { dir: root, remove } = scratchDir()
after(remove)
let places = 0

const at = (dir: string, more: Partial<SqliteLogOptions> = {}): SqliteLog =>
  new SqliteLog({ dir, stamp, create: false, ...more })

const told = () =>
  event('log', {
    type: 'LogRecovered',
    data: { reason: 'r', from: { seq: 0, hash: '' }, damage: [], lost: [], evidence: 'e' },
  })
const recovery = (label = 'L'): LogRecovery => ({
  label,
  events: [told()],
  baselines: [baseline(ct(1), 1), baseline('pool', 2)],
})

/** A log of two sealed segments and an open one of ten events, closed, or with all ten in the WAL. */
async function made(inWal: boolean): Promise<{ dir: string; events: StoredEvent[] }> {
  const live = join(root, `live-${++places}`)
  mkdirSync(live)
  const log = new SqliteLog({ dir: live, stamp })
  await log.open()
  await appendEach(log, [session(), event(ct(1)), event('pool')])
  for (let i = 0; i < 2; i++) await log.seal([baseline(ct(1), 1), baseline('pool', 1)])
  await appendEach(
    log,
    Array.from({ length: 10 }, (_, i) => event(ct(i % 2), { key: `key-${i}` })),
  )
  const events = await readAll(log)
  const dir = `${live}-copy`
  if (inWal) cpSync(live, dir, { recursive: true })
  await log.close()
  if (!inWal) cpSync(live, dir, { recursive: true })
  return { dir, events }
}

/** Flips a bit of the event's own bytes. */
function spoil(path: string, id: string): void {
  const bytes = readFileSync(path)
  let place = -1
  // A page that was split keeps a copy that nobody reads.
  for (;;) {
    const next = bytes.indexOf(`"id":"${id}"`, place + 1)
    if (next < 0) break
    place = next
    bytes[place + 10] = (bytes[place + 10] ?? 0) ^ 1
  }
  assert.ok(place > 0)
  writeFileSync(path, bytes)
}

type Damage = {
  readonly name: string
  readonly inWal: boolean
  readonly kept: number
  damage(dir: string, events: readonly StoredEvent[]): void
}

const DAMAGES: readonly Damage[] = [
  {
    name: 'an event in the middle is damaged',
    inWal: false,
    kept: -5,
    damage: (dir, events) => spoil(join(dir, 'log.db'), events.at(-5)?.id ?? ''),
  },
  {
    name: 'a bit flipped in the middle of the write-ahead log',
    inWal: true,
    kept: -5,
    damage: (dir, events) => spoil(join(dir, 'log.db-wal'), events.at(-5)?.id ?? ''),
  },
  {
    name: 'the first event of the segment is damaged',
    inWal: false,
    kept: -13,
    damage: (dir, events) => spoil(join(dir, 'log.db'), events.at(-13)?.id ?? ''),
  },
  { name: 'the file is gone', inWal: false, kept: -13, damage: (dir) => rmSync(join(dir, 'log.db')) },
  {
    name: 'the file is no log at all',
    inWal: false,
    kept: -13,
    damage: (dir) => writeFileSync(join(dir, 'log.db'), 'something else\n'.repeat(1000)),
  },
]

const whole = ({ readOnly, damage }: OpenedLog): boolean => readOnly === null && damage.length === 0

/** It takes events, is whole, and has what could be trusted with the word about the recovery behind it. */
async function assertRecovered(dir: string, trusted: readonly StoredEvent[]): Promise<void> {
  const log = at(dir)
  const opened = await log.open()
  assert.ok(whole(opened), JSON.stringify(opened.damage))
  const events = await readAll(log)
  assert.deepEqual(events.slice(0, trusted.length), trusted)
  assert.equal(events.at(-1)?.type, 'LogRecovered')
  assert.deepEqual(
    events.map(({ seq }) => seq),
    events.map((_, i) => i + 1),
  )
  await appendEach(log, [event(ct(1), { key: 'key-9-new' })])
  assert.deepEqual((await log.verify({ full: true })).damage, [])
  await log.close()
}

describe('recovering a log', () => {
  for (const { name, inWal, kept, damage } of DAMAGES) {
    it(`when ${name}: goes on from what is whole, keeps the rest, and crashes at no step`, async () => {
      const { dir, events } = await made(inWal)
      damage(dir, events)
      const trusted = events.slice(0, kept)
      const copies = new Map<RecoverStep, string>()
      const log = at(dir, {
        atRecoverStep: (step) => {
          const copy = `${dir}-${step}`
          cpSync(dir, copy, { recursive: true })
          copies.set(step, copy)
        },
      })
      const before = await log.open()
      assert.notEqual(before.readOnly, null)
      assert.equal(before.head.seq, trusted.length)
      const file = existsSync(join(dir, 'log.db')) ? statSync(join(dir, 'log.db')).ino : null
      const opened = await log.recover(recovery())
      assert.ok(whole(opened))
      await log.close()
      await assertRecovered(dir, trusted)
      if (file !== null) assert.equal(statSync(join(dir, 'log.damaged-L.db')).ino, file)
      assert.equal(existsSync(join(dir, 'log.damaged-L.db-wal')), inWal)
      assert.deepEqual([...copies.keys()], [...RECOVER_STEPS])
      for (const [step, copy] of copies) {
        const again = at(copy)
        const found = await again.open()
        if (step === 'built') {
          assert.notEqual(found.readOnly, null, step)
          await again.recover(recovery('M'))
        }
        await again.close()
        await assertRecovered(copy, trusted)
        const left = readdirSync(copy).filter((each) => !/^log\.(\d+\.)?db$|^log\.damaged-/.test(each))
        assert.deepEqual(left, [], step)
      }
    })
  }

  it('a recovered segment is folded from where it was, or from its baselines', async () => {
    const { dir, events } = await made(false)
    rmSync(join(dir, 'log.db'))
    const log = at(dir)
    const { head, replayFrom } = await log.open()
    assert.equal(events[replayFrom - 1]?.type, 'SegmentOpened')
    assert.ok(replayFrom > 1 && replayFrom <= head.seq)
    const opened = await log.recover(recovery())
    const types = (await readAll(log, opened.replayFrom)).map(({ type }) => type)
    assert.deepEqual(types, ['SegmentOpened', 'Baseline', 'Baseline', 'LogRecovered'])
    await log.close()
  })

  it('is refused where nothing is damaged, where nothing can be read, and on a log that was closed', async () => {
    const { dir } = await made(false)
    const log = at(dir)
    await log.open()
    assert.equal(await codeOf(log.recover(recovery())), 'E_LOG_READ_ONLY')
    await log.close()
    assert.equal(await codeOf(log.recover(recovery())), 'E_LOG_CLOSED')
    for (const name of readdirSync(dir)) writeFileSync(join(dir, name), 'nothing')
    await log.open()
    assert.equal(await codeOf(log.recover(recovery())), 'E_LOG_DAMAGED')
    await log.close()
    assert.equal(readFileSync(join(dir, 'log.db'), 'utf8'), 'nothing')
  })
})

describe('recovering a log in memory', () => {
  for (const [name, damagedAt] of [
    ['in the middle', 8],
    ['at the first event of its segment', 5],
  ] as const) {
    it(`damaged ${name} is the same`, async () => {
      const disk = new MemoryDisk()
      const store = (): LogStore => new MemoryLog({ disk, stamp })
      const log = store()
      await log.open()
      await appendEach(log, [session(), event(ct(1)), event('pool')])
      await log.seal([baseline(ct(1), 1), baseline('pool', 1)])
      await appendEach(log, [event(ct(1)), event('pool')])
      const events = await readAll(log)
      await log.close()
      const segment = disk.open()
      const row = segment?.rows[damagedAt - segment.first]
      assert.ok(segment && row)
      segment.rows[damagedAt - segment.first] = { ...row, hash: Buffer.alloc(32) }
      const damaged = store()
      const before = await damaged.open()
      assert.match(before.readOnly ?? '', /damaged at/)
      const opened = await damaged.recover(recovery())
      assert.ok(whole(opened))
      const after = await readAll(damaged)
      assert.deepEqual(after.slice(0, damagedAt - 1), events.slice(0, damagedAt - 1))
      assert.equal(after.at(-1)?.type, 'LogRecovered')
      assert.deepEqual((await damaged.verify({ full: true })).damage, [])
      assert.ok(disk.evidence.has('L'))
      assert.equal(await codeOf(damaged.recover(recovery())), 'E_LOG_READ_ONLY')
    })
  }
})
