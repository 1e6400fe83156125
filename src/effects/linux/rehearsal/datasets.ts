/**
 * Datasets on paper: what is there now, and what the rehearsed commands made of it. Only what our own effects ask of
 * `zfs` is modelled; that they would succeed is what a plan assumes.
 */
import type { Dataset } from '../../host.ts'
import type { Mount } from '../zfs-parse.ts'
import { mountOf, type Observer } from './observer.ts'

/** Guids of what is made on paper: of the shape of real ones, and none of them. */
const FIRST_GUID = 9_000_000_000_000_000_000n

const parentOf = (name: string): string => name.slice(0, name.lastIndexOf('/'))
const isIn = (name: string, top: string): boolean =>
  name === top || name.startsWith(`${top}/`) || name.startsWith(`${top}@`)

export class PaperDatasets {
  readonly #observer: Observer
  /** What differs from now: null is gone. */
  readonly #changed = new Map<string, Dataset | null>()
  /** Names of what was made on paper: nothing of it can be looked at. */
  readonly #fresh = new Set<string>()
  /** New name of a dataset → the name under which it can be looked at now. */
  readonly #moved = new Map<string, string>()
  readonly #gone: string[] = []
  #mounts: Mount[] | null = null
  #made = 0n

  constructor(observer: Observer) {
    this.#observer = observer
  }

  async mounts(): Promise<Mount[]> {
    this.#mounts ??= [...(await this.#observer.mounts())]
    return this.#mounts
  }

