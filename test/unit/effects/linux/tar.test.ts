import assert from 'node:assert/strict'
import { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { test } from 'node:test'
import fc from 'fast-check'
import { TarFilter } from '../../../../src/effects/linux/tar/filter.ts'
import { directory, end, entry, file, hardlink, hostile, pax, symlink, tar } from './archives.ts'

/** Sends an archive through the filter in pieces of this size. */
async function filter(archive: Buffer, piece = archive.length): Promise<{ out: Buffer; filter: TarFilter }> {
  const filter = new TarFilter(65_536)
  const pieces: Buffer[] = []
  for (let at = 0; at < archive.length; at += piece) pieces.push(archive.subarray(at, at + piece))
  const out: Buffer[] = []
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      out.push(chunk)
      done()
    },
  })
  await pipeline(Readable.from(pieces, { objectMode: false }), filter, sink)
  return { out: Buffer.concat(out), filter }
}

const good = tar(
  directory('./'),
  directory('./bin'),
  file('./bin/busybox', 'x'.repeat(5000)),
  hardlink('./bin/sh', './bin/busybox'),
  symlink('./lib', 'usr/lib'),
  directory('usr/lib'),
  file('lib/through-a-relative-symlink'),
  symlink('./etc', '/absolute/symlinks/are/data'),
  symlink('./up', '../../so/are/these'),
)

test('an honest archive comes through unchanged, in whatever pieces it arrives', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 3000 }), async (piece) => {
      const { out, filter: used } = await filter(good, piece)
      assert.deepEqual(out, good)
      assert.deepEqual(used.result, { entries: 9, bytes: 5005, skippedDevices: 0 })
    }),
    { numRuns: 40 },
  )
})

test('device nodes are left out, with their extension headers and hard links, and counted', async () => {
  const device = entry({ name: 'dev/null', type: '3', device: [1, 3] })
  const archive = tar(pax({ mtime: '1' }), device, hardlink('dev/zero', 'dev/null'), file('f'))
  const { out, filter: used } = await filter(archive)
  assert.deepEqual(out, tar(file('f')))
  assert.deepEqual(used.result, { entries: 1, bytes: 5, skippedDevices: 2 })
})

test('names come from pax and GNU headers', async () => {
  const long = `${'d/'.repeat(90)}f`
  const gnu = entry({ name: '././@LongLink', type: 'L', data: `${long}\0` })
  for (const extension of [pax({ path: long }), gnu]) {
    const archive = tar(extension, file('short'), hardlink('h', 'short'))
    await assert.rejects(filter(archive), /h is to short, no file before it/)
  }
})

test('two names for one entry are refused: readers differ in which counts', async () => {
  const gnu = entry({ name: '././@LongLink', type: 'L', data: 'one\0' })
  await assert.rejects(filter(tar(gnu, pax({ path: 'two' }), file('three'))), /is named twice/)
})

test('the size in a pax header is the one that counts', async () => {
  const lying = Buffer.concat([
    pax({ size: '600' }),
    entry({ name: 'f', size: 1, data: 'x'.repeat(600) }),
    end,
  ])
  const { filter: used } = await filter(lying)
  assert.equal(used.result.bytes, 600)
})

test('old GNU sparse files keep their map blocks', async () => {
  const header = entry({ name: 'sparse', type: 'S', size: 512, data: '' })
  header[482] = 1
  header.fill(0x20, 148, 156)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  const map = Buffer.alloc(512)
  const archive = Buffer.concat([header, map, Buffer.alloc(512, 'd'), entry(file('after')), end])
  const { out, filter: used } = await filter(archive, 100)
  assert.deepEqual(out, archive)
  assert.equal(used.result.entries, 2)
})

for (const { what, archive, says } of hostile) {
  test(`an archive with ${what} is refused by name`, async () => {
    await assert.rejects(filter(archive, 700), says)
  })
}

test('no bytes at all make the filter hang or throw anything but a clear error', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat({ max: good.length - 1 }),
      fc.integer({ min: 1, max: 255 }),
      async (at, value) => {
        const broken = Buffer.from(good)
        broken[at] = (broken[at] ?? 0) ^ value
        const result = await filter(broken, 997).then(
          () => 'fine',
          (error: Error) => error.name,
        )
        assert.ok(['fine', 'TarError'].includes(result), result)
      },
    ),
    { numRuns: 200 },
  )
})
