/** Logs read without a daemon: files, whole and damaged, directories, and the golden logs of every version. */
import assert from 'node:assert/strict'
import { chmodSync, cpSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { ask } from '../../../src/audit/ask.ts'
import type { EventQuery } from '../../../src/events/types/query.ts'
import { baselineOf, canonical } from '../../../src/machines/baseline.ts'
import { Fold } from '../../../src/machines/fold.ts'
import { Archive } from '../../../src/offline/archive.ts'
import { NotALog, readFile, type Section } from '../../../src/offline/file.ts'
import { readSnapshot } from '../../../src/offline/snapshot.ts'
import type { ReplaySummary } from '../../../src/rpc/results.ts'
import { goldenEvents } from '../audit/golden-log.ts'
import { type Golden, golden } from './files.ts'

const events = goldenEvents()
let log: Golden
before(async () => {
  log = await golden()
})
after(() => log.close())

const summaryOf = async (sections: readonly Section[]): Promise<ReplaySummary> => {
  const [summary] = (await Archive.of('FILE', sections)).summary()
  assert.ok(summary)
  return summary
}
const replayed = (lines: readonly string[], name = 'x.log'): Section[] =>
  readFile(log.write(name, `${lines.join('\n')}\n`))

/** Every body of a section, as text. */
async function bodies([section]: readonly Section[]): Promise<string[]> {
  const slice = await section?.log.raw({ from: 1, limit: 10_000 })
  return slice?.rows.map(({ body }) => Buffer.from(body).toString()) ?? []
}

async function assertStates(archive: Archive): Promise<void> {
  const whole = new Fold()
  for (const event of events) whole.apply(event)
  const { states } = archive.pool('tank')
  assert.equal(canonical(baselineOf(states.pool())), canonical(baselineOf(whole.states.pool())))
  assert.deepEqual(
    [...states.cts()].map((ct) => canonical(baselineOf(ct))).sort(),
    [...whole.states.cts()].map((ct) => canonical(baselineOf(ct))).sort(),
  )
}

describe('a file of a log', () => {
  it('gives the same events and states, and says that its chain holds', async () => {
    const sections = replayed(log.lines)
    const archive = await Archive.of('FILE', sections)
    await assertStates(archive)
    const [summary] = archive.summary()
    assert.equal(summary?.chain, 'verified')
    assert.equal(summary?.events, events.length)
    assert.deepEqual(summary?.head, log.log.head())
    const stored = (await log.log.query({ limit: 1000 })).events
    const one = stored[50]
    assert.ok(one)
    const { log: offline } = archive.pool('tank')
    assert.deepEqual(await offline.byId(one.id), one)
    const questions: EventQuery[] = [
      { limit: 1000 },
      { limit: 7, from: 100, stream: 'pool' },
      { limit: 7, to: 100, reverse: true, types: ['CtLost', 'PoolReady', 'CommandAccepted'] },
      { limit: 50, op: one.op ?? one.id },
      { limit: 50, ids: [one.id, stored[9]?.id ?? ''] },
      { limit: 50, ops: [one.op ?? '', stored[120]?.op ?? ''] },
      { limit: 50, since: stored[40]?.t ?? 0, until: stored[60]?.t ?? 0 },
      { limit: 50, failed: true },
      { limit: 50, actors: ['alice'] },
    ]
    for (const question of questions)
      assert.deepEqual(
        (await offline.query(question)).events,
        await ask(log.log, question),
        JSON.stringify(question),
      )
    for (const seq of [1, 205, 206, 273])
      assert.deepEqual(await offline.placeOf(seq), await log.log.placeOf(seq))
    assert.equal(await offline.placeOf(274), null)
  })

  it('names the first bad position, whatever was done to it', async () => {
    const at = 120
    const line = log.lines[at] ?? ''
    const damaged: [string, string[], RegExp][] = [
      [
        'a changed event',
        [...log.lines.slice(0, at), line.replace('"ver":', '"ver": '), ...log.lines.slice(at + 1)],
        /hash does not fit/,
      ],
      [
        'a changed hash',
        [...log.lines.slice(0, at), line.replace(/^\{"hash":"./, '{"hash":"x'), ...log.lines.slice(at + 1)],
        /hash does not fit/,
      ],
      ['a missing event', [...log.lines.slice(0, at), ...log.lines.slice(at + 1)], /hash does not fit/],
      [
        'a line of something else',
        [...log.lines.slice(0, at), '{"x":1}', ...log.lines.slice(at + 1)],
        /none of a log/,
      ],
      [
        'a gap where there may be none',
        [...log.lines.slice(0, at), `{"previous":"${'0'.repeat(64)}"}`, ...log.lines.slice(at)],
        /left out/,
      ],
      ['a cut', log.lines.slice(0, at), /its header says 273: it was cut/],
    ]
    for (const [what, lines, expected] of damaged) {
      const summary = await summaryOf(replayed(lines))
      assert.equal(summary.chain, 'broken', what)
      assert.equal(summary.first_bad?.seq, at, what)
      assert.match(summary.first_bad?.what ?? '', expected, what)
      assert.equal(summary.events, at - 1, what)
    }
  })

  it('with a flipped bit anywhere is read as it was, or told to be damaged', async () => {
    const whole = Buffer.from(`${log.lines.join('\n')}\n`)
    const original = await bodies(replayed(log.lines))
    let told = 0
    for (let i = 0; i < 250; i++) {
      const bytes = Buffer.from(whole)
      const at = Math.floor((i / 250) * bytes.length)
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (i % 8))
      try {
        const sections = readFile(log.write('flipped.log', bytes))
        const fault = sections[0]?.log.fault ?? null
        if (fault !== null || sections.length !== 1) told += 1
        else assert.deepEqual(await bodies(sections), original, `byte ${at}`)
      } catch (error) {
        assert.ok(error instanceof NotALog, `byte ${at}: ${error}`)
        told += 1
      }
    }
    assert.ok(told > 235, `${told} of 250 were told; the rest is in what the header says of itself`)
  })

  it('that is none is refused in one line', () => {
    for (const content of ['', '\n', 'hello\n', '{}\n', '{"osctl_log":1}\n', '[1]\n', Buffer.alloc(5000)])
      assert.throws(() => readFile(log.write('none.log', content)), NotALog)
    const later = (log.lines[0] ?? '').replace('"osctl_log":1', '"osctl_log":9')
    assert.throws(() => replayed([later, ...log.lines.slice(1)]), /it has format 9, this osctl reads up to 1/)
    assert.throws(() => readFile('/nonexistent/file'), NotALog)
  })
})

describe('a golden log', () => {
  const root = fileURLToPath(new URL('../../golden', import.meta.url))
  for (const version of readdirSync(root)) {
    it(`${version} is replayed as it lies there`, async () => {
      const archive = await Archive.of('golden', readFile(join(root, version, 'log.jsonl')))
      const [summary] = archive.summary()
      assert.equal(summary?.chain, 'verified')
      assert.equal(summary?.head.hash, readFileSync(join(root, version, 'head'), 'utf8').trim())
      assert.deepEqual(summary?.quarantined, [])
      assert.equal(summary?.pool, 'tank')
    })
  }
})

describe("a log's own directory", () => {
  const listing = (dir: string): string[] =>
    readdirSync(dir)
      .sort()
      .map((name) => `${name} ${statSync(join(dir, name)).size} ${statSync(join(dir, name)).mtimeMs}`)

  it('is read with its WAL and its sealed segments, and nothing is written there', async () => {
    const dir = join(log.dir, 'snapshot')
    // As a snapshot sees it: the daemon has it open, and its newest commits are in the WAL.
    cpSync(join(log.dir, 'events'), dir, { recursive: true })
    assert.ok(statSync(join(dir, 'log.db-wal')).size > 0)
    chmodSync(dir, 0o555)
    const before = listing(dir)
    for (const named of [dir, log.dir]) {
      const archive = await Archive.of(named, readSnapshot(named))
      await assertStates(archive)
      const [summary] = archive.summary()
      assert.equal(summary?.segments, 2)
      assert.deepEqual(summary?.head, log.log.head())
      assert.equal(summary?.host, 'node1.example.org')
    }
    assert.deepEqual(listing(dir), before)
    chmodSync(dir, 0o755)
  })

  it('that is damaged or none is told', async () => {
    const dir = join(log.dir, 'damaged')
    cpSync(join(log.dir, 'events'), dir, { recursive: true })
    const path = join(dir, 'log.1.db')
    const bytes = readFileSync(path)
    const found = bytes.indexOf('"hostname"')
    bytes.write('"hostnamX"', found)
    chmodSync(path, 0o600)
    writeFileSync(path, bytes)
    const summary = await summaryOf(readSnapshot(dir))
    assert.equal(summary.chain, 'broken')
    assert.match(summary.first_bad?.what ?? '', /hash does not fit/)
    assert.throws(() => readSnapshot('/nonexistent'), /no such directory/)
    assert.throws(() => readSnapshot('/proc'), /there is no event log in it/)
  })
})
