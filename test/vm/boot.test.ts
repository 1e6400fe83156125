/**
 * The live system boots, is what os/README.md says it is, survives a power cut and powers off: with the image of
 * os/out, in QEMU. Each machine is booted once and asked many things, because booting is what costs time.
 */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { join } from 'node:path'
import { test } from 'node:test'
import { boot, CommandError, createDisk, scratch } from './driver.ts'
import { serveDirectory } from './driver-http.ts'

const IMAGE = join(import.meta.dirname, '..', '..', 'os', 'out')
/** What os/README.md promises to be enough. */
const MINIMUM_MIB = 1024

/** A key pair: the private key as ssh reads it from a file, the public one as it stands in authorized_keys. */
function sshKey(): { privateKey: string; publicKey: string } {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const point = pair.publicKey.export({ format: 'der', type: 'spki' }).subarray(-65)
  const fields = [Buffer.from('ecdsa-sha2-nistp256'), Buffer.from('nistp256'), point].flatMap((field) => {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(field.length)
    return [length, field]
  })
  return {
    privateKey: pair.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
    publicKey: `ecdsa-sha2-nistp256 ${Buffer.concat(fields).toString('base64')} test`,
  }
}

test('the image boots from a disk, with its services up, and powers off', async (t) => {
  const dir = scratch()
  const disk = createDisk(join(dir, 'disk.img'), 4)
  const key = sshKey()
  const keys = Buffer.from(`${key.publicKey}\n`).toString('base64')
  const append = `osctl.hostname=node1 osctl.hostid=0badcafe osctl.sshkeys=${keys}`
  await using vm = boot({ dir, disks: [disk], append, memoryMiB: MINIMUM_MIB })
  t.diagnostic(`test shell after ${(await vm.waitForBoot()).toFixed(1)} s`)

  await t.test('the driver returns output byte by byte, statuses, and limits', async () => {
    const bytes = await vm.run('printf "\\000\\001\\377\\r\\n"; echo err >&2; exit 33')
    assert.deepEqual(bytes.output, Buffer.from([0, 1, 255, 13, 10, ...Buffer.from('err\n')]))
    assert.equal(bytes.status, 33)
    const long = 'x'.repeat(10_000)
    assert.equal(await vm.succeeds(`printf %s '${long}' | tail -c 20000`), long)
    await assert.rejects(vm.run('echo begun; sleep 60', { timeoutMs: 1500 }), (error) => {
      return error instanceof CommandError && error.result.text === 'begun\n'
    })
    assert.deepEqual(await Promise.all([vm.succeeds('echo 1'), vm.succeeds('echo 2')]), ['1', '2'])
  })

  await t.test('services are up', async () => {
    for (const service of ['udev', 'network', 'syslog', 'lxcfs', 'sshd']) {
      await vm.waitUntilSucceeds(`sv check /run/service/${service}`)
    }
    assert.match(await vm.succeeds('ip -4 -o addr show dev eth0'), /10\.0\.2\.15\/24/)
    await vm.succeeds('ping -c 1 -W 5 10.0.2.2')
    assert.match(await vm.succeeds('readlink /proc/1/exe'), /\/runit$/)
    await vm.succeeds('! sshd -T | grep -i "^passwordauthentication yes"')
    await vm.writeFile('/tmp/key', key.privateKey)
    await vm.succeeds('chmod 600 /tmp/key')
    const ssh = 'ssh -o StrictHostKeyChecking=no -o BatchMode=yes'
    assert.match(await vm.succeeds(`${ssh} -i /tmp/key root@127.0.0.1 id -u`), /^0$/m)
    await vm.fails(`${ssh} -o PubkeyAuthentication=no root@127.0.0.1 true`)
    assert.match(await vm.succeeds('passwd --status root'), /^root L/)
    assert.match(await vm.succeeds('. /etc/os-release; echo $ID $BUILD_ID'), /^vpsadminos [0-9a-f]{16}$/)
  })

  await t.test('one cgroup hierarchy, the system apart from containers', async () => {
    assert.equal(await vm.succeeds('stat -f -c %T /sys/fs/cgroup'), 'cgroup2fs')
    const enabled = (await vm.succeeds('cat /sys/fs/cgroup/cgroup.subtree_control')).split(' ')
    for (const controller of ['cpu', 'cpuset', 'io', 'memory', 'pids'])
      assert.ok(enabled.includes(controller))
    assert.equal(await vm.succeeds('cat /proc/1/cgroup'), '0::/')
    assert.equal(await vm.succeeds('cat /proc/self/cgroup'), '0::/system/service/testshell')
  })

  await t.test('the walls stand: AppArmor with our profile, LXCFS, signals not blocked', async () => {
    assert.equal(await vm.succeeds('cat /sys/module/apparmor/parameters/enabled'), 'Y')
    await vm.succeeds('grep -qx "osctl-ct (enforce)" /sys/kernel/security/apparmor/profiles')
    await vm.succeeds('grep -q MemTotal /var/lib/lxcfs/proc/meminfo')
    assert.match(await vm.succeeds('grep SigBlk /proc/$(pgrep -x runsv | head -n 1)/status'), /0{16}$/)
  })

  await t.test('the host is who it was told to be, and ZFS works', async () => {
    assert.equal(await vm.succeeds('hostname'), 'node1')
    assert.equal(await vm.succeeds('hostid'), '0badcafe')
    await vm.succeeds(
      'zpool create tank /dev/vdb && zfs create tank/data && echo kept > /tank/data/file && sync',
    )
    const [arc, memory] = (
      await vm.succeeds(
        'cat /sys/module/zfs/parameters/zfs_arc_max; awk "/MemTotal/ {print \\$2*1024}" /proc/meminfo',
      )
    ).split('\n')
    assert.ok(Number(arc) > 0 && Number(arc) <= Number(memory) / 4)
    assert.match(await vm.succeeds('zpool status -x'), /healthy/)
  })

  await t.test('what the image offers to containers is there', async () => {
    await vm.succeeds(
      'cd /usr/share/osctl/repository/v1 && test -s INDEX.json && ls */*/*/*/stable/image-archive.tar',
    )
    assert.equal(await vm.succeeds('stat -c %a /run/osctl; wc -c </etc/subuid'), '711\n0')
  })

  await t.test('poweroff ends it, with the pool exported', async () => {
    t.diagnostic(`off after ${(await vm.powerOff()).toFixed(1)} s`)
    assert.match(vm.consoleText(), /exporting pool tank/)
    assert.match(vm.consoleText(), /reboot: Power down/)
  })
})

