/** What a pool's machine remembers, and the plain reducers of the entities that live on a pool. */
import type { IdBlock } from '../../events/types/config.ts'
import type { EventData, FactOf } from '../../events/types/events.ts'
import type { Witness } from '../../events/types/witness.ts'
import { mend, settled, type WithDrift } from '../drift.ts'
import { type Operation, want } from '../operation.ts'
import type { Seen, Wanted } from '../step.ts'

export type User = {
  readonly range: string
  readonly block: number
  readonly map: IdBlock
  readonly standalone: boolean
  /** The operation that made it: tells it from one of the same name that was made later. */
  readonly madeBy?: string | undefined
}
export type IdRange = { readonly startId: number; readonly blockSize: number; readonly blockCount: number }
export type Repository = { readonly url: string; readonly enabled: boolean }
export type Image = Omit<EventData<'ImageInstalled'>, 'key'>
/**
 * Containers started and stopped at once, at most. The original starts two at a time, after a pause of up to three
 * seconds each; here the host's pressure holds starts back, so the bound can be higher.
 */
export const DEFAULT_PARALLEL = { parallelStart: 8, parallelStop: 4 } as const
/** A deletion can be regretted for this long, unless space runs short. */
export const TRASH_AGE_MS = 7 * 24 * 3600 * 1000

export type TrashEntry = {
  readonly guid: string
  readonly ct: string
  readonly ctid: string
  readonly trashedAt: number
  /** `madeBy` of its user when it was deleted. */
  readonly user?: string | undefined
}
type Table<T> = Readonly<Record<string, T>>

export type PoolContext = WithDrift & {
  readonly pool: string | null
  /** Full name of `<ds>` as of the newest import. */
  readonly dataset: string | null
  readonly bootId: string | null
  /** Where it came from when it changed its host last, and when; absent when it never did. */
  readonly cameFrom?: (EventData<'PoolOpened'>['from'] & { readonly at: number }) | undefined
  readonly users: Table<User>
  readonly idRanges: Table<IdRange>
  readonly repositories: Table<Repository>
  readonly images: Table<Image>
  readonly trash: Table<TrashEntry>
  readonly config: {
    readonly parallelStart: number
    readonly parallelStop: number
    readonly attrs: Table<string>
    /** Who keeps the heads of the log, by name; absent when nobody does. */
    readonly witnesses?: Table<Witness>
  }
  /** Trash entries that the present pruning still has to destroy. */
  readonly pruning: readonly string[]
  /** Containers of the autostart plan that is open, in order; empty when none is. */
  readonly autostart: readonly string[]
  readonly op: Operation | null
}

export const emptyPool = (): PoolContext => ({
  pool: null,
  dataset: null,
  bootId: null,
  users: {},
  idRanges: {},
  repositories: {},
  images: {},
  trash: {},
  config: { ...DEFAULT_PARALLEL, attrs: {} },
  pruning: [],
  autostart: [],
  op: null,
})

const without = <T>(table: Table<T>, name: string): Table<T> => {
  const { [name]: _gone, ...rest } = table
  return rest
}

/** Folds the facts about entities of a pool. Other facts leave the context as it is. @pure */
export function reduceEntities(c: PoolContext, fact: Seen): Partial<PoolContext> {
  switch (fact.type) {
    case 'UserCreated': {
      const { name, range, block, map, standalone, madeBy } = fact
      const user = { range, block, map, standalone, ...(madeBy === undefined ? {} : { madeBy }) }
      return { users: { ...c.users, [name]: user } }
    }
    case 'UserDeleted':
      return { users: without(c.users, fact.name) }
    case 'IdRangeCreated': {
      const { name, startId, blockSize, blockCount } = fact
      return { idRanges: { ...c.idRanges, [name]: { startId, blockSize, blockCount } } }
    }
    case 'RepositoryAdded':
      return { repositories: { ...c.repositories, [fact.name]: { url: fact.url, enabled: true } } }
    case 'RepositoryDeleted':
      return { repositories: without(c.repositories, fact.name) }
    case 'RepositorySet':
      return { repositories: { ...c.repositories, ...enabled(c, fact) } }
    case 'ImageInstalled':
      return { images: { ...c.images, [fact.key]: imageOf(fact) } }
    case 'TrashAdded': {
      const { name, guid, ct, ctid, user, meta } = fact
      const entry = { guid, ct, ctid, trashedAt: meta.t, ...(user === undefined ? {} : { user }) }
      return { trash: { ...c.trash, [name]: entry } }
    }
    case 'TrashRestored':
    case 'TrashDestroyed':
      return { trash: without(c.trash, fact.name) }
    case 'PoolConfigSet':
      return { config: withPoolConfig(c.config, fact.set) }
    case 'AutostartPlanned':
      return { autostart: fact.cts }
    case 'AutostartFinished':
      return { autostart: [] }
    default:
      return {}
  }
}

