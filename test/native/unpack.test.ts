/** Archives, honest and hostile, unpacked by the real helper on a plain directory. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import {
  directory,
  file,
  hardlink,
  hostile,
  image,
  pax,
  symlink,
  tar,
} from '../unit/effects/linux/archives.ts'
import { idmappedMount, root, scratch } from './needs.ts'

const top = scratch()
const target = join(top, 'private')
const helper = fileURLToPath(new URL('../../src/effects/linux/helper/main.ts', import.meta.url))
const script = fileURLToPath(new URL('../../src/hooks/unpack', import.meta.url))
const skip = root() || idmappedMount(top)

before(() => mkdirSync(target))
after(() => rmSync(top, { recursive: true, force: true }))

type Answer = { ok?: unknown; error?: { code: string; failure: string; message: string } }

function unpack(archive: Buffer): Answer {
  writeFileSync(join(top, 'image.tar'), archive)
  const place = { file: join(top, 'image.tar'), directory: target, first: 1_000_000, count: 65_536 }
  const job = { job: 'unpack', ...place, script, root: join(top, 'root'), progress: join(top, 'progress') }
  const { status, stdout, stderr } = spawnSync(process.execPath, [helper, JSON.stringify(job)], {
    encoding: 'utf8',
  })
  assert.equal(status, 0, stderr)
  return JSON.parse(stdout) as Answer
}

const capability = Buffer.from('0100000200040000000000000000000000000000', 'hex').toString('latin1')

test('names, links, owners, modes and capabilities arrive as they were', { skip }, () => {
  const archive = tar(
    { name: './', type: '5', mode: 0o755 },
    directory('./bin'),
    { name: './bin/busybox', data: 'x'.repeat(100_000), mode: 0o4755, uid: 1000, gid: 50 },
    hardlink('./bin/sh', './bin/busybox'),
    symlink('./etc', '/etc'),
    symlink('./up', '../../..'),
    { name: './dev/null', type: '3', device: [1, 3] },
    { name: './fifo', type: '6' },
    pax({ 'SCHILY.xattr.security.capability': capability, path: `./${'long/'.repeat(30)}ping` }),
    file('./ping'),
  )
  assert.deepEqual(unpack(image(archive)), { ok: { entries: 8, bytes: 100_005, skippedDevices: 1 } })
  const busybox = lstatSync(join(target, 'bin/busybox'))
  assert.deepEqual([busybox.uid, busybox.gid, busybox.mode & 0o7777, busybox.nlink], [1000, 50, 0o4755, 2])
  assert.equal(lstatSync(join(target, 'bin/sh')).ino, busybox.ino)
  assert.equal(readlinkSync(join(target, 'etc')), '/etc')
  assert.equal(readlinkSync(join(target, 'up')), '../../..')
  assert.ok(!existsSync(join(target, 'dev/null')))
  assert.ok(lstatSync(join(target, 'fifo')).isFIFO())
  assert.equal(lstatSync(target).uid, 0)
  const ping = join(target, 'long/'.repeat(30), 'ping')
  const caps = spawnSync('getcap', ['-n', ping], { encoding: 'utf8' })
  if (caps.status === 0) assert.match(caps.stdout, /cap_net_bind_service=ep/)
})

test('what lay there is gone, so doing it twice is doing it once', { skip }, () => {
  mkdirSync(join(target, 'leftover/deep'), { recursive: true })
  execFileSync('ln', ['-s', top, join(target, 'leftover/link')])
  assert.ok(unpack(image(tar(file('f')))).ok)
  assert.deepEqual(readdirSync(target), ['f'])
  assert.ok(existsSync(join(top, 'image.tar')))
})

test('a sparse file stays sparse', { skip }, () => {
  const path = join(top, 'sparse')
  execFileSync('truncate', ['-s', '64M', path])
  execFileSync('sh', ['-c', `echo end >>${path}`])
  for (const format of ['gnu', 'pax']) {
    const archive = execFileSync('tar', ['-C', top, `--format=${format}`, '-S', '-cf', '-', 'sparse'])
    assert.ok(unpack(image(archive)).ok, format)
    const seen = lstatSync(join(target, 'sparse'))
    assert.deepEqual([seen.size, seen.blocks < 1000], [64 * 1024 * 1024 + 4, true], format)
  }
})

for (const { what, archive, says } of hostile) {
  test(`${what} is refused, and nothing is outside`, { skip }, () => {
    const { error } = unpack(image(archive))
    assert.equal(error?.code, 'E_BAD_IMAGE')
    assert.equal(error?.failure, 'permanent')
    assert.match(error?.message ?? '', says)
    assert.ok(!error?.message.includes('\n'))
    assert.deepEqual(
      readdirSync(top).filter(
        (name) => !['image.tar', 'private', 'progress', 'root', 'sparse'].includes(name),
      ),
      [],
    )
  })
}

test('even unchecked, a hostile archive finds nothing outside its root', { skip }, () => {
  const outside = join(top, 'outside')
  mkdirSync(outside, { mode: 0o777, recursive: true })
  execFileSync('chmod', ['777', outside])
  const archives = [
    tar(symlink('out', outside), file('out/evil')),
    tar(file(`../../../../../../..${outside}/evil`)),
    tar(file(`${outside}/evil`)),
    tar(symlink('up', '../../../../../..'), file(`up${outside}/evil`)),
  ]
  for (const archive of archives) {
    const argv = [
      '--mount',
      '--propagation',
      'private',
      '/bin/sh',
      script,
      target,
      '1000000',
      '65536',
      join(top, 'root'),
    ]
    spawnSync('unshare', argv, { input: archive })
    assert.deepEqual(readdirSync(outside), [])
  }
  rmSync(outside, { recursive: true })
})

const raw = image(tar(file('f')))
const damaged: readonly [string, Buffer, RegExp][] = [
  ['an empty file', Buffer.alloc(0), /truncated/],
  ['a web page', Buffer.from('<html>'.repeat(200)), /not an image/],
  ['a cut image', raw.subarray(0, raw.length - 2048), /truncated/],
  [
    'a cut gzip stream',
    image(tar(), { compressed: gzipSync(Buffer.alloc(9999)).subarray(0, 25) }),
    /truncated/,
  ],
  [
    'gzip garbage',
    image(tar(), { compressed: Buffer.from('garbage'.repeat(99)) }),
    /not a valid gzip stream/,
  ],
]
for (const [what, archive, says] of damaged) {
  test(`${what} is one clear line`, { skip }, () => {
    const { error } = unpack(archive)
    assert.equal(error?.code, 'E_BAD_IMAGE')
    assert.match(error?.message ?? '', says)
  })
}

test('the image is only read', { skip }, () => {
  assert.deepEqual(readFileSync(join(top, 'image.tar')), damaged.at(-1)?.[1])
})
