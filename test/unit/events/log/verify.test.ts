/** Verify names the first event that is not as it was written, and the index that does not fit the table. */
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import Database from 'better-sqlite3'
import { ACTOR, FAILURE, HAS_ACTOR } from '../../../../src/events/log/sqlite/indexes.ts'
import { SqliteLog } from '../../../../src/events/log/sqlite/log.ts'
import type { VerifyReport } from '../../../../src/events/log/store.ts'
import type { NewEvent } from '../../../../src/events/types/envelope.ts'
import { baseline, ct, event, scratchDir, session, stamp } from './helpers.ts'

const { dir: root, remove } = scratchDir()
after(remove)
let made = 0

const actor = { verified: { uid: 0, loginuid: 1000 }, claimed: { sudoUser: 'alice' } }

/** A sealed segment with these events, and the open one after it. @returns the directory */
async function sealed(events: readonly NewEvent[]): Promise<string> {
  const dir = join(root, `log-${++made}`)
  mkdirSync(dir)
  const log = new SqliteLog({ dir, stamp })
  await log.open()
  await log.append({ events: [session(), ...events], expected: {} })
  await log.seal([baseline(ct(1), 0)])
  await log.close()
  return dir
}

const commands = (count: number): NewEvent[] =>
  Array.from({ length: count }, (_, i) =>
    event(ct(1), { type: i % 2 ? 'CommandRefused' : 'CommandAccepted', key: `k${i}`, data: { actor, n: i } }),
  )

/** Changes the sealed file behind its triggers. */
function tamper(dir: string, change: (db: Database.Database) => void): void {
  const db = new Database(join(dir, 'log.1.db'))
  db.unsafeMode(true)
  db.pragma('writable_schema = ON')
  for (const name of ['events_are_fixed', 'events_stay', 'events_gap_free'])
    db.exec(`DROP TRIGGER IF EXISTS ${name}`)
  change(db)
  db.close()
}

/** Puts the tree of an index that was made of something else in the place of an index. */
function exchange(db: Database.Database, name: string, twin: string): void {
  db.exec(`CREATE INDEX twin ON events ${twin}`)
  const root = "(SELECT rootpage FROM sqlite_master WHERE name = 'twin')"
  db.exec(`UPDATE sqlite_master SET rootpage = ${root} WHERE name = '${name}'`)
  db.exec("DELETE FROM sqlite_master WHERE name = 'twin'")
}

async function verified(dir: string): Promise<VerifyReport['damage']> {
  const log = new SqliteLog({ dir, stamp, create: false })
  await log.open()
  const { damage } = await log.verify({ full: true })
  await log.close()
  return damage
}

