/**
 * The image before on a pool that the next release had (DESIGN D14). The next release is this tree's osctld with one
 * more format of logs, from a disk of its own; it is laid over the image's until the next boot, as a new image would
 * be. What boots is always the image before.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
// @ts-expect-error a script without types
import { build } from '../../scripts/build.mjs'
import { scratch } from './driver.ts'
import { MINUTE, Scene } from './scene.ts'

const TOP = join(import.meta.dirname, '..', '..')
const NEXT = {
  number: 2,
  since: '9.9.0',
  brings: 'repositories can be disabled',
  events: { RepositorySet: 1 },
}
const NEEDS = /upgraded to format 2, this osctld writes up to format 1: osctld 9\.9\.0 or newer is needed/
let scene: Scene

/** The programs of the next release, as a tar archive on a disk. */
async function nextRelease(dir: string): Promise<string> {
  const out = join(dir, 'dist')
  process.env['OSCTL_NEXT_FORMAT'] = JSON.stringify(NEXT)
  try {
    const entries = { osctl: 'bin/osctl.ts', osctld: 'bin/osctld.ts', 'osctl-replay': 'bin/osctl-replay.ts' }
    await build({ root: TOP, out, entries })
  } finally {
    delete process.env['OSCTL_NEXT_FORMAT']
  }
  const disk = join(dir, 'next.tar')
  execFileSync('tar', ['-C', out, '-cf', disk, '.'])
  return disk
}

before(
  async () => {
    const dir = scratch()
    mkdirSync(join(dir, 'next'))
    const disk = await nextRelease(join(dir, 'next'))
    scene = await Scene.boot([4], { dir, disks: [`file=${disk},format=raw,readonly=on`] })
    await scene.pool('tank', '/dev/vdb')
    await scene.osctl('ct new --distribution busybox bb')
    await scene.osctl('ct set autostart bb')
    await scene.osctl('ct start bb')
  },
  { timeout: 10 * MINUTE },
)
after(async () => await scene[Symbol.asyncDispose]())

async function daemonOf(release: 'next' | 'before'): Promise<void> {
  await scene.sh('sv -w 30 stop osctld')
  const lay = 'mkdir -p /run/next && tar -C /run/next -xf /dev/vdc && mount --bind /run/next /usr/lib/osctl'
  await scene.sh(release === 'next' ? lay : 'umount -l /usr/lib/osctl')
  await scene.sh('sv -w 60 start osctld')
  await scene.expectNewDaemon()
  await scene.machine.waitUntilSucceeds('osctl pool show tank')
}

const shown = (column: string): Promise<string> => scene.osctl(`pool show -H -o ${column} tank`)

describe('a pool that the next release had', { timeout: 30 * MINUTE }, () => {
  it('and did not upgrade: the image before goes on with all that it did', async () => {
    await daemonOf('next')
    assert.match(await scene.osctl('pool upgrade -H -o format,newest,would_need'), /^ *1 +2 +9\.9\.0/)
    await scene.osctl('ct new --distribution busybox made-by-next')
    await scene.osctl('ct set hostname bb www.example.org')
    await scene.refused('repo disable tank:default', /has format 1, and this needs format 2/)
    await scene.powerCycle()
    await scene.machine.waitUntilSucceeds('osctl pool show tank')
    assert.equal((await shown('log,format')).trim().replace(/\s+/g, ' '), 'ok 1')
    await scene.eventually(
      'bb runs',
      async () => (await scene.column('bb', 'state')) === 'running',
      3 * MINUTE,
    )
    assert.equal(await scene.column('bb', 'hostname'), 'www.example.org')
    await scene.osctl('ct start made-by-next')
    await scene.osctl('ct del -f made-by-next')
    assert.match(await scene.osctl('event verify --full'), /ok/)
  })

  it('and upgraded: the image before shows it and what is on it, changes nothing, and says what it needs', async () => {
    await daemonOf('next')
    assert.match(await scene.osctl('pool upgrade tank --dry-run'), /PoolUpgraded/)
    await scene.osctl('pool upgrade tank --yes')
    await scene.osctl('pool upgrade tank --yes')
    await scene.osctl('repo disable tank:default')
    const head = await shown('log_head')
    // The daemon before it, with the containers running.
    await daemonOf('before')
    assert.equal((await shown('log')).trim(), 'read-only')
    assert.match(await shown('problem'), NEEDS)
    assert.equal(await shown('log_head'), head, 'not an event more')
    assert.equal(await scene.column('bb', 'state'), 'running')
    assert.match(await scene.sh('lxc-info -P /run/osctl/pools/tank/containers bb -s'), /RUNNING/)
    await scene.refused('ct stop bb', NEEDS)
    assert.match((await scene.machine.run('osctl healthcheck')).text, NEEDS)
    assert.match(await scene.osctl('pool upgrade'), NEEDS)
    assert.match(await scene.osctl('event verify --full'), /ok/)
  })

  it('boots the image before, and then the next one: nothing was lost', async () => {
    await scene.powerCut()
    assert.match(await scene.machine.waitUntilSucceeds('osctl pool show -H -o problem tank'), NEEDS)
    assert.match(await scene.osctl('ct ls -H -o id'), /bb/)
    await daemonOf('next')
    assert.equal((await shown('log,format')).trim().replace(/\s+/g, ' '), 'ok 2')
    // It has autostart, and no daemon since the boot could start it.
    await scene.eventually(
      'bb runs',
      async () => (await scene.column('bb', 'state')) === 'running',
      3 * MINUTE,
    )
    await scene.osctl('ct stop bb')
    assert.match(await scene.osctl('event verify --full'), /ok/)
  })

  it('every change that ZFS wrote down is of an effect, of upkeep, or of this test', async () => {
    await scene.attributed()
  })
})
