/** Whatever happens to the files of a log: it is read as it was, or it says what is wrong. Never in silence. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  closeSync,
  cpSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { SqliteLog } from '../../../../src/events/log/sqlite/log.ts'
import { judgeWalBytes } from '../../../../src/events/log/sqlite/wal.ts'
import type { LogError, OpenedLog } from '../../../../src/events/log/store.ts'
import type { Head, StoredEvent } from '../../../../src/events/types/envelope.ts'
import { appendEach, baseline, codeOf, ct, event, readAll, scratchDir, session, stamp } from './helpers.ts'

type Original = { dir: string; events: StoredEvent[]; head: Head }

const { dir: root, remove } = scratchDir()
after(remove)
let copies = 0

function copyOf(original: Original): string {
  const dir = join(root, `copy-${++copies}`)
  cpSync(original.dir, dir, { recursive: true })
  return dir
}

/** A log of 40 commits: as a power cut leaves it, all of them in the WAL, and closed, all in the file. */
async function original(name: string, isClosed: boolean, seals = 0): Promise<Original> {
  const dir = join(root, name)
  const live = join(root, `${name}-live`)
  execFileSync('mkdir', ['-p', live])
  const log = new SqliteLog({ dir: live, stamp })
  await log.open()
  for (let i = 0; i < seals; i++) {
    await appendEach(log, [event(ct(1)), event('pool')])
    await log.seal([baseline(ct(1), 0), baseline('pool', 0)])
  }
  await appendEach(log, [
    session(),
    ...Array.from({ length: 40 }, (_, i) => event(ct(i % 3), { key: `k${i}` })),
  ])
  const events = await readAll(log)
  const head = log.head()
  if (!isClosed) cpSync(live, dir, { recursive: true })
  await log.close()
  if (isClosed) cpSync(live, dir, { recursive: true })
  return { dir, events, head }
}

type Verdict = { opened: OpenedLog | null; events: StoredEvent[]; complaints: string[] }

/** Everything that a log says of itself: on opening, by verify against the anchored head, and by reading. */
async function judge(dir: string, against?: Head): Promise<Verdict> {
  const log = new SqliteLog({ dir, stamp, create: false })
  const complaints: string[] = []
  const events: StoredEvent[] = []
  let opened: OpenedLog | null = null
  try {
    opened = await log.open()
    complaints.push(
      ...opened.damage.map((it) => it.what),
      ...opened.notes,
      ...(opened.readOnly ? [opened.readOnly] : []),
    )
    const report = await log.verify({ full: true, ...(against ? { against } : {}) })
    complaints.push(...report.damage.map((it) => it.what))
    events.push(...(await readAll(log)))
  } catch (error) {
    assert.match((error as LogError).code ?? String(error), /^E_LOG_/)
    complaints.push((error as Error).message)
  }
  await log.close()
  return { opened, events, complaints }
}

function assertPrefix(events: readonly StoredEvent[], whole: readonly StoredEvent[]): void {
  assert.deepEqual(events, whole.slice(0, events.length))
}

function flipBit(path: string, bit: number): void {
  const bytes = readFileSync(path)
  bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7))
  writeFileSync(path, bytes)
}

/** Positions spread over a file by a fixed sequence, so that a failure names its bit. */
function* positions(count: number, bits: number): Generator<number> {
  let x = 12345
  for (let i = 0; i < count; i++) {
    x = (Math.imul(x, 1103515245) + 12345) >>> 0
    yield Math.floor((x / 2 ** 32) * bits)
  }
}

