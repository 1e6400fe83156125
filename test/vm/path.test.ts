/**
 * The whole path on real ZFS and real LXC: a pool, two containers, files inside, a reboot from inside, a
 * power cut, and everything back by replay. Then the daemon is killed while containers run and while a
 * helper works. One machine, one story; each step is a test of its own and relies on those before it.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { attributed } from './attributed.ts'
import { boot, createDisk, type Machine, scratch } from './driver.ts'

const MINUTE = 60_000
const directory = scratch()
const disk = createDisk(`${directory}/tank.img`, 8)
let machine: Machine
const machines: Machine[] = []
let bootIdBefore = ''
let boots = 0

async function start(): Promise<void> {
  machine = boot({ dir: `${directory}/${++boots}`, disks: [disk] })
  machines.push(machine)
  await machine.waitForBoot()
  await machine.waitUntilSucceeds('osctl ping')
}

const osctl = (command: string, timeoutMs = 5 * MINUTE): Promise<string> =>
  machine.succeeds(`osctl ${command}`, { timeoutMs })
const column = async (ctid: string, name: string): Promise<string> =>
  (await osctl(`ct show -H -o ${name} ${ctid}`)).trim()
/** The same while the answer may still be an error: the pool is being imported. */
const soon = async (ctid: string, name: string): Promise<string> =>
  (await machine.run(`osctl ct show -H -o ${name} ${ctid}`)).output.toString().trim()
const poolIsActive = async (): Promise<boolean> =>
  (await machine.run('osctl pool show -H -o state tank')).output.toString().trim() === 'active'

const inside = (ctid: string, command: string): Promise<string> => osctl(`ct exec ${ctid} sh -c '${command}'`)

