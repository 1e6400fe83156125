/** The stage on a simulated machine. */
import { simulatedHost } from '../../src/effects/simulated/host.ts'
import { SimulatedMachine } from '../../src/effects/simulated/machine.ts'
import { archiveSchema, containerKey } from '../../src/effects/simulated/state.ts'
import * as byHand from '../simulation/by-hand.ts'
import { CT, MOVED, POOL, SMALL, type Stage } from './stage.ts'

const ports = { now: () => 1_700_000_000_000, sleep: async () => undefined, random: () => 0.5 }

const rootfs = {
  'sbin/init': '-> ../bin/busybox',
  'bin/busybox': 'ELF',
  'bin/sleep': '-> busybox',
  'etc/hostname': 'x\n',
}

export function simulatedStage(): Stage {
  const machine = new SimulatedMachine({ now: ports.now })
  machine.addZpool(POOL)
  machine.addZpool(SMALL, { sizeBytes: 96 * 2 ** 20 })
  machine.addZpool(MOVED)
  const archives = { tar: '/usr/images/box.tar', zfs: '/usr/images/box.zfs.tar' }
  const told = { distribution: 'busybox', version: '1.37.0', arch: 'x86_64' }
  const archive = archiveSchema.parse({ format: 'tar', bytes: 1_000_000, rootfs, ...told })
  const exported = {
    format: 'zfs',
    container: 'old',
    version: '1',
    datasets: { var: {} },
    snapshots: ['base'],
  }
  machine.putFile(archives.tar, archive)
  machine.putFile(archives.zfs, archiveSchema.parse({ ...archive, ...exported }))
  return {
    host: simulatedHost(machine, ports),
    archives,
    async occupy(dataset) {
      machine.hold(dataset)
      return async () => machine.hold(dataset, false)
    },
    link: async (dataset, name) => machine.putFile(`/${dataset}/${name}`, '-> /'),
    hold: async (snapshot, held) => machine.holdSnapshot(snapshot, held),
    bookmark: async (snapshot, name) => machine.bookmark(snapshot, name),
    inside: async (ref, what) => machine.containerExits(ref, what === 'poweroff' ? 'stop' : what),
    startByHand: async (ref) => byHand.started(machine, ref),
    stubborn: async (isSo) => machine.setStubborn(CT.id, isSo),
    isPopulated: async (ref) => machine.state.containers[containerKey(ref)] !== undefined,
    fill: async () => machine.fill(SMALL),
    makeReadOnly: async () => machine.setZpool(SMALL, { readOnly: true }),
  }
}
