/**
 * Heads of a log leave the machine: to another host's osctld over ssh, to a syslog server, to the host's own syslog.
 * Two machines; the first one reaches the second by QEMU's network. Root of the first then takes the log back to an
 * older state and removes all that the host itself knows of the newer one: what the other host kept tells. And the
 * first one's log is read from ZFS snapshots that were taken while osctld wrote it.
 */
import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { MINUTE, Scene } from './scene.ts'

/** As guests see the machine that QEMU runs on. */
const GATEWAY = '10.0.2.2'
const SSH = 22
const SYSLOG = 514
const SNAPSHOTS = '/tank/events/.zfs/snapshot'

let node1: Scene
let node2: Scene
let [sshPort, syslogPort] = [0, 0]

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
}

async function machine(number: number, pool: string, forward: Record<number, number>): Promise<Scene> {
  const append = `osctl.hostname=node${number}`
  const scene = await Scene.boot([4], { append, forward, mac: `52:54:00:12:34:0${number}`, memoryMiB: 2048 })
  await scene.pool(pool, '/dev/vdb')
  return scene
}

/** node2 takes heads from a key that may do nothing else, and node1 knows node2's key. */
async function introduce(): Promise<void> {
  await node1.sh('mkdir -m 700 /tank/witness && ssh-keygen -q -t ed25519 -N "" -f /tank/witness/key')
  const key = (await node1.sh('cat /tank/witness/key.pub')).trim()
  await node2.sh('install -d -m 700 /root/.ssh')
  await node2.machine.writeFile(
    '/root/.ssh/authorized_keys',
    `command="osctl witness keep",restrict ${key}\n`,
  )
  const host = await node2.machine.waitUntilSucceeds(
    'cat /etc/ssh/ssh_host_ed25519_key.pub && sv status sshd',
  )
  const [kind, value] = host.split(' ')
  await node1.machine.writeFile('/tank/witness/known', `[${GATEWAY}]:${sshPort} ${kind} ${value}\n`)
}

/** `SEQ:HASH` that a witness was sent just now. */
const sent = async (name: string): Promise<string> => (await node1.osctl(`witness test ${name}`)).trim()
const hashOf = (head: string): string => head.split(':')[1] ?? 'none'

before(
  async () => {
    sshPort = await freePort()
    syslogPort = await freePort()
    const [one, two] = await Promise.all([
      machine(1, 'tank', {}),
      machine(2, 'vault', { [sshPort]: SSH, [syslogPort]: SYSLOG }),
    ])
    node1 = one
    node2 = two
    await introduce()
  },
  { timeout: 10 * MINUTE },
)
after(async () => {
  await node1?.[Symbol.asyncDispose]()
  await node2?.[Symbol.asyncDispose]()
})

describe('witnesses of a log', { timeout: 20 * MINUTE }, () => {
  it("another host's osctld keeps heads that come by ssh", async () => {
    const files = '--key-file /tank/witness/key --known-hosts-file'
    await node1.osctl(`witness add stranger ssh:root@${GATEWAY}:${sshPort} ${files} /dev/null`)
    await node1.refused('witness test stranger', /[Hh]ost key verification failed|No .* host key is known/)
    await node1.osctl('witness del stranger')
    await node1.osctl(`witness add node2 ssh:root@${GATEWAY}:${sshPort} ${files} /tank/witness/known`)
    const head = await sent('node2')
    const kept = JSON.parse((await node2.osctl('witness heads tank')).trim().split('\n').at(-1) ?? '')
    assert.equal(`${kept.seq}:${kept.hash}`, head)
    assert.equal(kept.host, 'node1')
    assert.match(await node2.osctl('event ls --type HeadKept'), /tank/)
  })

  it("a syslog server and the host's own syslog have them, and one where nobody listens is told", async () => {
    await node1.osctl('witness add local syslog')
    const told = hashOf(await sent('local'))
    await node1.machine.waitUntilSucceeds(`grep ${told} /var/log/messages`)
    await node2.sh(`(busybox nc -l -p ${SYSLOG} >/run/got 2>&1 &)`)
    await node1.osctl(`witness add logs syslog:${GATEWAY}:${syslogPort}`)
    const head = hashOf(await sent('logs'))
    await node2.machine.waitUntilSucceeds(`grep ${head} /run/got`)
    await node1.sh('sv stop syslog && rm -f /dev/log')
    await node1.refused('witness test local', /\/dev\/log/)
    await node1.sh('sv start syslog')
    await node1.machine.waitUntilSucceeds('osctl witness test local')
  })

  it('snapshots of the log that were taken while osctld wrote it are read as they are', async () => {
    await node1.sh('(osctl ct new --distribution busybox bb >/run/new.log 2>&1 &)')
    await node1.machine.waitUntilSucceeds('osctl op ls -H -o command | grep -q "ct new"')
    const shots = [1, 2, 3, 4].map(
      (n) => `zfs snapshot tank/events@run${n}; osctl pool set attr tank my.org:n ${n}`,
    )
    await node1.sh(shots.join('; '), 2 * MINUTE)
    const replay = (shot: string, command: string) =>
      node1.osctl(`replay --pool-snapshot ${SNAPSHOTS}/${shot} ${command}`)
    assert.match(await replay('run1', 'op ls -H -o command,state'), /ct new/, 'in the middle of a run')
    for (const shot of ['run1', 'run4']) assert.match(await replay(shot, ''), /chain: +verified/)
    await node1.machine.waitUntilSucceeds('test "$(osctl ct show -H -o state bb)" = stopped')
    await node1.sh('zfs snapshot tank/events@end')
    assert.equal(await replay('end', 'ct ls -H -o id,state'), await node1.osctl('ct ls -H -o id,state'))
    assert.match(await replay('end', 'history'), /osctl ct new --distribution busybox bb/)
    await node1.refused(`replay --pool-snapshot ${SNAPSHOTS}/none`, /no such directory/)
  })

  it('every change that ZFS wrote down is of an effect, of upkeep, or of this test', async () => {
    for (const node of [node1, node2]) await node.attributed()
  })

  it('a log that root took back to an older state is told by what the other host kept', async () => {
    const head = await sent('node2')
    await node1.osctl('pool export tank')
    await node1.sh('zfs rollback -r tank/events@run1 && zfs inherit org.vpsadminos.osctl:head tank')
    await node1.osctl('pool import tank')
    assert.match(
      await node1.osctl('event verify --full tank'),
      /\bok\b/,
      'the host itself knows nothing of it',
    )
    await node1.machine.writeFile('/run/heads', `${await node2.osctl('witness heads tank')}\n`)
    const { text } = await node1.machine.fails('osctl event verify tank --against /run/heads', {
      timeoutMs: MINUTE,
    })
    const [, newest] = /its end is lost, or an older copy .* once (\d+) \(the head kept at/.exec(text) ?? []
    // The export that followed had the witness told once more.
    assert.ok(Number(newest) >= Number(head.split(':')[0]), text)
    await node1.refused('witness test node2', /kept, but/)
  })
})