/** What a pool knows after an admin took over what is there: the log forgets what is gone, and keeps in mind what is foreign. @pure */
export function poolTakenOver(
  c: PoolContext,
  { drift, found }: FactOf<'DriftAdopted'>,
): Partial<PoolContext> {
  const rest = settled(c, drift)
  const [, what, name = ''] = /^(image|trash)\/(.+)\/(?:missing|replaced)$/.exec(drift) ?? []
  if (what === 'image') return { ...rest, images: without(c.images, name) }
  if (what === 'trash') return { ...rest, trash: without(c.trash, name) }
  return { ...rest, adopted: { ...c.adopted, [drift]: found } }
}

function enabled(c: PoolContext, fact: FactOf<'RepositorySet'>): Table<Repository> {
  const repository = c.repositories[fact.name]
  return repository ? { [fact.name]: { ...repository, enabled: fact.enabled } } : {}
}

function imageOf(fact: FactOf<'ImageInstalled'>): Image {
  const { guid, repository, distribution, version, arch, vendor, variant, sha256 } = fact
  return { guid, repository, distribution, version, arch, vendor, variant, sha256 }
}

function withPoolConfig(
  config: PoolContext['config'],
  set: EventData<'PoolConfigSet'>['set'],
): PoolContext['config'] {
  const attrs: Record<string, string> = { ...config.attrs }
  for (const [name, value] of Object.entries(set.attrs ?? {})) {
    if (value === null) delete attrs[name]
    else attrs[name] = value
  }
  const witnesses = set.witnesses ?? config.witnesses ?? {}
  return {
    parallelStart: set.parallelStart ?? config.parallelStart,
    parallelStop: set.parallelStop ?? config.parallelStop,
    attrs,
    ...(Object.keys(witnesses).length === 0 ? {} : { witnesses }),
  }
}

/** First free block of a range, given the blocks that other pools hold; null when it is full. @pure */
export function freeBlock(
  c: PoolContext,
  rangeName: string,
  foreign: readonly IdBlock[],
): { block: number; map: IdBlock } | null {
  const range = c.idRanges[rangeName]
  if (!range) return null
  const taken = [...Object.values(c.users).map((user) => user.map), ...foreign].sort(
    (a, b) => a.first - b.first,
  )
  let block = 0
  for (const { first, count } of taken) {
    const start = range.startId + block * range.blockSize
    if (first + count <= start) continue
    if (first >= start + range.blockSize) break
    block = Math.ceil((first + count - range.startId) / range.blockSize)
  }
  if (block >= range.blockCount) return null
  return { block, map: { first: range.startId + block * range.blockSize, count: range.blockSize } }
}

/** A block of a range by its ids, null when it is none of its blocks or somebody has it. @pure */
export function blockOf(
  c: PoolContext,
  rangeName: string,
  { first, count }: IdBlock,
  foreign: readonly IdBlock[],
): { block: number; map: IdBlock } | null {
  const range = c.idRanges[rangeName]
  if (!range) return null
  const block = (first - range.startId) / range.blockSize
  if (!Number.isInteger(block) || block < 0 || block >= range.blockCount || count !== range.blockSize)
    return null
  const taken = [...Object.values(c.users).map(({ map }) => map), ...foreign]
  const isTaken = taken.some((other) => other.first < first + count && first < other.first + other.count)
  return isTaken ? null : { block, map: { first, count } }
}

export const poolIntents = {
  layout: (c: PoolContext) => want(c.op, () => ({ kind: 'pool.layout', args: {} })),
  mark: (c: PoolContext) =>
    want(c.op, () => {
      const scoped = c.dataset !== null && c.dataset !== c.pool ? c.dataset : null
      return { kind: 'pool.mark', args: { active: true, dataset: scoped } }
    }),
  unmark: (c: PoolContext) =>
    want(c.op, () => ({ kind: 'pool.mark', args: { active: false, dataset: null } })),
  destroy: (c: PoolContext) =>
    want(c.op, () => {
      const name = c.pruning[0] ?? ''
      return { kind: 'dataset.destroy', args: { dataset: `trash/${name}`, guid: c.trash[name]?.guid ?? '0' } }
    }),
  mend,
} satisfies Record<string, (c: PoolContext) => Wanted>