describe('verify of the chain', () => {
  it('names the first event that was changed, wherever it stands', async () => {
    const count = 700
    for (const seq of [1, 2, 257, 258, 513, count]) {
      const dir = await sealed(commands(count - 2))
      tamper(dir, (db) => {
        for (const at of [seq, Math.min(seq + 100, count)])
          db.prepare(
            'UPDATE events SET body = CAST(replace(body, \'"s":\', \'"s": \') AS BLOB) WHERE seq = ?',
          ).run(at)
      })
      const found = (await verified(dir)).filter((it) => it.segment === 1)
      assert.equal(found[0]?.seq, seq)
      assert.match(found[0]?.what ?? '', /hash does not fit/)
    }
  })

  it('names events that are missing, and copies that differ', async () => {
    const cases = [
      ['DELETE FROM events WHERE seq = 300', 300, /seq 301 stands where 300 must be/],
      ['DELETE FROM events WHERE seq >= 300', 300, /does not join the end of the segment before/],
      ["UPDATE events SET type = 'CtFreezeRequested' WHERE seq = 300", 300, /column type differs/],
      ["UPDATE events SET key = 'another' WHERE seq = 300", 300, /column key differs/],
      ["UPDATE events SET op = 'another' WHERE seq = 300", 300, /column op differs/],
      ['UPDATE events SET t = t + 1 WHERE seq = 300', 300, /column t differs/],
    ] as const
    for (const [sql, seq, what] of cases) {
      const dir = await sealed(commands(600))
      tamper(dir, (db) => db.exec(sql))
      const damage = await verified(dir)
      const named = damage.find((it) => what.test(it.what))
      assert.ok(named, `${sql}: ${JSON.stringify(damage)}`)
      if (!sql.includes('>=')) assert.equal(named.seq, seq)
    }
  })

  it('events beyond ASCII are as good as others, and a change in them is found', async () => {
    const reasons = ['Zoë', '設定', '🙂', 'ÿ', '\u2028', '\uFFFD', 'plain']
    const events = reasons.map((reason) => event(ct(1), { data: { reason } }))
    assert.deepEqual(await verified(await sealed(events)), [])
    // Read as text and hashed by its characters, the second would be the first.
    for (const [is, becomes] of [
      ['ë', 'Ã«'],
      ['ÿ', 'Ã¿'],
      ['設', '设'],
    ]) {
      const dir = await sealed(events)
      tamper(dir, (db) => {
        db.prepare('UPDATE events SET body = CAST(replace(CAST(body AS TEXT), ?, ?) AS BLOB)').run(
          is,
          becomes,
        )
      })
      assert.match((await verified(dir))[0]?.what ?? '', /hash does not fit/, `${is} became ${becomes}`)
    }
  })

  it('a hash or a body that is no bytes is named', async () => {
    for (const change of ['body = CAST(body AS TEXT)', 'hash = CAST(hash AS TEXT)']) {
      const dir = await sealed(commands(10))
      tamper(dir, (db) => {
        const strict =
          "UPDATE sqlite_master SET sql = replace(replace(sql, 'STRICT', ''), 'CHECK (length(hash) = 32)', '')"
        db.exec(`${strict} WHERE name = 'events'`)
      })
      tamper(dir, (db) => db.exec(`UPDATE events SET ${change} WHERE seq = 5`))
      const [first] = await verified(dir)
      assert.deepEqual([first?.seq, first?.what], [5, 'the event cannot be read'])
    }
  })
})

describe('verify of an index', () => {
  const cases = [
    ['events_stream_ver', '(stream, ver) WHERE seq <> 7', 'does not find event 7'],
    ['events_id', '(id) WHERE seq <> 7', 'does not find event 7'],
    ['events_key', '(key) WHERE seq <> 7 AND key IS NOT NULL', 'does not find event 7'],
    ['events_key', "(coalesce(key, 'none'))", 'has too many entries for 1200 events'],
    ['events_op', '(id)', 'has too many entries for 0 events'],
    ['events_type', '(type) WHERE seq <> 7', 'does not find event 7'],
    ['events_type', '(stream)', 'does not find event 1'],
    ['events_t', '(t) WHERE seq <> 1100', 'does not find event 1100'],
    ['events_actor', `(${ACTOR}) WHERE ${HAS_ACTOR} AND seq <> 7`, 'does not find event 7'],
    ['events_actor', `(${ACTOR})`, 'has too many entries for 1200 events'],
    ['events_failure', `(seq) WHERE ${FAILURE} AND seq <> 8`, 'does not find event 8'],
    ['events_failure', '(seq)', 'has too many entries for 600 events'],
  ] as const
  for (const [name, twin, what] of cases)
    it(`${name} that ${what}`, async () => {
      const dir = await sealed(commands(1200))
      tamper(dir, (db) => exchange(db, name, twin))
      const damage = await verified(dir)
      assert.deepEqual(damage, [{ seq: null, segment: 1, what: `index ${name} ${what}` }])
    })

  it('one that is gone is named, but for those that older releases did not make', async () => {
    for (const name of ['events_id', 'events_type', 'events_t', 'events_op']) {
      const dir = await sealed(commands(10))
      tamper(dir, (db) => db.exec(`DROP INDEX ${name}`))
      assert.deepEqual(await verified(dir), [
        { seq: null, segment: 1, what: `index ${name}: no such index: ${name}` },
      ])
    }
    const older = await sealed(commands(10))
    tamper(older, (db) => db.exec('DROP INDEX events_actor; DROP INDEX events_failure'))
    assert.deepEqual(await verified(older), [])
  })
})
