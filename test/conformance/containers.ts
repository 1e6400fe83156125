/** Scripts of calls of the port to LXC, on one container that is made by the first of them. */
import type { ContainerSpec } from '../../src/effects/host.ts'
import { CT, POOL, SPEC, STUBBORN } from './stage.ts'
import type { Script, Transcript } from './transcript.ts'

const TIMEOUT_S = 60

async function run(t: Transcript, name: string, spec: ContainerSpec = SPEC): Promise<void> {
  await t.materialise.container(spec, name)
  await t.lxc.start(spec, name, TIMEOUT_S, t.fence)
}

export const CONTAINERS: readonly Script[] = [
  {
    name: 'a root file system',
    async play(t) {
      await t.materialise.host()
      await t.materialise.users([{ pool: POOL, name: 'box', map: SPEC.map }])
      await t.materialise.container(SPEC, 'r0')
      await t.materialise.pool(POOL, POOL)
      await t.materialise.container(SPEC, 'r0')
      await t.zfs.create(SPEC.dataset, { mount: true, properties: { canmount: 'noauto' } }, t.fence)
      await t.materialise.container(SPEC, 'r0')
      await t.lxc.start(SPEC, 'r0', TIMEOUT_S, t.fence)
      await t.look(CT, 'without')
      await t.zfs.directories(SPEC.dataset, { '.': 0o770, private: 0o755 }, t.fence)
      await run(t, 'r0')
      await t.look(CT, 'without')
      for (const file of [t.stage.archives.tar, t.stage.archives.zfs, '/run/none.tar']) {
        await t.images.stat(file)
        await t.images.inspect(file)
      }
      await t.images.unpack(t.stage.archives.tar, SPEC.dataset, SPEC.map, t.fence)
      await t.images.unpack(t.stage.archives.tar, `${POOL}/ct/none`, SPEC.map, t.fence)
      await t.zfs.unmount(SPEC.dataset)
      await t.images.unpack(t.stage.archives.tar, SPEC.dataset, SPEC.map, t.fence)
      await t.look(CT, 'without')
    },
  },
  {
    name: 'start and stop',
    async play(t) {
      await t.lxc.stop(CT, 'stop', TIMEOUT_S, t.fence)
      await run(t, 'r1')
      await t.look(CT)
      await t.see(SPEC.dataset)
      await t.lxc.start(SPEC, 'r1', TIMEOUT_S, t.fence)
      await t.lxc.start(SPEC, 'r2', TIMEOUT_S, t.fence)
      await t.materialise.forgetContainer(CT)
      await t.look(CT)
      // It has mounts of its own.
      await t.zfs.unmount(SPEC.dataset)
      await t.zfs.rename(SPEC.dataset, `${POOL}/ct/other`, t.fence)
      await t.zfs.rename(`${POOL}/ct/other`, SPEC.dataset, t.fence)
      await t.zfs.destroy(SPEC.dataset, await t.guidOf(SPEC.dataset), t.fence)
      await t.see(SPEC.dataset)
      await t.lxc.stop(CT, 'stop', TIMEOUT_S, t.fence)
      await t.look(CT)
      await t.see(SPEC.dataset)
      await t.lxc.stop(CT, 'stop', TIMEOUT_S, t.fence)
      await t.lxc.stop(CT, 'kill', 0, t.fence)
      await run(t, 'r3')
      await t.lxc.stop(CT, 'shutdown', TIMEOUT_S, t.fence)
      await run(t, 'r4')
      await t.lxc.stop(CT, 'kill', 0, t.fence)
      await t.look(CT)
      await run(t, 'r5')
      await t.lxc.stop(CT, 'stop', 0, t.fence)
      await t.look(CT)
    },
  },
  {
    name: 'an init that does not react',
    async play(t) {
      await t.stage.stubborn(true)
      await run(t, 's1', STUBBORN)
      await t.lxc.stop(CT, 'shutdown', 2, t.fence)
      await t.look(CT)
      await t.lxc.stop(CT, 'stop', 2, t.fence)
      await t.look(CT)
      await t.stage.stubborn(false)
      await run(t, 's2', { ...SPEC, initCmd: ['/no/such/init'] })
      await t.look(CT, 'without')
    },
  },
  {
    name: 'freeze and thaw',
    async play(t) {
      await t.lxc.freeze(CT, t.fence)
      await t.lxc.thaw(CT, t.fence)
      await run(t, 'f1')
      await t.lxc.thaw(CT, t.fence)
      await t.lxc.freeze(CT, t.fence)
      await t.look(CT)
      await t.lxc.freeze(CT, t.fence)
      await t.lxc.start(SPEC, 'f1', TIMEOUT_S, t.fence)
      await t.lxc.stop(CT, 'shutdown', 5, t.fence)
      await t.look(CT)
      await t.lxc.thaw(CT, t.fence)
      await t.look(CT)
      await t.lxc.freeze(CT, t.fence)
      await t.lxc.stop(CT, 'stop', 5, t.fence)
      await t.look(CT)
      await run(t, 'f2')
      await t.lxc.freeze(CT, t.fence)
      await t.lxc.stop(CT, 'kill', 0, t.fence)
      await t.look(CT)
    },
  },
  {
    name: 'what a container does by itself',
    async play(t) {
      await run(t, 'i1')
      await t.by('it reboots', () => t.stage.inside(CT, 'reboot'))
      await t.look(CT)
      await t.by('it powers off', () => t.stage.inside(CT, 'poweroff'))
      await t.look(CT)
      await run(t, 'i2')
      await t.look(CT)
      await t.by('it is killed with its monitor', () => t.stage.inside(CT, 'crash'))
      await t.look(CT)
      await t.lxc.stop(CT, 'stop', 5, t.fence)
    },
  },
  {
    name: 'a container that is started by hand',
    async play(t) {
      await run(t, 'h0')
      await t.lxc.stop(CT, 'stop', TIMEOUT_S, t.fence)
      await t.materialise.container(SPEC, 'h1')
      await t.by('lxc-start', () => t.stage.startByHand(CT))
      await t.look(CT, 'without')
      await t.lxc.start(SPEC, 'h1', TIMEOUT_S, t.fence)
      await t.lxc.freeze(CT, t.fence)
      await t.look(CT, 'without')
      await t.lxc.thaw(CT, t.fence)
      await t.by('it reboots', () => t.stage.inside(CT, 'reboot'))
      await t.look(CT, 'without')
      await t.lxc.stop(CT, 'stop', TIMEOUT_S, t.fence)
      await t.look(CT, 'without')
      await run(t, 'h2')
      await t.lxc.stop(CT, 'stop', TIMEOUT_S, t.fence)
    },
  },
  {
    name: 'a container that is gone',
    async play(t) {
      await t.zfs.unmount(SPEC.dataset)
      await t.see(SPEC.dataset)
      await t.materialise.forgetContainer(CT)
      await t.materialise.forgetContainer(CT)
      await t.look(CT)
      await t.lxc.start(SPEC, 'g1', TIMEOUT_S, t.fence)
      await t.lxc.stop(CT, 'stop', 5, t.fence)
      await t.lxc.freeze(CT, t.fence)
      await t.materialise.forgetPool(POOL)
      await t.materialise.forgetPool(POOL)
      await t.materialise.container(SPEC, 'g2')
    },
  },
]