test('a power cut loses nothing that was synced, and only pools of ours are taken', async (t) => {
  const dir = scratch()
  const disks = [createDisk(join(dir, 'ours.img'), 4), createDisk(join(dir, 'other.img'), 4)]
  {
    await using vm = boot({ dir: join(dir, 'first'), disks, append: 'osctl.pools=0' })
    await vm.waitForBoot()
    await vm.waitUntilSucceeds('sv check /run/service/pools')
    assert.equal(await vm.succeeds('zpool list -H -o name'), '', 'osctl.pools=0 leaves the disks alone')
    await vm.succeeds(
      'zpool create -O org.vpsadminos.osctl:active=yes ours /dev/vdb && zpool create other /dev/vdc',
    )
    await vm.succeeds('echo kept >/ours/file && sync && zpool export other')
    await vm.kill()
    assert.equal(vm.isRunning, false)
  }
  await using vm = boot({ dir, disks, append: 'osctl.createpool=third:/dev/vdb' })
  await vm.waitForBoot()
  await vm.waitUntilSucceeds('sv check /run/service/pools', 120_000)
  assert.equal(
    await vm.succeeds('zpool list -H -o name'),
    'ours',
    'neither the other pool nor one made over it',
  )
  assert.equal(await vm.succeeds('cat /ours/file'), 'kept')
  assert.match(await vm.succeeds('cat /var/log/pools/current'), /\/dev\/vdb is not blank/)

  await t.test('ssh host keys stay with the pool', async () => {
    await vm.waitUntilSucceeds('cmp /ours/.ssh-host-keys/ssh_host_ed25519_key /etc/ssh/ssh_host_ed25519_key')
  })
  await t.test('the power button powers off', async () => {
    await vm.succeeds('sv check /run/service/power')
    await vm.pressPowerButton()
    await vm.waitForExit()
    assert.match(vm.consoleText(), /exporting pool ours/)
  })
})

test('the root file system can come over HTTP, also when the transfer breaks', async (t) => {
  const dir = scratch()
  let broken = 0
  await using server = await serveDirectory(IMAGE, (request, response) => {
    if (request.url !== '/root.squashfs' || broken++ > 0) return false
    response.writeHead(200, { 'Content-Length': 1_000_000 })
    response.write(Buffer.alloc(1000), () => response.destroy())
    return true
  })
  await using vm = boot({ dir, root: `${server.url}/root.squashfs`, memoryMiB: MINIMUM_MIB })
  t.diagnostic(`test shell after ${(await vm.waitForBoot()).toFixed(1)} s`)
  assert.match(await vm.succeeds('dmesg'), /fetching http:\/\/10\.0\.2\.2:\d+\/root\.squashfs \(attempt 2\)/)
  assert.match(await vm.succeeds('cat /proc/cmdline'), /httproot=/)
  await vm.powerOff()
})

test('a root that cannot be had is told in one line, with a way out', async () => {
  const dir = scratch()
  await using server = await serveDirectory(IMAGE)
  await using vm = boot({ dir, root: `${server.url}/nothing-here` })
  await vm.waitForConsole(/BOOT FAILED: httproot=http:\S+nothing-here: .*404/, 90_000)
  await vm.typeOnConsole('i\n')
  await vm.waitForConsole('# ')
  await vm.typeOnConsole('echo the shell says $((40 + 2))\n')
  await vm.waitForConsole('the shell says 42')
  await vm.typeOnConsole('reboot -f\n')
  await vm.waitForExit()
})