describe('a damaged log', () => {
  let inWal: Original
  let inFile: Original
  let segments: Original
  before(async () => {
    inWal = await original('in-wal', false)
    inFile = await original('in-file', true)
    segments = await original('segments', true, 3)
  })

  it('an untouched copy has nothing to complain of', async () => {
    for (const one of [inWal, inFile, segments]) {
      const { events, complaints } = await judge(copyOf(one), one.head)
      assert.deepEqual(complaints, [])
      assert.deepEqual(events, one.events)
    }
  })

  for (const [name, file, count] of [
    ['inWal', 'log.db-wal', 150],
    ['inWal', 'log.db', 50],
    ['inFile', 'log.db', 150],
    ['segments', 'log.2.db', 60],
  ] as const) {
    it(`a flipped bit in ${file} (${name}) is harmless or named, never silent`, async () => {
      const one = { inWal, inFile, segments }[name]
      for (const bit of positions(count, statSync(join(one.dir, file)).size * 8)) {
        const dir = copyOf(one)
        flipBit(join(dir, file), bit)
        const { events, complaints } = await judge(dir)
        if (complaints.length === 0) assert.deepEqual(events, one.events, `silent at bit ${bit}`)
        else if (name !== 'segments') assertPrefix(events, one.events)
        rmSync(dir, { recursive: true })
      }
    })
  }

  it('a flipped bit in the middle of the WAL keeps the WAL as it was and reads the commits before it', async () => {
    const dir = copyOf(inWal)
    const wal = join(dir, 'log.db-wal')
    flipBit(wal, Math.floor(statSync(wal).size / 2) * 8)
    const damaged = readFileSync(wal)
    const { opened, events } = await judge(dir)
    assert.match(opened?.readOnly ?? '', /broken at frame \d+, after \d+ commits: \d+ later commits are lost/)
    assert.ok(events.length > 10 && events.length < 35, `${events.length} events`)
    assertPrefix(events, inWal.events)
    assert.deepEqual(readFileSync(wal), damaged)
    const log = new SqliteLog({ dir, stamp })
    await log.open()
    assert.equal(await codeOf(log.append({ events: [event('pool')], expected: {} })), 'E_LOG_READ_ONLY')
    await log.close()
    assert.deepEqual(readFileSync(wal), damaged)
  })

  it('a torn last commit is not damage: it goes on, and the WAL is kept aside', async () => {
    const dir = copyOf(inWal)
    const wal = join(dir, 'log.db-wal')
    flipBit(wal, statSync(wal).size * 8 - 9)
    const { opened, events } = await judge(dir)
    assert.equal(opened?.readOnly, null)
    assert.match(opened?.notes[0] ?? '', /torn end of a commit.*kept as log\.torn-/)
    assert.equal(events.length, inWal.events.length - 1)
    assert.ok(readdirSync(dir).some((name) => name.startsWith('log.torn-')))
    const missing = await judge(dir, inWal.head)
    assert.match(missing.complaints.join(), /the tail is missing/)
  })

  it('a WAL that was cut or deleted is found against the anchored head', async () => {
    for (const keep of [0.7, 0]) {
      const dir = copyOf(inWal)
      const wal = join(dir, 'log.db-wal')
      if (keep === 0) rmSync(wal)
      else truncate(wal, Math.floor(statSync(wal).size * keep))
      const { events, complaints } = await judge(dir, inWal.head)
      assertPrefix(events, inWal.events)
      assert.match(complaints.join('; '), /it once ended at 42: the tail is missing/)
    }
  })

  it('a cut file is named, and the events before the cut are read if the file has them', async () => {
    for (let size = statSync(join(inFile.dir, 'log.db')).size - 512; size >= 0; size -= 4 * 4096 + 512) {
      const dir = copyOf(inFile)
      truncate(join(dir, 'log.db'), size)
      const { events, complaints } = await judge(dir)
      assert.notDeepEqual(complaints, [], `silent at ${size} bytes`)
      assertPrefix(events, inFile.events)
    }
  })

  it('an older copy put in place of the file is found against the anchored head', async () => {
    const dir = copyOf(inFile)
    const older = await original('older', true)
    cpSync(join(older.dir, 'log.db'), join(dir, 'log.db'))
    const { complaints } = await judge(dir, inFile.head)
    assert.match(complaints.join(), /is not the one that once stood there/)
  })

  it('a missing segment is named and history without it refused, but the log takes events', async () => {
    const dir = copyOf(segments)
    rmSync(join(dir, 'log.2.db'))
    const log = new SqliteLog({ dir, stamp })
    const opened = await log.open()
    assert.equal(opened.readOnly, null)
    assert.deepEqual(
      opened.damage.map((it) => [it.segment, it.what]),
      [[2, 'log.2.db is missing']],
    )
    await appendEach(log, [event('pool')])
    const report = await log.verify({ full: true })
    assert.deepEqual(
      report.damage.map((it) => it.segment),
      [2],
    )
    assert.equal(await codeOf(readAll(log)), 'E_LOG_DAMAGED')
    assert.equal((await readAll(log, opened.replayFrom)).at(-1)?.stream, 'pool')
    await log.close()
  })

  it('a missing open segment makes the log read-only and leaves the sealed ones readable', async () => {
    const dir = copyOf(segments)
    rmSync(join(dir, 'log.db'))
    const { opened, events } = await judge(dir)
    assert.match(opened?.readOnly ?? '', /log\.db is missing/)
    assert.equal(opened?.damage[0]?.segment, 4)
    assert.ok(events.length > 5)
    assertPrefix(events, segments.events)
    assert.deepEqual(readdirSync(dir).sort(), ['log.1.db', 'log.2.db', 'log.3.db'])
  })

  it('a file that is no log at all is left alone and named', async () => {
    const dir = copyOf(inFile)
    writeFileSync(join(dir, 'log.db'), 'not a database, but somebody may want it back\n'.repeat(200))
    const before = readFileSync(join(dir, 'log.db'))
    const { opened, events } = await judge(dir)
    assert.match(opened?.readOnly ?? '', /cannot be read|not a database/)
    assert.deepEqual(events, [])
    assert.deepEqual(readFileSync(join(dir, 'log.db')), before)
  })

  it('a read-only file system gives a log that reads and refuses', async (t) => {
    const dir = copyOf(inWal)
    const mount = (...args: string[]): void => void execFileSync('mount', args, { stdio: 'ignore' })
    try {
      mount('--bind', dir, dir)
      mount('-o', 'remount,bind,ro', dir)
    } catch {
      return t.skip('needs the right to mount')
    }
    try {
      const { opened, events } = await judge(dir, inWal.head)
      assert.equal(opened?.readOnly, 'the event log is on a read-only file system')
      assert.deepEqual(opened?.damage, [])
      assert.deepEqual(events, inWal.events)
    } finally {
      execFileSync('umount', [dir])
    }
  })

  it('a WAL of leftovers from an earlier round is clean', () => {
    const bytes = readFileSync(join(inWal.dir, 'log.db-wal'))
    assert.equal(judgeWalBytes(bytes).kind, 'clean')
    assert.equal(judgeWalBytes(bytes.subarray(0, 32)).kind, 'clean')
    assert.equal(judgeWalBytes(Buffer.alloc(0)).kind, 'clean')
    const size = 24 + 4096
    for (let at = 32 + 10 * size; at < bytes.length; at += size) bytes.writeBigUInt64BE(0n, at + 8)
    assert.equal(judgeWalBytes(bytes).kind, 'clean')
  })
})

function truncate(path: string, size: number): void {
  const fd = openSync(path, 'r+')
  ftruncateSync(fd, size)
  closeSync(fd)
}
