/** The host writes a name into root file systems whose owners do not want it to. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { writeInRootfs } from '../../src/effects/linux/rootfs.ts'
import { root, scratch } from './needs.ts'

const skip = root()
let directory = ''
let rootfs = ''
let victim = ''

beforeEach(() => {
  directory = scratch()
  rootfs = join(directory, 'private')
  victim = join(directory, 'host-etc')
  mkdirSync(rootfs)
  mkdirSync(victim)
  writeFileSync(join(victim, 'hostname'), 'the host\n')
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

const write = (): ReturnType<typeof writeInRootfs> => writeInRootfs(rootfs, 'etc', 'hostname', 'web\n')
const hostIsUntouched = (): void => {
  assert.deepEqual(readdirSync(victim), ['hostname'])
  assert.equal(readFileSync(join(victim, 'hostname'), 'utf8'), 'the host\n')
}

test('a plain /etc/hostname is written, keeps its owner and mode, and is not written twice', {
  skip,
}, async () => {
  mkdirSync(join(rootfs, 'etc'))
  assert.equal(await write(), 'written')
  chmodSync(join(rootfs, 'etc/hostname'), 0o600)
  execFileSync('chown', ['1234:1235', join(rootfs, 'etc/hostname')])
  assert.equal(await write(), 'same')
  assert.equal(await writeInRootfs(rootfs, 'etc', 'hostname', 'other\n'), 'written')
  const seen = lstatSync(join(rootfs, 'etc/hostname'))
  assert.deepEqual([seen.mode & 0o777, seen.uid, seen.gid], [0o600, 1234, 1235])
  assert.equal(readFileSync(join(rootfs, 'etc/hostname'), 'utf8'), 'other\n')
  assert.deepEqual(readdirSync(join(rootfs, 'etc')), ['hostname'])
})

test('a root file system without /etc is left alone', { skip }, async () => {
  assert.deepEqual(await write(), { skipped: '/etc is not a directory' })
  assert.ok(!existsSync(join(rootfs, 'etc')))
})

test('/etc as a symlink to the host is not followed', { skip }, async () => {
  for (const target of [victim, '../host-etc']) {
    rmSync(join(rootfs, 'etc'), { force: true })
    symlinkSync(target, join(rootfs, 'etc'))
    assert.deepEqual(await write(), { skipped: '/etc is not a directory' })
    hostIsUntouched()
  }
})

test('/etc/hostname as a symlink is not followed', { skip }, async () => {
  mkdirSync(join(rootfs, 'etc'))
  symlinkSync(join(victim, 'hostname'), join(rootfs, 'etc/hostname'))
  assert.deepEqual(await write(), { skipped: 'it is not a regular file' })
  hostIsUntouched()
})

test('a symlink where the new file is made is replaced and not followed', { skip }, async () => {
  mkdirSync(join(rootfs, 'etc'))
  symlinkSync(join(victim, 'hostname'), join(rootfs, 'etc/.hostname.osctl'))
  assert.equal(await write(), 'written')
  hostIsUntouched()
})

test('a fifo, a directory and a device do not block or break the host', {
  skip,
  timeout: 10_000,
}, async () => {
  mkdirSync(join(rootfs, 'etc'))
  const path = join(rootfs, 'etc/hostname')
  for (const make of [
    ['mkfifo', path],
    ['mkdir', path],
    ['mknod', path, 'c', '1', '5'],
  ]) {
    const [program = '', ...args] = make
    execFileSync(program, args)
    assert.deepEqual(await write(), { skipped: 'it is not a regular file' }, program)
    rmSync(path, { recursive: true })
  }
})

test('a hard link to another file is left alone, and that file too', { skip }, async () => {
  mkdirSync(join(rootfs, 'etc'))
  linkSync(join(victim, 'hostname'), join(rootfs, 'etc/hostname'))
  assert.deepEqual(await write(), { skipped: 'it has 2 names' })
  hostIsUntouched()
})

test('another file system on /etc is not written to', { skip }, async () => {
  const etc = join(rootfs, 'etc')
  mkdirSync(etc)
  execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', etc])
  try {
    assert.deepEqual(await write(), { skipped: '/etc is another file system' })
    assert.deepEqual(readdirSync(etc), [])
  } finally {
    execFileSync('umount', [etc])
  }
})
