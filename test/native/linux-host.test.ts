/**
 * The whole Linux host on real ZFS, LXC and AppArmor: one container's life, and what may interrupt it.
 *
 * It wants a machine to itself: OSCTL_TEST_POOL names a zpool to work on (the live system in QEMU has both).
 * OSCTL_TEST_HELPER and OSCTL_TEST_HOOKS name the helper's bundle and the hooks where the sources are not.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { ContainerSpec, Fence, HookReport, Host } from '../../src/effects/host.ts'
import { linuxHost } from '../../src/effects/linux/index.ts'
import { directory, file, image, symlink, tar } from '../unit/effects/linux/archives.ts'

const pool = process.env['OSCTL_TEST_POOL'] ?? ''
const skip = pool === '' ? 'needs a zpool of its own, named by OSCTL_TEST_POOL' : false
const map = { first: 3_000_000, count: 65_536 }
const spec: ContainerSpec = {
  pool,
  id: '01JDTEST00000000000000HST1',
  ctid: 'hosttest',
  user: 'hosttest',
  group: '/default',
  map,
  dataset: `${pool}/ct/hosttest`,
  hostname: 'host-test',
  distribution: 'busybox',
  version: '1',
  arch: 'x86_64',
  initCmd: null,
}
const staging = `${pool}/staging/hosttest`
const lxcPath = `/run/osctl/pools/${pool}/containers`
const reports: HookReport[] = []
const messages: string[] = []
let host: Host
let endWatch: (() => Promise<void>) | undefined
let serial = 0
const fence = (signal = new AbortController().signal): Fence => ({
  intent: `01JDTEST00000000000000HST0.${++serial}`,
  signal,
})
const run = (program: string, ...args: string[]): string =>
  execFileSync(program, args, { encoding: 'utf8' }).trim()
const inside = (...argv: string[]): string => run('lxc-attach', '-P', lxcPath, '-n', spec.ctid, '--', ...argv)

async function eventually(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 300; i++) {
    if (await holds()) return
    await delay(100)
  }
  assert.fail(`never: ${what}`)
}

async function remove(name: string): Promise<void> {
  await host.zfs.unmount(name)
  const seen = await host.zfs.get(name)
  if (seen) await host.zfs.destroy(name, seen.guid, fence())
}

async function start(name: string): Promise<void> {
  await host.materialise.container(spec, name)
  const evidence = await host.lxc.start(spec, name, 120, fence())
  assert.deepEqual(await host.lxc.inspect(spec), { state: 'running', run: evidence, runName: name })
}

/** A root file system around the host's own static busybox. */
function rootfs(): Buffer {
  const inittab = '::respawn:/bin/sleep 1000\n::ctrlaltdel:/bin/reboot\n'
  const applets = ['sh', 'sleep', 'reboot', 'poweroff', 'cat', 'touch', 'stat', 'hostname', 'grep', 'chown']
  return tar(
    ...['./', 'bin', 'sbin', 'etc', 'proc', 'sys', 'dev', 'tmp', 'root', 'run'].map(directory),
    { name: 'bin/busybox', data: readFileSync('/bin/busybox'), mode: 0o755 },
    ...applets.map((name) => symlink(`bin/${name}`, 'busybox')),
    symlink('sbin/init', '../bin/busybox'),
    file('etc/inittab', inittab),
    file('etc/passwd', 'root:x:0:0::/root:/bin/sh\n'),
  )
}

before(async () => {
  if (skip) return
  const { OSCTL_TEST_HELPER: helper, OSCTL_TEST_HOOKS: hooks } = process.env
  const log = (message: string): void => void messages.push(message)
  host = await linuxHost({ ...(helper ? { helper } : {}), ...(hooks ? { hooks } : {}), log })
  await host.materialise.host()
  for (const name of ['ct', 'log', 'staging']) {
    if (!(await host.zfs.get(`${pool}/${name}`)))
      await host.zfs.create(`${pool}/${name}`, { mount: true, properties: {} }, fence())
  }
  await host.zfs.directories(`${pool}/ct`, { '.': 0o511 }, fence())
  await host.materialise.pool(pool, pool)
  await host.materialise.users([{ pool, name: spec.user, map }])
  await remove(spec.dataset)
  await remove(staging)
  endWatch = await host.watchSpool((report) => report.id === spec.id && reports.push(report))
})

after(async () => {
  if (skip) return
  await host.lxc.stop(spec, 'kill', 0, fence()).catch(() => undefined)
  await host.materialise.forgetContainer(spec)
  await remove(spec.dataset)
  await endWatch?.()
  await host.close()
})

