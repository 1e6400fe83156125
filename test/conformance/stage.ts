/**
 * A host to play scripts on, and what a script needs beside the port: what other programs, the admin and the
 * container's own processes do. Two stand behind it, `simulated.ts` and `linux.ts`.
 */
import type { ContainerRef, ContainerSpec, Host } from '../../src/effects/host.ts'

/** Pool that the scripts have for themselves; it is `<ds>`, too. */
export const POOL = 'conf'
/** Pool that a script may fill or make read-only. */
export const SMALL = 'small'
/** Pool on a disk of its own, that a script may let go from ZFS and take back. */
export const MOVED = 'moved'

export const CT: ContainerRef = { pool: POOL, id: '01J000000000000000000000CT', ctid: 'box' }
export const SPEC: ContainerSpec = {
  ...CT,
  user: 'box',
  group: '/default',
  map: { first: 1_000_000, count: 65_536 },
  dataset: `${POOL}/ct/box`,
  hostname: 'box',
  distribution: 'busybox',
  version: '1.37',
  arch: 'x86_64',
  initCmd: null,
}
/** Takes no signal: what is pid 1 gets none that it has no handler for. */
export const STUBBORN: ContainerSpec = { ...SPEC, initCmd: ['/bin/sleep', '1000'] }

export interface Stage {
  readonly host: Host
  /** Archives: of a root file system, and of two datasets as `zfs send` writes them. */
  readonly archives: { readonly tar: string; readonly zfs: string }
  /** Something has its working directory in the dataset's mount, until the answer is called. */
  occupy(dataset: string): Promise<() => Promise<void>>
  /** In a mounted dataset lies a symlink that leads to `/`. */
  link(dataset: string, name: string): Promise<void>
  /** `zfs hold` and `zfs release` */
  hold(snapshot: string, held: boolean): Promise<void>
  /** `zfs bookmark` */
  bookmark(snapshot: string, name: string): Promise<void>
  /** The same end inside of the container; resolves when it is over. */
  inside(ref: ContainerRef, what: 'poweroff' | 'reboot' | 'crash'): Promise<void>
  /** `lxc-start`; resolves when its init runs. */
  startByHand(ref: ContainerRef): Promise<void>
  /** The init of the container with this specification takes no signal (or does again). */
  stubborn(isSo: boolean): Promise<void>
  /** Are there processes in the container's cgroup? */
  isPopulated(ref: ContainerRef): Promise<boolean>
  /** Leaves no room on the pool `small`. */
  fill(): Promise<void>
  /** The pool `small` is imported anew, read-only. */
  makeReadOnly(): Promise<void>
}