  /** Lies on what is mounted on paper alone: what is there cannot be seen, and is taken to be as it should. */
  async isCovered(path: string): Promise<boolean> {
    const now = new Set((await this.#observer.mounts()).map(({ target }) => target))
    return (await this.mounts()).some(({ target }) => path.startsWith(`${target}/`) && !now.has(target))
  }

  async get(name: string): Promise<Dataset | null> {
    const seen = await this.#look(name)
    if (!seen) return null
    const mounted = (await this.mounts()).some(({ source, root }) => source === name && root === '/')
    return { ...seen, name, mounted }
  }

  async #look(name: string): Promise<Dataset | null> {
    const changed = this.#changed.get(name)
    if (changed !== undefined) return changed
    const [dataset = '', snapshot] = name.split('@')
    const before = this.#moved.get(dataset)
    if (snapshot !== undefined && before !== undefined)
      return await this.#observer.dataset(`${before}@${snapshot}`)
    if (snapshot !== undefined && this.#fresh.has(dataset)) return null
    if (this.#gone.some((top) => isIn(name, top))) return null
    return await this.#observer.dataset(name)
  }

  /** A dataset and all file systems below it, parents first. */
  async tree(name: string): Promise<Dataset[]> {
    const names = new Set((await this.#observer.below(name)).map((dataset) => dataset.name))
    for (const changed of this.#changed.keys())
      if (isIn(changed, name) && !changed.includes('@')) names.add(changed)
    const seen = await Promise.all(
      [name, ...[...names].filter((other) => other !== name).sort()].map((n) => this.get(n)),
    )
    return seen.filter((dataset) => dataset !== null)
  }

  /** Snapshots of one dataset, those that are there and those of paper. */
  async snapshotsOf(name: string): Promise<Dataset[]> {
    const before = this.#moved.get(name) ?? (this.#fresh.has(name) ? null : name)
    const seen = before === null ? [] : await this.#observer.snapshots(before)
    const names = seen.map((snapshot) => `${name}@${snapshot.name.split('@')[1]}`)
    const made = this.snapshots(name).filter((snapshot) => snapshot.startsWith(`${name}@`))
    const all = await Promise.all([...new Set([...names, ...made])].map((snapshot) => this.get(snapshot)))
    return all.filter((snapshot) => snapshot !== null)
  }

  /** Snapshots that were made on paper; those of now are not our effects' business. */
  snapshots(name: string): string[] {
    return [...this.#changed].flatMap(([changed, dataset]) =>
      dataset && changed.includes('@') && isIn(changed, name) ? [changed] : [],
    )
  }

  async make(name: string, properties: Record<string, string>, origin: string | null = null): Promise<void> {
    this.#made += 1n
    this.#fresh.add(name)
    const guid = String(FIRST_GUID + this.#made)
    const mountpoint = name.includes('@') ? null : await this.#mountpointOf(name)
    this.#changed.set(name, { name, guid, createtxg: guid, mounted: false, mountpoint, origin, properties })
  }

  async #mountpointOf(name: string): Promise<string> {
    const parent = await this.#look(parentOf(name))
    return `${parent?.mountpoint ?? `/${parentOf(name)}`}/${name.slice(name.lastIndexOf('/') + 1)}`
  }

  async set(name: string, properties: Record<string, string | null>): Promise<void> {
    const seen = await this.#look(name)
    if (!seen) return
    const all: Record<string, string> = { ...seen.properties }
    for (const [property, value] of Object.entries(properties)) {
      if (value === null) delete all[property]
      else all[property] = value
    }
    this.#changed.set(name, { ...seen, properties: all })
  }

  async rename(from: string, to: string): Promise<void> {
    const tree = await this.tree(from)
    const snapshots = this.snapshots(from)
    for (const dataset of tree) {
      const name = to + dataset.name.slice(from.length)
      if (this.#fresh.has(dataset.name)) this.#fresh.add(name)
      else this.#moved.set(name, this.#moved.get(dataset.name) ?? dataset.name)
      this.#changed.set(name, { ...dataset, name, mountpoint: await this.#mountpointOf(name) })
    }
    for (const snapshot of snapshots) {
      this.#changed.set(to + snapshot.slice(from.length), this.#changed.get(snapshot) ?? null)
    }
    this.#forget(from)
  }

  destroy(name: string): void {
    this.#forget(name)
  }

  #forget(top: string): void {
    this.#gone.push(top)
    for (const name of [...this.#changed.keys()]) if (isIn(name, top)) this.#changed.delete(name)
    for (const name of [...this.#moved.keys()]) if (isIn(name, top)) this.#moved.delete(name)
    for (const name of [...this.#fresh]) if (isIn(name, top)) this.#fresh.delete(name)
    this.#changed.set(top, null)
  }

  async mount(name: string): Promise<void> {
    const seen = await this.#look(name)
    if (seen) (await this.mounts()).push(mountOf({ name, mountpoint: seen.mountpoint }))
  }

  /** Binds a part of what is mounted above `path`, with an id map. */
  async bind(path: string, target: string): Promise<void> {
    const mounts = await this.mounts()
    const under = mounts.findLast((mount) => path === mount.target || path.startsWith(`${mount.target}/`))
    if (!under) return
    mounts.push({ ...under, root: path.slice(under.target.length) || '/', target, idmapped: true })
  }

  async unmount(target: string): Promise<void> {
    const mounts = await this.mounts()
    const index = mounts.findLastIndex((mount) => mount.target === target)
    if (index >= 0) mounts.splice(index, 1)
  }

  /** As `zfs get -jp` prints it. */
  static json(datasets: readonly Dataset[]): string {
    const value = (text: string, local = false) => ({
      value: text,
      source: { type: local ? 'LOCAL' : 'NONE', data: '-' },
    })
    const print = ({ name, guid, createtxg, mounted, mountpoint, origin, properties }: Dataset) => ({
      name,
      properties: {
        guid: value(guid),
        createtxg: value(createtxg),
        mounted: value(mounted ? 'yes' : 'no'),
        mountpoint: value(mountpoint ?? '-'),
        origin: value(origin ?? '-'),
        ...Object.fromEntries(Object.entries(properties).map(([key, text]) => [key, value(text, true)])),
      },
    })
    return JSON.stringify({ datasets: Object.fromEntries(datasets.map((one) => [one.name, print(one)])) })
  }
}