test('an image becomes a dataset: staged, unpacked, published by rename', { skip }, async () => {
  const archive = `/run/osctl/test-${process.pid}.tar`
  writeFileSync(archive, image(rootfs()))
  await host.zfs.create(staging, { mount: true, properties: { canmount: 'noauto', 'a:b': 'tab\t' } }, fence())
  await host.zfs.directories(staging, { '.': 0o770, private: 0o755 }, fence())
  const counts = await host.images.unpack(archive, staging, map, fence())
  assert.equal(counts.skippedDevices, 0)
  const before = await host.zfs.get(staging)
  assert.equal(before?.properties['a:b'], 'tab\t')
  await assert.rejects(host.zfs.create(staging, { mount: false, properties: {} }, fence()), {
    code: 'E_EXISTS',
  })
  await host.zfs.rename(staging, spec.dataset, fence())
  assert.equal(await host.zfs.get(staging), null)
  assert.equal((await host.zfs.get(spec.dataset))?.guid, before?.guid)
  run('rm', archive)
})

test('it starts confined, with its own ids, name and figures', { skip }, async () => {
  await start('run1')
  assert.equal(inside('hostname'), 'host-test')
  assert.equal(inside('cat', '/etc/hostname'), 'host-test')
  assert.match(inside('cat', '/proc/1/attr/current'), /^osctl-ct \(enforce\)/)
  assert.match(inside('cat', '/proc/mounts'), /^lxcfs \/proc\/meminfo /m)
  inside('touch', '/mine')
  assert.equal(inside('stat', '-c', '%u', '/mine'), '0')
  assert.equal(run('stat', '-c', '%u', `/${spec.dataset}/private/mine`), '0')
})

test('its start, once done, cannot be fenced away, and starting it again is no second start', {
  skip,
}, async () => {
  const seen = await host.lxc.inspect(spec)
  await host.fence(`01JDTEST00000000000000HST0.${serial}`)
  assert.deepEqual(await host.lxc.start(spec, 'run1', 60, fence()), seen.run)
  await assert.rejects(host.lxc.start(spec, 'run2', 60, fence()), { code: 'E_REFUSED' })
})

test('it freezes and thaws, twice each, and LXC sees it too', { skip }, async () => {
  for (const _ of [1, 2]) await host.lxc.freeze(spec, fence())
  assert.equal((await host.lxc.inspect(spec)).state, 'frozen')
  assert.equal(run('lxc-info', '-P', lxcPath, '-n', spec.ctid, '-sH'), 'FROZEN')
  await assert.rejects(host.lxc.stop(spec, 'shutdown', 5, fence()), /frozen, unable to shutdown/)
  for (const _ of [1, 2]) await host.lxc.thaw(spec, fence())
  assert.equal((await host.lxc.inspect(spec)).state, 'running')
})

test('a reboot from inside keeps run, confinement and a root that it may write to', { skip }, async () => {
  const { run: first } = await host.lxc.inspect(spec)
  // The reboot may kill what attached before that has its exit status.
  try {
    inside('reboot')
  } catch {}
  await eventually('a second init runs', async () => {
    const seen = await host.lxc.inspect(spec)
    return seen.state === 'running' && seen.run?.initPid !== first?.initPid
  })
  assert.equal((await host.lxc.inspect(spec)).runName, 'run1')
  inside('touch', '/after-reboot')
  assert.match(inside('cat', '/proc/1/attr/current'), /^osctl-ct/)
  await eventually('the hooks said so', () =>
    reports.some(({ last, inits }) => last === 'started' && inits === 2),
  )
})

test('it stops cleanly, and stopping it again finds nothing', { skip }, async () => {
  assert.equal(await host.lxc.stop(spec, 'stop', 30, fence()), 'clean')
  assert.deepEqual(await host.lxc.inspect(spec), { state: 'stopped', run: null, runName: null })
  assert.equal(await host.lxc.stop(spec, 'stop', 30, fence()), 'gone')
  await eventually('the hook said so', () => reports.at(-1)?.last === 'stop')
})

test('a container keeps the mode of its own root directory over a start', { skip }, async () => {
  run('chmod', '750', `/${spec.dataset}/private`)
  await start('run2')
  assert.equal(run('stat', '-c', '%a', `/${spec.dataset}/private`), '750')
  assert.equal(inside('stat', '-c', '%a', '/'), '750')
})

