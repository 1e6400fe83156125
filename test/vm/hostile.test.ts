/**
 * What is hostile stays outside: archives that want to leave their root, and containers that want the host to write
 * for them. First the native suite on real ZFS, AppArmor and idmapped mounts, then through osctl. One machine.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { gzipSync } from 'node:zlib'
// @ts-expect-error a script without types
import { build } from '../../scripts/build.mjs'
import { directory, file, hardlink, hostile, image, symlink, tar } from '../unit/effects/linux/archives.ts'
import { scratch } from './driver.ts'
import { serveDirectory, type WebServer } from './driver-http.ts'
import { MINUTE, Scene } from './scene.ts'

const TOP = join(import.meta.dirname, '..', '..')
const top = scratch()
let scene: Scene
let web: WebServer

before(
  async () => {
    web = await serveDirectory(top)
    scene = await Scene.boot([6])
    await scene.sh('zpool create -O xattr=sa tank /dev/vdb')
  },
  { timeout: 5 * MINUTE },
)
after(async () => {
  await scene?.[Symbol.asyncDispose]()
  await web?.[Symbol.asyncDispose]()
  rmSync(top, { recursive: true, force: true })
})

async function bundles(): Promise<string[]> {
  const names = readdirSync(join(TOP, 'test/native')).filter((name) => name.endsWith('.test.ts'))
  const entries = Object.fromEntries(names.map((name) => [name.replace('.ts', ''), `test/native/${name}`]))
  await build({ root: TOP, out: join(top, 'native'), entries })
  execFileSync('tar', ['-C', top, '-cf', join(top, 'native.tar'), 'native'])
  return Object.keys(entries)
}

describe('the native suite on real ZFS', { timeout: 8 * MINUTE }, () => {
  before(async () => {
    await scene.sh('sv -w 30 down osctld; ! pgrep -f osctld.cjs')
    await scene.sh('zfs create tank/tmp && chmod 1777 /tank/tmp')
  })
  after(async () => {
    await scene.sh(
      'zfs destroy -r tank/tmp; zfs destroy -r tank/ct; zfs destroy -r tank/log; zfs destroy -r tank/staging; sv up osctld',
    )
    await scene.expectNewDaemon()
  })

  it('passes, with nothing skipped', async (t) => {
    const names = await bundles()
    await scene.sh(`curl -sf ${web.url}/native.tar | tar -x -C /run`, 2 * MINUTE)
    const files = names.map((name) => `/run/native/${name}.cjs`).join(' ')
    const env = 'TMPDIR=/tank/tmp OSCTL_TEST_POOL=tank'
    const command = `cd /run/native && ${env} node --test --test-concurrency=1 --test-reporter=tap ${files}`
    const { text, status } = await scene.machine.run(command, { timeoutMs: 7 * MINUTE })
    const count = (what: string): number => Number(new RegExp(`^# ${what} (\\d+)$`, 'm').exec(text)?.[1])
    // Each with its block of YAML, which has the error.
    const failed = [...text.matchAll(/^not ok [^\n]*\n(?: +[^\n]*\n)*/gm)].map(([block]) => block)
    t.diagnostic(`${count('pass')} pass, ${count('skipped')} skipped`)
    assert.equal(status, 0, failed.join('\n') || text.slice(-6000))
    assert.equal(
      count('skipped'),
      0,
      text
        .split('\n')
        .filter((line) => /# SKIP/.test(line))
        .join('\n'),
    )
    assert.ok(count('pass') >= 40)
  })
})

async function given(name: string, data: Buffer): Promise<string> {
  mkdirSync(join(top, 'archives'), { recursive: true })
  writeFileSync(join(top, 'archives', name), data)
  await scene.sh(`curl -sf -o /tank/${name} ${web.url}/archives/${name}`)
  return `/tank/${name}`
}

