/** Files that were cut, mixed up or exchanged. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  Bench,
  changed,
  type Files,
  fault,
  type Kind,
  type Original,
  original,
  type Verdict,
} from './small-log.ts'

const PAGE = 4096
const WAL_HEADER = 32
const FRAME = 24 + PAGE
const CUT_EVERY = 512

/** Judges a damaged log against its newest anchor and against an older one. */
async function judged(bench: Bench, whole: Original, files: Files, what: string): Promise<Verdict> {
  const older = whole.heads[Math.floor(whole.heads.length / 2)]
  const newest = whole.heads.at(-1)
  assert.ok(older && newest)
  assert.equal(fault(await bench.judge(files, older), older), null, `${what}, an older anchor`)
  const verdict = await bench.judge(files, newest)
  assert.equal(fault(verdict, newest), null, what)
  return verdict
}

const swapped = (bytes: Buffer, start: number, size: number, a: number, b: number): Buffer => {
  const first = Buffer.from(bytes.subarray(start + a * size, start + (a + 1) * size))
  bytes.copy(bytes, start + a * size, start + b * size, start + (b + 1) * size)
  first.copy(bytes, start + b * size)
  return bytes
}

function* pairs(count: number): Generator<[number, number]> {
  for (let a = 0; a < count; a++) for (let b = a + 1; b < count; b++) yield [a, b]
}

describe('a log whose files were damaged as a whole', () => {
  for (const kind of ['in-wal', 'closed', 'sealed'] as const satisfies readonly Kind[]) {
    it(`${kind}: cut at every ${CUT_EVERY} bytes`, async (t) => {
      const whole = await original(kind)
      using bench = new Bench(whole)
      let count = 0
      for (const name of ['log.db', 'log.db-wal']) {
        const size = whole.files[name]?.length ?? 0
        for (let at = 0; at < size; at += CUT_EVERY) {
          const verdict = await judged(
            bench,
            whole,
            changed(whole.files, name, (bytes) => bytes.subarray(0, at)),
            `${name} cut at ${at}`,
          )
          // A cut takes something away, except where what it takes is only the space behind the last commit.
          if (verdict.differs !== null) assert.notDeepEqual(verdict.complaints, [], `${name} cut at ${at}`)
          count += 1
        }
      }
      t.diagnostic(`${count} cuts`)
    })

    it(`${kind}: swapped, repeated and emptied pages`, async (t) => {
      const whole = await original(kind)
      using bench = new Bench(whole)
      let count = 0
      for (const [name, start, size] of [
        ['log.db', 0, PAGE],
        ['log.db-wal', WAL_HEADER, FRAME],
      ] as const) {
        const pages = Math.floor(((whole.files[name]?.length ?? 0) - start) / size)
        for (const [a, b] of pages > 0 ? pairs(pages) : []) {
          const what = `${name}, pages ${a} and ${b}`
          await judged(
            bench,
            whole,
            changed(whole.files, name, (bytes) => swapped(bytes, start, size, a, b)),
            what,
          )
          const repeated = changed(whole.files, name, (bytes) => {
            bytes.copy(bytes, start + b * size, start + a * size, start + (a + 1) * size)
            return bytes
          })
          await judged(bench, whole, repeated, `${what}, one twice`)
          count += 2
        }
        for (let page = 0; page < pages; page++) {
          const emptied = changed(whole.files, name, (bytes) =>
            bytes.fill(0, start + page * size, start + (page + 1) * size),
          )
          await judged(bench, whole, emptied, `${name}, page ${page} emptied`)
          count += 1
        }
      }
      t.diagnostic(`${count} arrangements`)
    })
  }

  it('without its write-ahead log, or with one of another time', async () => {
    const whole = await original('in-wal')
    const other = await original('in-wal')
    using bench = new Bench(whole)
    const { 'log.db-wal': _wal, ...without } = whole.files
    const lost = await judged(bench, whole, without, 'no WAL')
    assert.ok(lost.complaints.includes('lost'))
    for (const [name, bytes] of Object.entries(other.files)) {
      await judged(bench, whole, { ...whole.files, [name]: bytes }, `${name} of another log`)
    }
  })

  it('when an older copy is put back: of every moment, its file, its write-ahead log, or both', async () => {
    const whole = await original('in-wal')
    using bench = new Bench(whole)
    const wal = whole.files['log.db-wal'] ?? Buffer.alloc(0)
    const frames = (wal.length - WAL_HEADER) / FRAME
    for (let n = 0; n < frames; n++) {
      const older = changed(whole.files, 'log.db-wal', (bytes) => bytes.subarray(0, WAL_HEADER + n * FRAME))
      const { complaints } = await judged(bench, whole, older, `the first ${n} frames`)
      assert.ok(complaints.includes('lost'), `the first ${n} frames`)
    }
  })

  it('when another log, whole in itself, is put in its place', async () => {
    const whole = await original('closed')
    using bench = new Bench(whole)
    const other = await original('closed')
    const { complaints } = await judged(bench, whole, other.files, 'another log')
    assert.deepEqual(complaints, ['replaced'])
    const shorter = await original('closed', 3)
    assert.deepEqual((await judged(bench, whole, shorter.files, 'a shorter one')).complaints, ['lost'])
  })

  it('and what is wrong with a sealed segment is found by verify, at the event', async () => {
    const whole = await original('sealed')
    using bench = new Bench(whole)
    const anchor = whole.heads.at(-1)
    assert.ok(anchor)
    const marker = whole.bodies[1] ?? ''
    const files = changed(whole.files, 'log.1.db', (bytes) => {
      const at = bytes.indexOf(marker.slice(0, 40))
      assert.ok(at > 0)
      bytes[at + 20] = (bytes[at + 20] ?? 0) ^ 1
      return bytes
    })
    assert.equal((await bench.judge(files, anchor)).differs, null)
    assert.match((await bench.verified()).join('\n'), /hash does not fit/)
  })
})