async function until(what: string, done: () => Promise<boolean>, timeoutMs = 2 * MINUTE): Promise<void> {
  const deadline = Date.now() + timeoutMs
  while (!(await done())) {
    assert.ok(Date.now() < deadline, `${what}: not within ${timeoutMs / 1000} s`)
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
}

before(start, { timeout: 5 * MINUTE })
after(async () => {
  await machine.kill()
})

describe('the whole path, on real ZFS and real LXC', { timeout: 40 * MINUTE }, () => {
  it('installs a pool', async () => {
    await machine.succeeds('zpool create -O xattr=sa tank /dev/vdb')
    await osctl('pool install tank')
    assert.equal((await osctl('pool show -H -o state tank')).trim(), 'active')
    const files = await machine.succeeds('ls /tank/events')
    assert.deepEqual(
      files.trim().split('\n'),
      ['log.db', 'log.db-wal'],
      'no -shm: the log is opened exclusively',
    )
  })

  it('creates busybox and debian from the repository of the image, each with an id block of its own', async () => {
    await osctl('ct new --distribution busybox bb')
    await osctl('ct new --distribution debian deb', 10 * MINUTE)
    const blocks = (await osctl('ct ls -H -o uid_map')).trim().split('\n')
    assert.equal(new Set(blocks).size, 2)
    const owners = await machine.succeeds("zfs mount tank/ct/bb; stat -c '%u:%g' /tank/ct/bb/private/bin")
    assert.match(owners, /0:0/, 'ids on disk are unshifted')
  })

  it('creates a second busybox by clone', async () => {
    await osctl('ct new --distribution busybox bb2')
    assert.match(await machine.succeeds('zfs get -H -o value origin tank/ct/bb2'), /tank\/image\/.*@base/)
  })

  it('starts both, confined by AppArmor, with the values of LXCFS', async () => {
    await osctl('ct start bb')
    await osctl('ct start deb')
    for (const ctid of ['bb', 'deb']) {
      assert.match(await inside(ctid, 'cat /proc/1/attr/current'), /osctl-ct.*\(enforce\)/)
      const uptime = Number((await inside(ctid, 'cat /proc/uptime')).split(' ')[0])
      const host = Number((await machine.succeeds('cat /proc/uptime')).split(' ')[0])
      assert.ok(uptime < host, `uptime inside ${uptime}, outside ${host}`)
      assert.match(await inside(ctid, 'cat /proc/self/uid_map'), /^\s*0\s+1\d{6}\s+65536/)
    }
    await until('debian is up', async () => {
      const { output } = await machine.run('osctl ct exec deb systemctl is-system-running')
      return /running/.test(output.toString())
    })
  })

  it('reaches the login prompt on the console of debian', async () => {
    await until('login', async () => {
      const { output } = await machine.run('osctl ct exec deb sh -c "ps ax | grep -c [a]getty"')
      return /^[1-9]/.test(output.toString())
    })
  })

  it('writes files inside', async () => {
    await inside('bb', 'echo bb was here > /root/note; sync')
    await inside('deb', 'echo deb was here > /root/note; sync')
  })

  it('sets autostart, hostname and an attribute', async () => {
    await osctl('ct set autostart -p 10 bb')
    await osctl('ct set autostart -p 20 deb')
    await osctl('ct set hostname deb deb.example.org')
    await osctl('ct set attr bb my.org:colour green')
    assert.equal(await column('deb', 'restart_needed'), 'true')
  })

  it('notices a reboot from inside: another init, and the history says so', async () => {
    const before = await column('bb', 'init_pid')
    await machine.run('osctl ct exec bb reboot')
    await until('bb runs again', async () => {
      const pid = await column('bb', 'init_pid')
      return (await column('bb', 'state')) === 'running' && pid !== '-' && pid !== before
    })
    assert.match(await osctl('history'), /rebooted from inside/)
    assert.match(await inside('bb', 'cat /root/note'), /bb was here/)
  })

  it('notices a shutdown from inside, and a killed monitor', async () => {
    await osctl('ct start bb2')
    await machine.run('osctl ct exec bb2 poweroff')
    await until('bb2 is stopped', async () => (await column('bb2', 'state')) === 'stopped')
    await osctl('ct start bb2')
    await machine.succeeds('pkill -KILL -f "[l]xc-start.*bb2" || pkill -KILL -f "lxc monitor.*bb2"')
    await until('the crash of bb2 is noticed', async () => (await column('bb2', 'state')) === 'stopped')
    assert.match(await osctl('history'), /died/)
  })

  it('is told nothing of what the OOM killer ends inside, and once that it ended an init', async () => {
    await osctl('ct start bb2')
    const cgroup = (
      await machine.succeeds(`sed -n s/^0:://p /proc/${await column('bb2', 'init_pid')}/cgroup`)
    ).trim()
    const files = `/sys/fs/cgroup${cgroup}/memory`
    await machine.succeeds(`echo 24M > ${files}.max; echo 0 > ${files}.swap.max || true`)
    const since = async (): Promise<string[]> => {
      const types = (await osctl('event ls --ct bb2 -H -o type')).trim().split('\n')
      return types.slice(types.lastIndexOf('CtSessionOpened') + 1)
    }
    await inside('bb2', 'for n in 1 2 3 4; do tail /dev/zero; done; true')
    const kills = async (): Promise<number> =>
      Number(await machine.succeeds(`sed -n "s/^oom_kill //p" ${files}.events`))
    assert.ok((await kills()) >= 4)
    assert.deepEqual(await since(), ['CtSessionEnded'])
    assert.equal(await column('bb2', 'state'), 'running')
    await machine.succeeds(`echo 1 > ${files}.oom.group`)
    await machine.run('osctl ct exec bb2 tail /dev/zero')
    await until('the death of bb2 is noticed', async () => (await column('bb2', 'state')) === 'stopped')
    assert.deepEqual((await since()).toSorted(), ['CtExited', 'CtSessionEnded'])
  })

  it('survives a power cut: both containers, their configuration, their files and their history', async () => {
    bootIdBefore = await machine.succeeds('cat /proc/sys/kernel/random/boot_id')
    const historyBefore = (await osctl('history -H -o time,command,result')).trim().split('\n').length
    await machine.kill()
    await start()
    assert.notEqual(await machine.succeeds('cat /proc/sys/kernel/random/boot_id'), bootIdBefore)
    await until('bb was started', async () => (await soon('bb', 'state')) === 'running')
    await until('deb was started', async () => (await soon('deb', 'state')) === 'running')
    assert.equal(await column('bb2', 'state'), 'stopped', 'it has no autostart')
    assert.match(await inside('bb', 'cat /root/note'), /bb was here/)
    assert.match(await inside('deb', 'cat /root/note'), /deb was here/)
    assert.equal(await column('deb', 'hostname'), 'deb.example.org')
    assert.equal(await column('bb', 'my.org:colour'), 'green')
    assert.match(await inside('deb', 'cat /proc/sys/kernel/hostname'), /deb.example.org/)
    assert.match(await inside('bb', 'cat /proc/1/attr/current'), /osctl-ct.*\(enforce\)/)
    const history = (await osctl('history')).trim().split('\n')
    assert.ok(history.length > historyBefore)
    assert.ok(history.some((line) => /ct new .*debian/.test(line)))
    assert.ok(history.some((line) => /the host died/.test(line)))
  })

  it('has a clean log and a clean pool afterwards', async () => {
    assert.match(await osctl('event verify --full'), /ok/)
    assert.match(await machine.succeeds('zpool status tank'), /errors: No known data errors/)
    assert.match(await osctl('healthcheck'), /No errors detected/)
  })
})

describe('the daemon dies and the containers live', { timeout: 20 * MINUTE }, () => {
  for (const [how, command] of [
    ['kill -9', 'pkill -KILL -f osctld.cjs'],
    ['sv restart', 'sv restart osctld'],
  ] as const) {
    it(`${how} of osctld leaves them running; the next one adopts them`, async () => {
      const pids = await osctl('ct ls -H -o id,init_pid -s id')
      const daemon = (await machine.succeeds('pgrep -f osctld.cjs')).trim()
      await machine.run(command)
      await machine.waitUntilSucceeds(`osctl ping && ! pgrep -f osctld.cjs | grep -qx ${daemon}`)
      await until('the pool is active', poolIsActive)
      assert.equal(await osctl('ct ls -H -o id,init_pid -s id'), pids)
      assert.match(await osctl('history'), /adopted/)
    })
  }

  it('and every change that ZFS wrote down is of an effect, of upkeep, or of this test', async () => {
    await attributed(machine, machines)
  })
})