describe('hostile archives through osctl', { timeout: 8 * MINUTE }, () => {
  let whole = ''
  before(async () => {
    await scene.osctl('pool install tank')
    await scene.osctl('ct new --distribution busybox bb')
    whole = await scene.made('tank')
  })

  async function nothing(name: string, data: Buffer, says: RegExp): Promise<void> {
    const path = await given(name, data)
    await scene.refused(`ct import --as-id evil ${path}`, says)
    await scene.unchanged('tank', whole)
    assert.equal(await scene.sh('zfs list -H -o name -r tank/staging'), 'tank/staging')
    await scene.sh(`rm ${path}`)
  }

  const kinds = [
    'a name with ..',
    'an absolute name',
    'an absolute symlink written through',
    'a hard link to a symlink, written through',
    'a hard link through a symlink',
    'half a file',
  ]
  for (const { what, archive, says } of hostile.filter((one) => kinds.includes(one.what))) {
    it(`refuses ${what}`, () => nothing('evil.tar', image(archive), says))
  }

  it('refuses a truncated gzip, gzip garbage, a truncated image and no image at all', async () => {
    const rootfs = tar(file('f', 'x'.repeat(100_000)))
    const compressed = gzipSync(rootfs)
    await nothing('cut.tar', image(rootfs, { compressed: compressed.subarray(0, -20) }), /truncated/)
    await nothing(
      'garbage.tar',
      image(rootfs, { compressed: Buffer.from('no gzip'.repeat(100)) }),
      /not a valid gzip stream/,
    )
    const damaged = Buffer.from(compressed)
    damaged.fill(0xff, 60, 90)
    await nothing(
      'damaged.tar',
      image(rootfs, { compressed: damaged }),
      /gzip|truncated|checksum|not a number/,
    )
    await nothing('short.tar', image(rootfs).subarray(0, 2000), /not an image: the archive is truncated/)
    await nothing('text.tar', Buffer.from('hello\n'.repeat(500)), /not an image/)
    await nothing('nul.tar', Buffer.alloc(0), /not an image/)
  })

  it('refuses metadata that is not what it must be', async () => {
    const rootfs = tar(file('f'))
    await nothing('skel.tar', image(rootfs, { metadata: 'type: skel\nformat: tar\n' }), /type skel/)
    await nothing('yaml.tar', image(rootfs, { metadata: 'a: [b' }), /metadata\.yml is not YAML/)
    await nothing(
      'dataset.tar',
      image(rootfs, { metadata: 'type: full\nformat: zfs\ndatasets: ["../../x"]\n' }),
      /metadata\.yml: datasets/,
    )
  })

  it('skips device nodes, counts them, and takes absolute symlinks as data', async () => {
    const rootfs = tar(
      ...['./', 'dev', 'etc', 'bin'].map(directory),
      { name: 'dev/sda', type: '4', device: [8, 0] },
      { name: 'dev/mem', type: '3', device: [1, 1] },
      symlink('etc/mtab', '/proc/mounts'),
      symlink('etc/out', '/../../../../etc/shadow'),
      file('bin/true', 'x'),
      hardlink('bin/false', 'bin/true'),
    )
    await scene.osctl(`ct import --as-id data ${await given('data.tar', image(rootfs))}`)
    await scene.sh('zfs mount tank/ct/data 2>/dev/null; true')
    const seen = await scene.sh(
      'cd /tank/ct/data/private; ls -A dev; readlink etc/mtab etc/out; stat -c %h bin/false',
    )
    assert.equal(seen, '/proc/mounts\n/../../../../etc/shadow\n2')
    assert.match(await scene.osctl('--json event ls --ct data'), /"skippedDevices":2/)
    await scene.osctl('ct del data')
  })

  it('left the daemon alive, and the log whole', async () => {
    await scene.daemonLives()
    assert.match(await scene.osctl('event verify --full'), /ok/)
  })
})

describe('a hostile container', { timeout: 5 * MINUTE }, () => {
  const hostFiles =
    'cat /etc/shadow /etc/hostname /etc/passwd; stat -c "%Y %i" /etc/shadow /etc/hostname; hostname'

  /** It runs before, from the second time on, and it runs afterwards. */
  async function plant(script: string, hostname: string): Promise<void> {
    await scene.osctl('ct start bb')
    await scene.inside('bb', script)
    await scene.osctl('ct stop bb')
    const before = await scene.sh(hostFiles)
    await scene.osctl(`ct set hostname bb ${hostname}`)
    await scene.osctl('ct start bb')
    assert.equal(await scene.sh(hostFiles), before, 'the host is untouched')
    assert.equal(await scene.inside('bb', 'hostname'), hostname, 'its name is what was set')
  }

  it('gets no file of the host written by a symlink at /etc/hostname', async () => {
    await plant(
      'ln -sf /etc/shadow /etc/hostname; ln -sf /etc/shadow /etc/.hostname.osctl',
      'first.example.org',
    )
    assert.match(
      await scene.sh('zfs mount tank/ct/bb 2>/dev/null; ls -l /tank/ct/bb/private/etc/hostname'),
      /-> \/etc\/shadow$/,
    )
  })

  it('nor by a symlink in the place of /etc to a directory that the host has, too', async () => {
    await scene.sh('mkdir -p /srv/etc && echo host > /srv/etc/hostname')
    await plant(
      'mkdir -p /srv; cp -a /etc /srv/etc; rm -f /srv/etc/hostname; rm -rf /etc; ln -s /srv/etc /etc',
      'second.example.org',
    )
    await plant('rm /etc; ln -s ../../../../srv/etc /etc', 'third.example.org')
    assert.equal(await scene.sh('ls -A /srv/etc; cat /srv/etc/hostname'), 'hostname\nhost')
  })

  it('nor by a fifo, which would hold the host up, nor by a hard link', async () => {
    await plant('rm /etc; mv /srv/etc /etc; mkfifo /etc/hostname', 'fourth.example.org')
    await plant('rm /etc/hostname; ln /etc/passwd /etc/hostname', 'fifth.example.org')
    assert.match(await scene.sh('cat /tank/ct/bb/private/etc/passwd'), /^root:/)
  })

  it('is written its name where its /etc/hostname is a file', async () => {
    await plant('rm /etc/hostname; echo x > /etc/hostname', 'sixth.example.org')
    assert.match(await scene.sh('cat /tank/ct/bb/private/etc/hostname'), /^sixth\.example\.org$/)
    await scene.osctl('ct del -f bb')
    await scene.daemonLives()
  })

  it('and every change that ZFS wrote down is of an effect, of upkeep, or of this test', async () => {
    await scene.attributed()
  })
})
