/** What only the store on SQLite promises: pragmas, triggers, locks, failing commits. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import Database from 'better-sqlite3'
import { embedMigrations, TARGET } from '../../../../migrations/embed.ts'
import { SqliteLog, type SqliteLogOptions } from '../../../../src/events/log/sqlite/log.ts'
import { migrations } from '../../../../src/events/log/sqlite/migrations.ts'
import { appendEach, codeOf, ct, event, readAll, scratchDir, stamp } from './helpers.ts'

const cleanups: (() => void)[] = []
after(() => {
  for (const clean of cleanups) clean()
})

function place(): { dir: string; log: (more?: Partial<SqliteLogOptions>) => SqliteLog } {
  const { dir, remove } = scratchDir()
  cleanups.push(remove)
  return { dir, log: (more = {}) => new SqliteLog({ dir, stamp, ...more }) }
}

/** Runs SQL on the closed file, as a careless hand would. */
function byHand<T>(dir: string, work: (db: Database.Database) => T, file = 'log.db'): T {
  const db = new Database(join(dir, file))
  try {
    db.pragma('recursive_triggers = ON')
    return work(db)
  } finally {
    db.close()
  }
}

function sqliteError(code: string): Error {
  return Object.assign(new Error(`planted ${code}`), { code })
}

describe('the migrations', () => {
  it('each released migration is pinned by its sha256', () => {
    const pinned = ['0429ef25b1244806']
    assert.deepEqual(
      migrations.map((it) => it.sha256.slice(0, 16)),
      pinned,
    )
    for (const { sql, sha256 } of migrations)
      assert.equal(createHash('sha256').update(sql).digest('hex'), sha256)
    assert.deepEqual(
      migrations.map((it) => it.number),
      migrations.map((_, i) => i + 1),
    )
  })

  it('the embedded text equals the files', () => {
    assert.equal(readFileSync(TARGET, 'utf8'), embedMigrations())
  })
})

