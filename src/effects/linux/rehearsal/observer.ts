/** Where a rehearsal begins: the host as it is now, looked at and left alone. */
import type { ContainerRef, ContainerSeen, Dataset, Host, ImageInspection } from '../../host.ts'
import type { Stage } from '../../rehearsal.ts'
import type { System } from '../system.ts'
import type { Mount } from '../zfs-parse.ts'

export type Observer = {
  bootId(): string
  dataset(name: string): Promise<Dataset | null>
  /** File systems below, without itself. */
  below(name: string): Promise<Dataset[]>
  /** Snapshots of one dataset. */
  snapshots(name: string): Promise<Dataset[]>
  mounts(): Promise<Mount[]>
  read(path: string): Promise<string | null>
  isDirectory(path: string): Promise<boolean>
  names(path: string): Promise<string[]>
  ownerOf(path: string): Promise<number>
  inspect(ref: ContainerRef): Promise<ContainerSeen>
  cgroupOf(ref: ContainerRef): Promise<string | null>
  archive(file: string): Promise<{ bytes: number; sha256: string } | null>
  /** What an archive holds; null when it cannot be read now. */
  contents(file: string): Promise<ImageInspection | null>
}

/** Of any host, by its port alone; of files outside of it nothing is known. */
export function observerOf({ zfs, lxc, images, bootId }: Host, stage: Stage): Observer {
  return {
    bootId,
    dataset: (name) => zfs.get(name),
    below: (name) => zfs.list(name),
    snapshots: (name) => zfs.snapshots(name),
    async mounts() {
      const root = stage.dataset.split('/')[0] ?? ''
      const seen = [await zfs.get(root), ...(await zfs.list(root))]
      return seen.flatMap((dataset) => (dataset?.mounted ? [mountOf(dataset)] : []))
    },
    read: async () => null,
    isDirectory: async () => true,
    names: async () => [],
    ownerOf: async () => 0,
    inspect: (ref) => lxc.inspect(ref),
    cgroupOf: async () => null,
    archive: (file) => images.stat(file),
    contents: (file) => images.inspect(file).catch(() => null),
  }
}

/** Of this machine. */
export function linuxObserver(host: Host, system: System, stage: Stage): Observer {
  return {
    ...observerOf(host, stage),
    mounts: system.mounts,
    read: system.read,
    isDirectory: system.isDirectory,
    ownerOf: system.ownerOf,
    names: system.names,
    cgroupOf: system.cgroupOf,
  }
}

export const mountOf = ({ name, mountpoint }: Pick<Dataset, 'name' | 'mountpoint'>): Mount => ({
  source: name,
  root: '/',
  target: mountpoint ?? `/${name}`,
  type: 'zfs',
  idmapped: false,
})
