/**
 * Bad input and a bad host: illegal names, broken requests, a full pool, a log that is away, a disk that is pulled.
 * Each is one clear line, and the daemon lives. One machine, a pool for each trouble; the last ones break it.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createDisk, scratch } from './driver.ts'
import { MINUTE, Scene } from './scene.ts'

const dir = scratch()
/** Disks that can be pulled, by the failmode of the pool on each: served by a process of their own. */
const pulled = { wait: '/dev/vdd', continue: '/dev/vde' } as const
const servers = new Map<string, ChildProcess>()
let scene: Scene

const socketOf = (name: string): string => join(dir, `${name}.sock`)
const imageOf = (name: string): string => join(dir, `${name}.img`)

async function serve(name: string): Promise<void> {
  const socket = socketOf(name)
  rmSync(socket, { force: true })
  const argv = ['--pdeathsig', 'KILL', 'qemu-nbd', '--persistent', '--format=raw', `--socket=${socket}`]
  servers.set(name, spawn('setpriv', [...argv, imageOf(name)], { stdio: 'ignore' }))
  for (let i = 0; !existsSync(socket); i++) {
    assert.ok(i < 100, 'qemu-nbd does not serve')
    await sleep(100)
  }
}

/** A disk that is there as long as its server lives; a second later every request to it is an error. */
async function served(name: string): Promise<string> {
  createDisk(imageOf(name), 1)
  await serve(name)
  return `driver=nbd,server.type=unix,server.path=${socketOf(name)},reconnect-delay=1`
}

async function pull(name: string): Promise<void> {
  const server = servers.get(name)
  if (!server) return
  servers.delete(name)
  server.kill('SIGKILL')
  await once(server, 'exit')
}

before(
  async () => {
    const disks = await Promise.all(Object.keys(pulled).map(served))
    scene = await Scene.boot([3, 0.5], { dir, disks })
    await scene.pool('tank', '/dev/vdb')
    await scene.osctl('ct new --distribution busybox bb')
    await scene.osctl('ct start bb')
  },
  { timeout: 5 * MINUTE },
)
after(async () => {
  await scene?.[Symbol.asyncDispose]()
  for (const name of [...servers.keys()]) await pull(name)
})

describe('bad input', { timeout: 4 * MINUTE }, () => {
  it('knows no unknown container, and says so in every verb', async () => {
    for (const command of [
      'show nope',
      'start nope',
      'stop nope',
      'restart nope',
      'del nope',
      'freeze nope',
      'set hostname nope x.y',
      'exec nope true',
      'log cat nope',
    ])
      await scene.refused(`ct ${command}`, /container not found/)
    await scene.refused('ct start none:bb', /pool not imported|container not found|pool not found/)
  })

  it('refuses illegal names and says what is legal', async () => {
    const whole = await scene.made('tank')
    const names = [
      '../x',
      '-rf',
      'a/b',
      '.',
      '..',
      '',
      'a b',
      'x'.repeat(200),
      'přílišný',
      '名前',
      'a\\nb',
      '$(reboot)',
      "'",
    ]
    for (const name of names) {
      const quoted = `$'${name.replaceAll("'", "\\'")}'`
      await scene.refused(
        `ct new --distribution busybox -- ${quoted}`,
        /invalid ID, allowed characters: a-z A-Z 0-9 _ -/,
      )
    }
    await scene.refused('ct import --as-id ../x /tank/none.tar', /invalid ID/)
    await scene.refused('repo add -- ../x http://10.0.2.2/', /invalid name/)
    for (const command of ['ct new -rf', 'pool install -rf', 'ct start -rf']) {
      const { status, text } = await scene.machine.run(`osctl ${command} 2>&1`)
      assert.equal(status, 64, `${command}: an option that is not known`)
      assert.match(text, /^error: unknown option '-rf?'/m)
    }
    await scene.refused('pool install -- ../x', /invalid pool name/)
    await scene.unchanged('tank', whole)
  })

  it('does not delete a running container without -f', async () => {
    await scene.refused('ct del bb', /the container is running, use -f/)
    assert.equal(await scene.column('bb', 'state'), 'running')
    await scene.refused('ct new --distribution busybox bb', /container tank:bb already exists/)
  })

  it('takes the start of a running and the stop of a stopped container as done', async () => {
    const pid = await scene.column('bb', 'init_pid')
    await scene.osctl('ct start bb')
    assert.equal(await scene.column('bb', 'init_pid'), pid)
    await scene.osctl('ct stop bb')
    await scene.osctl('ct stop bb')
    assert.equal(await scene.column('bb', 'state'), 'stopped')
    await scene.osctl('ct start bb')
  })

  it('answers malformed requests with an error each, and serves the next one', async () => {
    const lines = [
      'hello',
      '{',
      '[]',
      'null',
      '{"jsonrpc":"2.0","id":1}',
      '{"jsonrpc":"1.0","id":2,"method":"ping"}',
      '{"jsonrpc":"2.0","id":3,"method":"no.such"}',
      '{"jsonrpc":"2.0","id":4,"method":"__proto__"}',
      '{"jsonrpc":"2.0","id":5,"method":"ct.start","params":{"id":7}}',
      '{"jsonrpc":"2.0","id":6,"method":"ct.start","params":[1]}',
      '{"jsonrpc":"2.0","id":7,"method":"ct.start","params":{"id":"bb","other":1}}',
      '\u00ff\u00fe\u0000',
      '{"jsonrpc":"2.0","id":8,"method":"ping"}',
    ]
    const script = `
      const s = require('net').connect('/run/osctl/osctld.sock')
      s.setEncoding('utf8').on('data', (text) => process.stdout.write(text)).on('error', () => {})
      s.end(Buffer.from(${JSON.stringify(lines.map((line) => `${line}\n`).join(''))}, 'latin1'))`
    const text = await scene.sh(`cat > /run/rpc.cjs <<'END'\n${script}\nEND\nnode /run/rpc.cjs`)
    const answers = text
      .trim()
      .split('\n')
      .slice(1)
      .filter(Boolean)
      .map((line) => JSON.parse(line) as { id: number | null; error?: { message: string }; result?: unknown })
    assert.equal(answers.length, lines.length)
    for (const { id, error, result } of answers) {
      if (id === 8) assert.equal(result, 'pong')
      else assert.ok(error && !/\n|\s+at /.test(error.message), JSON.stringify(error))
    }
    const long = `const s = require('net').connect('/run/osctl/osctld.sock')
      s.setEncoding('utf8').on('data', (text) => process.stdout.write(text)).on('error', () => {})
      s.write('x'.repeat(3000000)); s.end()`
    assert.match(
      await scene.sh(`cat > /run/long.cjs <<'END'\n${long}\nEND\nnode /run/long.cjs`),
      /longer than 1048576 bytes/,
    )
    await scene.daemonLives()
  })
})

