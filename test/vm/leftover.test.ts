/** The daemon is killed while a helper of an effect works, on real ZFS; then the machine shuts down cleanly. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { boot, createDisk, type Machine, scratch } from './driver.ts'

const MINUTE = 60_000
const directory = scratch()
const disk = createDisk(`${directory}/tank.img`, 8)
let machine: Machine
const _bootIdBefore = ''
let boots = 0

async function start(): Promise<void> {
  machine = boot({ dir: `${directory}/${++boots}`, disks: [disk] })
  await machine.waitForBoot()
  await machine.waitUntilSucceeds('osctl ping')
}

const osctl = (command: string, timeoutMs = 5 * MINUTE): Promise<string> =>
  machine.succeeds(`osctl ${command}`, { timeoutMs })
/** The same while the answer may still be an error: the pool is being imported. */
const soon = async (ctid: string, name: string): Promise<string> =>
  (await machine.run(`osctl ct show -H -o ${name} ${ctid}`)).output.toString().trim()
const _poolIsActive = async (): Promise<boolean> =>
  (await machine.run('osctl pool show -H -o state tank')).output.toString().trim() === 'active'

async function until(what: string, done: () => Promise<boolean>, timeoutMs = 2 * MINUTE): Promise<void> {
  const deadline = Date.now() + timeoutMs
  while (!(await done())) {
    assert.ok(Date.now() < deadline, `${what}: not within ${timeoutMs / 1000} s`)
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
}

before(
  async () => {
    await start()
    await machine.succeeds('zpool create -O xattr=sa tank /dev/vdb')
    await osctl('pool install tank')
    await osctl('ct new --distribution busybox bb')
    await osctl('ct set autostart bb')
    await osctl('ct start bb')
  },
  { timeout: 10 * MINUTE },
)
after(async () => {
  await machine.kill()
})

describe('what a dead daemon left behind', { timeout: 30 * MINUTE }, () => {
  it('killed while a helper works: recovery stops the helper first, and the creation is finished', async () => {
    const file = '/usr/share/osctl/repository/v1/vpsadminos/minimal/x86_64/debian'
    await machine.succeeds(`cp ${file}/stable/image-archive.tar /tank/copy.tar`, { timeoutMs: 5 * MINUTE })
    await machine.succeeds('(osctl ct import --as-id late /tank/copy.tar >/tmp/import.log 2>&1 &)')
    await machine.waitUntilSucceeds(
      "osctl op ls | grep -q 'image.unpack' && ls -d /sys/fs/cgroup/osctl/effects/*.2",
    )
    await machine.run('pkill -KILL -f osctld.cjs')
    await machine.waitUntilSucceeds('osctl ping')
    await until(
      'late is there',
      async () => /stopped/.test((await machine.run('osctl ct show -H -o state late')).output.toString()),
      10 * MINUTE,
    )
    assert.match(await osctl('history'), /recovery stopped a leftover helper/)
    assert.match(await osctl('event verify --full'), /ok/)
    assert.equal(
      (await machine.succeeds('zfs list -H -o name -r tank/staging')).trim(),
      'tank/staging',
      'nothing is left in staging',
    )
    await osctl('ct start late')
    await osctl('ct del -f late')
  })

  it('shuts down cleanly: containers stop, the pool is exported', async () => {
    await machine.powerOff(5 * MINUTE)
    await start()
    await until('bb was started', async () => (await soon('bb', 'state')) === 'running')
    assert.match(await osctl('history'), /pool exported/)
    assert.match(await osctl('event verify'), /ok/)
  })
})
