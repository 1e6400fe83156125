/** The disks in memory that logs and caches lie on, and what a crash does to them. */
import type { KeptState, StateCache } from '../../src/daemon/ports.ts'
import { type Fault, MemoryDisk, MemorySegment } from '../../src/events/log/memory-disk.ts'

type Hooks = {
  meet(what: string, subject: string): Fault
  crashed(): void
}

/** Checkpoints of one pool, by their positions. */
type Kept = Map<number, readonly KeptState[]>
export type DisksCopy = {
  logs: [guid: string, name: string, disk: MemoryDisk][]
  caches: [dataset: string, kept: Kept][]
}

export class Disks {
  readonly #hooks: Hooks
  readonly #logs = new Map<string, { name: string; disk: MemoryDisk }>()
  readonly #caches = new Map<string, Kept>()
  #host: MemoryDisk

  constructor(hooks: Hooks) {
    this.#hooks = hooks
    this.#host = this.#wired(new MemoryDisk(), 'host')
  }

  #wired(disk: MemoryDisk, name: string): MemoryDisk {
    disk.faults = (point) => this.#hooks.meet(point.what, name)
    disk.onCrash = () => this.#hooks.crashed()
    return disk
  }

  /** The disk of the events dataset with this guid. */
  of(name: string, guid: string): MemoryDisk {
    const known = this.#logs.get(guid)
    if (known) return known.disk
    const disk = this.#wired(new MemoryDisk(), name)
    this.#logs.set(guid, { name, disk })
    return disk
  }

  find(name: string): MemoryDisk | undefined {
    return [...this.#logs.values()].find((log) => log.name === name)?.disk
  }

  /** Logs of pools by name. */
  named(name: string): MemoryDisk {
    const disk = this.find(name)
    if (!disk) throw new Error(`no log of pool ${name}`)
    return disk
  }

  host(): MemoryDisk {
    return this.#host
  }

  /** The daemon died. What was written and not synced is in the page cache: there, or torn by its death. */
  crash(keepsUnsynced: boolean): void {
    for (const { disk } of [...this.#logs.values(), { disk: this.#host }])
      disk.crash(keepsUnsynced ? disk.unsynced : 0)
  }

  /** The host's own log is volatile; a cache, which is written without sync, may be an older one. */
  powerCut(): void {
    this.#host = this.#wired(new MemoryDisk(), 'host')
  }

  cache(dataset: string): StateCache {
    const kept = (): Kept => this.#caches.get(dataset) ?? new Map()
    const newest = (upTo: number): number | null => {
      const seqs = [...kept().keys()].filter((seq) => seq <= upTo)
      return seqs.length === 0 ? null : Math.max(...seqs)
    }
    return {
      load: async (upTo) => {
        const seq = newest(upTo)
        if (seq === null) return null
        const states = (kept().get(seq) ?? []).flatMap(({ stream, ver, state }) =>
          state === null ? [] : [{ stream, ver, state }],
        )
        return { seq, states }
      },
      save: async (seq, base, states) => {
        if (base !== null && newest(seq) !== base) return false
        const all = new Map((base === null ? [] : (kept().get(base) ?? [])).map((it) => [it.stream, it]))
        for (const it of states) all.set(it.stream, it)
        this.#caches.set(dataset, new Map([...kept(), [seq, [...all.values()]]]))
        return true
      },
      forget: async () => {
        this.#caches.delete(dataset)
      },
      close: async () => {},
    }
  }

  copy(): DisksCopy {
    return {
      logs: [...this.#logs].map(([guid, { name, disk }]) => [guid, name, copyOf(disk)]),
      caches: [...this.#caches],
    }
  }

  /** Puts copies of these disks into an empty set. */
  restore({ logs, caches }: DisksCopy): void {
    for (const [guid, name, disk] of logs)
      this.#logs.set(guid, { name, disk: this.#wired(copyOf(disk), name) })
    for (const [dataset, kept] of caches) this.#caches.set(dataset, kept)
  }
}

function copyOf(disk: MemoryDisk): MemoryDisk {
  const copy = new MemoryDisk()
  copy.segments = disk.segments.map(
    ({ number, first, previous, rows, format }) => new MemorySegment(number, first, previous, rows, format),
  )
  return copy
}