describe('a full pool', { timeout: 4 * MINUTE }, () => {
  const free = 'zfs list -Hp -o avail full'
  before(async () => {
    await scene.pool('full', '/dev/vdc')
    for (const ctid of ['kept', 'gone'])
      await scene.osctl(`ct new --pool full --distribution busybox ${ctid}`)
    await scene.osctl('ct start kept')
    await scene.osctl('ct start gone')
    await scene.sh(
      'zfs create -o compression=off full/fill; dd if=/dev/zero of=/full/fill/x bs=1M 2>/dev/null; dd if=/dev/zero of=/full/fill/y bs=4k 2>/dev/null; sync; true',
    )
    assert.ok(Number(await scene.sh(free)) < 1_000_000)
  })

  it('refuses a new container with one line, and makes nothing of it', async () => {
    const whole = await scene.made('full')
    const line = await scene.refused(
      'ct import --pool full --as-id more $(ls /full/repository/default/*.tar)',
      /no space|full|out of space/i,
    )
    assert.ok(line.length < 300)
    await scene.unchanged('full', whole)
    assert.equal(await scene.sh('zfs list -H -o name -r full/staging'), 'full/staging')
    await scene.daemonLives()
  })

  it('stops, starts and deletes containers, and verifies its log', async () => {
    await scene.osctl('ct stop kept')
    await scene.osctl('ct start kept')
    await scene.osctl('ct set attr kept my.org:colour green')
    await scene.osctl('ct del -f gone')
    assert.equal(await scene.osctl('ct ls -H -o id --pool full'), 'kept')
    assert.match(await scene.osctl('event verify --full full'), /ok/)
  })

  it('does again what it refused once there is room', async () => {
    await scene.sh('zfs destroy full/fill; zpool sync full')
    await scene.osctl('ct new --pool full --distribution busybox more')
    await scene.osctl('ct start more')
    await scene.osctl('ct del -f more')
    await scene.daemonLives()
  })
})

