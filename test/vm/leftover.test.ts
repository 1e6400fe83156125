/**
 * On real ZFS: the daemon is killed while a helper of an effect works, somebody changes by hand what is osctld's, the
 * machine shuts down cleanly, and at last it loses power for good and another one has its disk.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { MINUTE, Scene } from './scene.ts'

const BETA = { mac: '52:54:00:be:7a:01', append: 'osctl.hostname=beta' }

const ARCHIVE = '/usr/share/osctl/repository/v1/vpsadminos/minimal/x86_64/debian/stable/image-archive.tar'
let scene: Scene

before(
  async () => {
    scene = await Scene.boot([8], { append: 'osctl.hostname=alpha' })
    await scene.pool('tank', '/dev/vdb')
    await scene.osctl('ct new --distribution busybox bb')
    await scene.osctl('ct set autostart bb')
    await scene.osctl('ct start bb')
  },
  { timeout: 10 * MINUTE },
)
after(async () => await scene[Symbol.asyncDispose]())

/** Its state, or what the daemon says instead while the pool is being imported. */
const state = async (ctid: string): Promise<string> =>
  (await scene.machine.run(`osctl ct show -H -o state ${ctid} 2>&1`)).text.trim()

describe('what a dead daemon left behind', { timeout: 30 * MINUTE }, () => {
  it('killed while a helper works: recovery stops the helper first, and the creation is finished', async () => {
    await scene.sh(`cp ${ARCHIVE} /tank/copy.tar`, 5 * MINUTE)
    await scene.sh('(osctl ct import --as-id late /tank/copy.tar >/tmp/import.log 2>&1 &)')
    await scene.machine.waitUntilSucceeds(
      "osctl op ls | grep -q 'image.unpack' && grep -q . /run/osctl/effects/*.2/progress",
    )
    // It may be through before the next daemon looks, unless it is held.
    await scene.sh('pkill -STOP -f helper-main.cjs && pkill -KILL -f osctld.cjs')
    await scene.expectNewDaemon()
    await scene.eventually('late is there', async () => (await state('late')) === 'stopped', 10 * MINUTE)
    assert.match(await scene.osctl('history'), /recovery stopped a leftover helper/)
    assert.match(await scene.osctl('event verify --full'), /ok/)
    const staging = await scene.sh('zfs list -H -o name -r tank/staging')
    assert.equal(staging.trim(), 'tank/staging', 'nothing is left in staging')
    await scene.osctl('ct start late')
    await scene.osctl('ct del -f late')
  })

  it('what was changed by hand is noticed, and put back: the container starts again', async () => {
    await scene.osctl('ct stop bb')
    const drift = async (): Promise<string> => (await scene.osctl('drift scan -H -o id')).trim()
    assert.equal(await drift(), '')
    for (const [change, id] of [
      ['zfs set canmount=off tank/ct/bb', 'bb/canmount'],
      ['zfs rename tank/ct/bb tank/ct/www', 'bb/renamed'],
    ] as const) {
      await scene.sh(change)
      assert.equal(await drift(), id)
      await scene.refused('ct start bb', new RegExp(`drift ${id}`))
      await scene.osctl(`drift repair -y ${id}`)
      assert.equal(await drift(), '')
      await scene.osctl('ct start bb')
      await scene.osctl('ct stop bb')
    }
    await scene.osctl('ct start bb')
    assert.match(await scene.osctl('healthcheck'), /No errors detected/)
  })

  it('does not delete a container that somebody started with lxc-start, and stops it when told to', async () => {
    await scene.osctl('ct stop bb')
    await scene.sh('lxc-start -P /run/osctl/pools/tank/containers -n bb -d')
    await scene.refused('ct del -f bb', /bb is running, and osctld did not start it \(osctl drift scan/)
    assert.equal((await scene.osctl('drift scan -H -o id')).trim(), 'bb/running')
    assert.match(await scene.sh('lxc-info -P /run/osctl/pools/tank/containers bb -s'), /RUNNING/)
    await scene.osctl('drift repair -y bb/running')
    assert.equal((await scene.osctl('drift scan -H -o id')).trim(), '')
    await scene.osctl('ct start bb')
  })

  it('shuts down cleanly: containers stop, the pool is exported', async () => {
    await scene.powerCycle()
    await scene.eventually('bb was started', async () => (await state('bb')) === 'running', 3 * MINUTE)
    assert.match(await scene.osctl('history'), /pool exported/)
    assert.match(await scene.osctl('event verify'), /ok/)
  })

  it('on another host: refused, with who had the pool and what to type; taken by force, and both are named', async () => {
    await scene.carryDisks(BETA)
    await scene.machine.waitForConsole(/pool tank was last used by alpha \(host id [0-9a-f]{8}\) at /, MINUTE)
    assert.equal(await scene.sh('zpool list -H -o name'), '')
    const why = await scene.refused('pool import tank', /two hosts that use one pool destroy it/)
    assert.match(why, /osctl pool import --force tank\)$/)
    const { status, text } = await scene.machine.run('osctl healthcheck')
    assert.equal(status, 1)
    assert.match(text, /last used by alpha/)
    await scene.osctl('pool import -f tank')
    await scene.eventually('bb was started', async () => (await state('bb')) === 'running', 3 * MINUTE)
    const history = await scene.osctl('history')
    assert.match(history, /pool imported by force from alpha \(host id [0-9a-f]{8}\), which had it until 20/)
    for (const host of ['alpha', 'beta']) assert.match(history, new RegExp(` ${host} *$`, 'm'))
    assert.match(await scene.osctl('pool show -H -o came_from tank'), /^alpha .*, by force/)
    assert.match(await scene.osctl('healthcheck'), /No errors detected/)
    assert.match(await scene.osctl('event verify --full'), /ok/)
  })

  it('and every change that ZFS wrote down is of an effect, of upkeep, or of this test', async () => {
    await scene.attributed()
  })
})
