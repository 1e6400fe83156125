/**
 * The machine that a newcomer tries the system on: one zpool `tank`, and the repository `default` with the
 * two images that the live system carries. Latencies are of the order of a small real machine.
 */
import { encodeArchive, sha256 } from './filesystem.ts'
import { SimulatedMachine } from './machine.ts'
import { type Archive, archiveSchema } from './state.ts'

/** Where the live system, too, keeps its built-in repository. */
export const DEFAULT_REPOSITORY = '/usr/share/osctl/repository'

const busybox = archiveSchema.parse({
  format: 'tar',
  bytes: 2_200_000,
  distribution: 'busybox',
  version: '1.37',
  arch: 'x86_64',
  rootfs: {
    'bin/busybox': 'ELF busybox',
    'bin/sh': '-> busybox',
    'sbin/init': '-> ../bin/busybox',
    'etc/hostname': 'busybox\n',
    'etc/inittab': '::sysinit:/bin/true\n',
    'etc/passwd': 'root:x:0:0:root:/root:/bin/sh\n',
  },
})

const debian = archiveSchema.parse({
  format: 'tar',
  bytes: 158_000_000,
  distribution: 'debian',
  version: '13',
  arch: 'x86_64',
  rootfs: {
    'usr/lib/systemd/systemd': 'ELF systemd',
    'usr/sbin/init': '-> ../lib/systemd/systemd',
    sbin: '-> usr/sbin',
    'etc/debian_version': '13.0\n',
    'etc/hostname': 'debian\n',
    'etc/os-release': 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n',
  },
})

const pathOf = (image: Archive): string =>
  `vpsadminos/minimal/${image.arch}/${image.distribution}/${image.version}/image-archive.tar`

/** Adds the repository `default` to a machine, in the layout of vpsadminos §5.4. */
export function addDefaultRepository(machine: SimulatedMachine, url: string = DEFAULT_REPOSITORY): void {
  const images = [busybox, debian]
  const index = {
    vendors: { default: 'vpsadminos', vpsadminos: 'minimal' },
    images: images.map((image) => ({
      vendor: 'vpsadminos',
      variant: 'minimal',
      arch: image.arch,
      distribution: image.distribution,
      version: image.version,
      tags: ['stable'],
      image: { tar: pathOf(image) },
      sha256: { tar: sha256(encodeArchive(image)) },
    })),
  }
  const files = Object.fromEntries(images.map((image) => [pathOf(image), image]))
  machine.addImageRepository(url, index, files)
}

export function createSandbox(
  options: { seed?: number; hostName?: string; now?: () => number } = {},
): SimulatedMachine {
  const machine = new SimulatedMachine({ hostName: 'sandbox', ...options })
  machine.addZpool('tank')
  addDefaultRepository(machine)
  return machine
}

const LATENCY_MS: Readonly<Record<string, number>> = {
  'lxc.start': 300,
  'lxc.stop': 200,
  'lxc.freeze': 20,
  'lxc.thaw': 20,
  'images.fetch': 300,
  'images.unpack': 400,
  'images.receive': 300,
  'zfs.create': 20,
  'zfs.clone': 15,
  'zfs.rename': 20,
  'zfs.snapshot': 10,
  'zfs.destroy': 30,
  'zfs.set': 5,
}

/** Latency of the sandbox's calls, ms, give or take a fifth. */
export const sandboxLatency = (op: string, random: () => number): number =>
  (LATENCY_MS[op] ?? 1) * (0.8 + 0.4 * random())