describe('a log that is away', { timeout: 4 * MINUTE }, () => {
  it('mounts the dataset of the log that was left unmounted', async () => {
    await scene.osctl('pool export -f full')
    await scene.sh('zfs unmount full/events')
    await scene.osctl('pool import full')
    assert.equal(await scene.osctl('ct ls -H -o id --pool full'), 'kept')
  })

  it('refuses a pool whose log cannot be mounted, is elsewhere, or is not there', async () => {
    await scene.osctl('pool export -f full')
    await scene.sh('zfs set mountpoint=none full/events')
    await scene.refused(
      'pool import full',
      /full\/events is not mounted on \/full\/events \(its mountpoint is none\)/,
    )
    assert.equal(await scene.sh('ls -A /full/events 2>/dev/null; true'), '', 'no second log')
    await scene.sh(
      'zfs inherit mountpoint full/events; zfs unmount full/events; zfs rename full/events full/away',
    )
    await scene.refused('pool import full', /full\/events is missing: this pool has no event log/)
    await scene.sh('zfs rename full/away full/events')
    await scene.osctl('pool import full')
    assert.equal(await scene.column('full:kept', 'my.org:colour'), 'green')
    await scene.osctl('pool export -f full')
    await scene.sh('zfs destroy -r full/events')
    await scene.refused('pool import full', /no event log/)
    assert.equal((await scene.machine.run('zfs list full/events')).status, 1, 'none is made in its place')
    await scene.daemonLives()
  })

  it('starts without it, tells of it, and serves the other pool', async () => {
    const pid = await scene.column('bb', 'init_pid')
    await scene.machine.run('sv -w 60 restart osctld', { timeoutMs: 2 * MINUTE })
    await scene.expectNewDaemon()
    await scene.eventually(
      'tank is back',
      async () => (await scene.machine.run('osctl pool show -H -o state tank')).text.trim() === 'active',
    )
    assert.equal(await scene.column('bb', 'init_pid'), pid)
    const { text } = await scene.machine.run('osctl healthcheck')
    assert.match(text, /full.*no event log/)
    await scene.sh('zpool destroy full')
  })
})

describe('a host that does not keep its promises', { timeout: 6 * MINUTE }, () => {
  it('shows a pool degraded whose sync is disabled', async () => {
    await scene.sh('zfs set sync=disabled tank')
    assert.match(await scene.osctl('pool show -H -o log,problem tank'), /degraded\nsync=disabled on tank/)
    await scene.osctl('ct set attr bb my.org:works yes')
    await scene.sh('zfs inherit sync tank')
    assert.match(await scene.osctl('pool show -H -o log tank'), /ok/)
  })

  for (const [name, device] of Object.entries(pulled)) {
    it(`with failmode=${name}, a disk that is pulled leaves reads, refuses changes, and harms no other pool`, async () => {
      await scene.pool(name, device, `-o failmode=${name}`)
      await scene.osctl(`ct new --pool ${name} --distribution busybox on-${name}`)
      await scene.osctl(`ct start on-${name}`)
      await pull(name)
      const change = await scene.machine.run(`osctl ct set attr on-${name} my.org:a b 2>&1`, {
        timeoutMs: MINUTE,
      })
      assert.match(change.text, /^error: [^\n]*(suspended|disk|I\/O|read-only|does not answer)[^\n]*\n$/)
      assert.equal(change.status, 1)
      await scene.refused(`ct set attr on-${name} my.org:a c`, /suspended|disk|I\/O|read-only/, 30_000)
      await scene.refused(
        `ct new --pool ${name} --distribution busybox more`,
        /suspended|disk|I\/O|read-only/,
        30_000,
      )
      assert.equal(await scene.osctl(`ct ls -H -o id,state --pool ${name}`, 30_000), `on-${name}   running`)
      assert.match(await scene.osctl(`pool show ${name}`, 30_000), /suspended|read-only/)
      await scene.osctl('ct set attr bb my.org:other pool', 30_000)
      // With failmode=wait, a sync of the host does not come back until the disk does.
      await scene.sh('(sync >/dev/null 2>&1 &); sleep 8')
      await scene.osctl('ct restart bb')
      await scene.daemonLives()
    })

    it(`and when the disk is back, with failmode=${name}, the pool goes on by itself`, async () => {
      await serve(name)
      await scene.machine.waitUntilSucceeds(`zpool clear ${name}`)
      const log = async (): Promise<string> => (await scene.osctl(`pool show -H -o log ${name}`)).trim()
      await scene.eventually('its log takes events', async () => (await log()) === 'ok', 2 * MINUTE)
      await scene.osctl(`ct set attr on-${name} my.org:a d`)
      assert.equal(await scene.column(`on-${name}`, 'my.org:a'), 'd')
      assert.match(await scene.osctl(`event verify --full ${name}`), /ok/)
      await scene.osctl(`ct restart on-${name}`)
      await scene.daemonLives()
    })
  }

  it('what ZFS wrote down of the pool that has its disk is of an effect, of upkeep, or of this test', async () => {
    await scene.attributed()
  })
})