test('a killed monitor is noticed without any hook', { skip }, async () => {
  const empty = Promise.withResolvers<void>()
  host.watchRun(spec, () => empty.resolve())
  const cgroup = `/sys/fs/cgroup/osctl/pool.${pool}/group.default/user.hosttest/ct.hosttest/monitor/cgroup.procs`
  process.kill(Number(readFileSync(cgroup, 'utf8').split('\n')[0]), 'SIGKILL')
  await Promise.race([empty.promise, delay(20_000).then(() => assert.fail('not noticed'))])
  assert.equal((await host.lxc.inspect(spec)).state, 'stopped')
})

test('a start that fails says why in one line and leaves nothing', { skip }, async () => {
  const bad = { ...spec, initCmd: ['/no/such/init'] }
  await host.materialise.container(bad, 'run3')
  await assert.rejects(host.lxc.start(bad, 'run3', 60, fence()), {
    code: 'E_FAILED',
    message: /^cannot start hosttest: No such file or directory - Failed to exec "\/no\/such\/init"[^\n]*$/,
  })
  assert.equal((await host.lxc.inspect(spec)).state, 'stopped')
})

test('a half-started container goes with its intent', { skip }, async () => {
  const slow = '/run/osctl/test-slow'
  writeFileSync(slow, 'sleep 1000\n')
  await host.materialise.container(spec, 'run4')
  appendFileSync(`${lxcPath}/${spec.ctid}/config`, `lxc.hook.start-host = /bin/sh ${slow}\n`)
  const of = fence()
  const started = host.lxc.start(spec, 'run4', 120, of).catch((error: unknown) => error)
  await eventually('it is starting', async () => (await host.lxc.inspect(spec)).state === 'starting')
  await eventually('its init exists', async () => (await host.lxc.inspect(spec)).run !== null)
  assert.ok((await host.fence(of.intent)) > 0)
  assert.ok((await started) instanceof Error)
  assert.equal((await host.lxc.inspect(spec)).state, 'stopped')
  await start('run5')
  assert.equal(await host.lxc.stop(spec, 'kill', 0, fence()), 'killed')
})

test('a hostile /etc/hostname is left alone, and said', { skip }, async () => {
  const path = `/${spec.dataset}/private/etc/hostname`
  run('ln', '-sf', '/etc/passwd', path)
  messages.length = 0
  await host.materialise.container({ ...spec, hostname: 'other' }, 'run6')
  assert.match(messages.join('\n'), /hostname is left alone, it is not a regular file/)
  run('rm', path)
})

test('only the dataset that was meant is destroyed, and only when nothing needs it', { skip }, async () => {
  const { zfs } = host
  const clone = `${pool}/ct/hosttest-clone`
  const guid = (await zfs.get(spec.dataset))?.guid ?? ''
  await assert.rejects(zfs.destroy(spec.dataset, guid, fence()), { code: 'E_BUSY', failure: 'transient' })
  await zfs.snapshot(`${spec.dataset}@base`, fence(), { 'org.vpsadminos.test:head': '1:ab' })
  await zfs.snapshot(`${spec.dataset}@bare`, fence())
  const snapshots = await zfs.snapshots(spec.dataset)
  assert.deepEqual(
    snapshots.map(({ name, properties }) => [name, properties['org.vpsadminos.test:head']]),
    [
      [`${spec.dataset}@base`, '1:ab'],
      [`${spec.dataset}@bare`, undefined],
    ],
  )
  assert.deepEqual(await zfs.snapshots(`${spec.dataset}/none`), [])
  await zfs.clone(`${spec.dataset}@base`, clone, { canmount: 'noauto' }, fence())
  await zfs.unmount(spec.dataset)
  await assert.rejects(zfs.destroy(spec.dataset, guid, fence()), { code: 'E_REFUSED', message: /clone/ })
  await assert.rejects(zfs.destroy(clone, guid, fence()), {
    code: 'E_REFUSED',
    message: /it is not ours/,
  })
  await remove(clone)
  await zfs.destroy(clone, guid, fence())
  run('zfs', 'hold', 'keep', `${spec.dataset}@base`)
  await assert.rejects(zfs.destroy(spec.dataset, guid, fence()), { code: 'E_BUSY', message: /hold keep/ })
  run('zfs', 'release', 'keep', `${spec.dataset}@base`)
  await host.materialise.forgetContainer(spec)
  await zfs.destroy(spec.dataset, guid, fence())
  assert.equal(await zfs.get(spec.dataset), null)
})
