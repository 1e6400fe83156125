/** Disks out of a record of writes: what was flushed is there, what was not is there as chosen. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { entriesWithin, readWriteLog, writeDisk } from '../../vm/write-log.ts'

const dir = mkdtempSync(join(tmpdir(), 'osctl-writes-'))
after(() => rmSync(dir, { recursive: true }))

const sector = (...words: bigint[]): Buffer => {
  const bytes = Buffer.alloc(512)
  for (const [i, word] of words.entries()) bytes.writeBigUInt64LE(word, 8 * i)
  return bytes
}
const write = (at: number, fill: string, flags = 0n): Buffer =>
  Buffer.concat([sector(BigInt(at), 1n, flags, 0n), Buffer.alloc(512, fill)])
const flush = sector(0n, 0n, 1n, 0n)

function log(...parts: Buffer[]): string {
  const path = join(dir, 'log')
  writeFileSync(path, Buffer.concat([sector(0x6a736677736872n, 1n, 1n, 512n), ...parts]))
  return path
}

/** The first byte of each sector; what was on the disk before is gone. */
function disk(path: string, entries: number, kept: (at: number) => boolean): string {
  const made = join(dir, 'disk')
  writeFileSync(made, 'x'.repeat(5 * 512))
  writeDisk(path, readWriteLog(path), { entries, kept }, made, 4 * 512)
  const bytes = readFileSync(made)
  assert.equal(bytes.length, 4 * 512)
  return [0, 1, 2, 3].map((at) => String.fromCharCode(bytes[at * 512] || 46)).join('')
}

test('a cut keeps what was flushed, and of the rest what is chosen', () => {
  const path = log(write(0, 'a'), write(1, 'b'), flush, write(0, 'c'), write(2, 'd'), write(3, 'e', 2n))
  assert.equal(
    disk(path, 6, () => true),
    'cbde',
  )
  assert.equal(
    disk(path, 6, () => false),
    'ab.e',
    'what was forced is there',
  )
  assert.equal(
    disk(path, 5, (at) => at === 4),
    'abd.',
  )
  assert.equal(
    disk(path, 3, () => false),
    'ab..',
  )
  assert.equal(
    disk(path, 2, () => false),
    '....',
    'nothing was flushed yet',
  )
})

test('an entry that is not whole is none, and neither is what was grown ahead', () => {
  const whole = log(write(0, 'a'))
  const [entry] = readWriteLog(whole)
  assert.ok(entry)
  assert.deepEqual(readWriteLog(log(write(0, 'a'), write(1, 'b').subarray(0, 700))), [entry])
  assert.deepEqual(readWriteLog(log(write(0, 'a'), Buffer.alloc(2048))), [entry])
  assert.equal(entriesWithin([entry], 1535), 0)
  assert.equal(entriesWithin([entry], 1536), 1)
  writeFileSync(join(dir, 'other'), 'hello'.repeat(200))
  assert.throws(() => readWriteLog(join(dir, 'other')), /no log of writes/)
})