describe('the log on SQLite', () => {
  it('commits with synchronous=FULL after the first write of every open and every seal', async () => {
    const { log } = place()
    for (let open = 0; open < 3; open++) {
      const levels: unknown[] = []
      const one = log({ onFirstCommit: (db) => levels.push(db.pragma('synchronous', { simple: true })) })
      await one.open()
      await appendEach(one, [event('pool'), event('pool')])
      await one.seal([])
      await appendEach(one, [event('pool')])
      assert.deepEqual(levels, [2, 2])
      await one.close()
    }
  })

  it('refuses everything when synchronous falls back', async () => {
    const { log } = place()
    const one = log({
      runCommit: (commit, db) => {
        commit()
        db.pragma('synchronous = NORMAL')
      },
    })
    await one.open()
    assert.equal(await codeOf(one.append({ events: [event('pool')], expected: {} })), 'E_LOG_UNKNOWN')
    await one.close()
  })

  it('leaves no -shm file, and no -wal after closing', async () => {
    const { dir, log } = place()
    const one = log()
    await one.open()
    await appendEach(one, [event('pool')])
    assert.deepEqual(readdirSync(dir).sort(), ['log.db', 'log.db-wal'])
    await one.close()
    assert.deepEqual(readdirSync(dir), ['log.db'])
  })

  it('carries its application id, format and page size', async () => {
    const { dir, log } = place()
    const one = log()
    await one.open()
    await one.close()
    byHand(dir, (db) => {
      assert.equal(db.pragma('application_id', { simple: true }), 0x6f73636c)
      assert.equal(db.pragma('user_version', { simple: true }), migrations.length)
      assert.equal(db.pragma('page_size', { simple: true }), 4096)
    })
  })

  it('triggers refuse to change, delete, replace or skip', async () => {
    const { dir, log } = place()
    const one = log()
    await one.open()
    await appendEach(one, [event('pool'), event('pool')])
    await one.close()
    byHand(dir, (db) => {
      const insert = (verb: string, seq: number): void => {
        db.prepare(`${verb} INTO events SELECT ?, stream, ver + 9, id || 'x', NULL, op, type, t, hash, body
          FROM events WHERE seq = 2`).run(seq)
      }
      assert.throws(() => db.exec('UPDATE events SET t = 0 WHERE seq = 2'), /never changed/)
      assert.throws(() => db.exec('DELETE FROM events WHERE seq = 3'), /never deleted/)
      assert.throws(() => db.exec('DELETE FROM events'), /never deleted/)
      assert.throws(() => insert('INSERT', 5), /last one plus 1/)
      assert.throws(() => insert('INSERT', 2), /last one plus 1/)
      assert.throws(() => insert('INSERT OR REPLACE', 3), /last one plus 1|never deleted/)
      assert.throws(() => db.exec('UPDATE segment SET number = 2'), /never changed/)
      assert.throws(() => db.exec('DELETE FROM segment'), /never deleted/)
      assert.throws(() => db.exec("INSERT INTO segment VALUES (2, 1, x'')"), /one number/)
      assert.throws(() =>
        db.exec("INSERT INTO events VALUES (4,'s','one','i',NULL,NULL,'t',1,zeroblob(32),x'')"),
      )
    })
    const again = log()
    assert.deepEqual((await again.open()).damage, [])
    await again.close()
  })

  it('a COMMIT that failed is unknown to all who waited, and nothing is taken until it is reopened', async () => {
    for (const isApplied of [false, true]) {
      const { log } = place()
      let fails = true
      const one = log({
        runCommit: (commit) => {
          if (isApplied || !fails) commit()
          if (fails) throw sqliteError('SQLITE_IOERR_FSYNC')
        },
      })
      await one.open()
      const doubtful = [event('pool'), event(ct(1))]
      const codes = await Promise.all(
        doubtful.map((it) => codeOf(one.append({ events: [it], expected: {} }))),
      )
      assert.deepEqual(codes, ['E_LOG_UNKNOWN', 'E_LOG_UNKNOWN'])
      fails = false
      assert.equal(await codeOf(one.append({ events: [event('pool')], expected: {} })), 'E_LOG_UNKNOWN')
      assert.equal(await codeOf(one.seal([])), 'E_LOG_UNKNOWN')
      await one.close()
      const again = log()
      await again.open()
      for (const { id } of doubtful) assert.equal((await again.byId(id)) !== null, isApplied)
      await appendEach(again, [event('pool')])
      assert.deepEqual((await again.verify({ full: true })).damage, [])
      await again.close()
    }
  })

  it('a full disk appended nothing, and appending goes on when there is room', async () => {
    const { dir, log } = place()
    const one = log()
    await one.open()
    await appendEach(one, [event('pool')])
    await one.close()
    const pages = byHand(dir, (db) => db.pragma('page_count', { simple: true }) as number)
    const full = log({ onFirstCommit: (db) => db.pragma(`max_page_count = ${pages + 1}`) })
    await full.open()
    await appendEach(full, [event('pool')])
    const head = full.head()
    const big = event('pool', { data: { text: 'x'.repeat(100_000) } })
    assert.equal(await codeOf(full.append({ events: [big], expected: {} })), 'E_LOG_FULL')
    assert.deepEqual(full.head(), head)
    await appendEach(full, [event('pool')])
    assert.deepEqual((await full.verify({ full: true })).damage, [])
    await full.close()
  })

  it('no space at COMMIT itself is rolled back and not unknown', async () => {
    const { log } = place()
    let fails = true
    const one = log({
      runCommit: (commit) => {
        if (fails) throw sqliteError('SQLITE_FULL')
        commit()
      },
    })
    await one.open()
    assert.equal(await codeOf(one.append({ events: [event('pool')], expected: {} })), 'E_LOG_FULL')
    fails = false
    await appendEach(one, [event('pool')])
    assert.equal(one.head().seq, 2)
    await one.close()
  })

  it('a missing directory and an unmounted dataset are told apart from a new log', async () => {
    const { dir } = place()
    const missing = new SqliteLog({ dir: join(dir, 'nowhere'), stamp })
    await assert.rejects(missing.open(), /nowhere: no such directory/)
    mkdirSync(join(dir, 'events'))
    const unmounted = new SqliteLog({ dir: join(dir, 'events'), stamp, mountpoint: true })
    await assert.rejects(unmounted.open(), /events: the dataset of the event log is not mounted/)
    assert.equal(await codeOf(unmounted.open()), 'E_LOG_MISSING')
    writeFileSync(join(dir, 'file'), '')
    assert.equal(await codeOf(new SqliteLog({ dir: join(dir, 'file'), stamp }).open()), 'E_LOG_MISSING')
    const inMount = new SqliteLog({ dir: '/dev/shm', stamp, mountpoint: true, create: false })
    if (existsSync('/dev/shm')) await assert.rejects(inMount.open(), /there is no event log here/)
  })

  it('a log of a newer format is read and not written', async () => {
    const { dir, log } = place()
    const one = log()
    await one.open()
    await one.close()
    byHand(dir, (db) => db.pragma('user_version = 99'))
    const again = log()
    const opened = await again.open()
    assert.match(
      opened.readOnly ?? '',
      /upgraded to format 99, this osctld writes up to format 1: osctld 0\.1\.0 or newer is needed/,
    )
    assert.equal((await readAll(again)).length, 1)
    assert.equal(await codeOf(again.append({ events: [event('pool')], expected: {} })), 'E_LOG_READ_ONLY')
    await again.close()
  })

  it('appends are served while a long verification goes on', async () => {
    const { log } = place()
    const one = log()
    await one.open()
    await one.append({ events: Array.from({ length: 20_000 }, () => event(ct(1))), expected: {} })
    let isVerified = false
    const verified = one.verify({ full: true }).then((report) => {
      isVerified = true
      return report
    })
    let during = 0
    while (!isVerified) {
      await appendEach(one, [event('pool')])
      if (!isVerified) during += 1
    }
    const report = await verified
    assert.deepEqual(report.damage, [])
    assert.ok(during >= 5, `${during} appends during verification`)
    await one.close()
  })
})
