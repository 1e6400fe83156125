/**
 * Drift: comparing what the log says with what a host shows. Pure: the sight was taken beforehand, and what differs
 * is said in words and in facts.
 *
 * Only what we made or set is compared. What lies below a container's own dataset is the container's; compression,
 * record sizes and the like are an admin's to choose. What an operation works on is left out, by whoever calls.
 */
import type { Found } from '../events/types/drift-events.ts'
import type { Fact } from '../events/types/events.ts'
import type { StreamId } from '../events/types/ids.ts'
import type { CtState } from '../machines/container/machine.ts'
import { ACTIVE_PROPERTY, CT_PROPERTIES, SCOPE_PROPERTY } from '../machines/decide/drift.ts'
import type { WithDrift } from '../machines/drift.ts'
import { type States, streamOfCt } from '../machines/fold.ts'
import { exists, lifeOf } from '../machines/life.ts'
import { type Finding, rollbacksOf, rolledBack, withCause } from './drift-cause.ts'
import { emptyHistory, type ZpoolHistory, type ZpoolRecord } from './zpool-history.ts'

export type { Finding } from './drift-cause.ts'

/** One dataset, as far as drift asks: `properties` by name, null where one is not set. */
export type SeenDataset = {
  readonly name: string
  readonly guid: string
  readonly mountpoint: string | null
  readonly own: (property: string) => string | null
}
export type SeenRun = {
  readonly state: string
  readonly runName: string | null
  readonly run: Found['evidence']
}

/** What a host showed of a pool. */
export type Sight = {
  /** All file systems of the zpool, by name. */
  readonly datasets: ReadonlyMap<string, SeenDataset>
  /** Their names, by guid: where a dataset went that is not in its place. */
  readonly names: ReadonlyMap<string, string>
  /** By the container's own id; those that were not looked at are not there. */
  readonly runs: ReadonlyMap<string, SeenRun>
  /** The pool's own diary; empty where it was not read. */
  readonly history: ZpoolHistory
  /** Of that, the newest rollback of each dataset. */
  readonly rollbacks: ReadonlyMap<string, ZpoolRecord>
}

/** @pure */
export function sighted(
  datasets: readonly SeenDataset[],
  runs: Sight['runs'],
  history: ZpoolHistory = emptyHistory(),
): Sight {
  return {
    history,
    rollbacks: rollbacksOf(history),
    datasets: new Map(datasets.map((seen) => [seen.name, seen])),
    names: new Map(datasets.map(({ guid, name }) => [guid, name])),
    runs,
  }
}

/** Datasets of `<ds>` itself that every pool has. */
export const LAYOUT = ['ct', 'image', 'staging', 'trash', 'repository', 'log', 'hook', 'cache'] as const

export type At = { readonly pool: string; readonly dataset: string }

/** Is a dataset of this guid under this name, and if not, what is the matter? */
function placed(sight: Sight, name: string, guid: string) {
  const there = sight.datasets.get(name)
  if (there?.guid === guid) return null
  const now = sight.names.get(guid)
  const found: Found = {
    ...(now === undefined ? {} : { dataset: now }),
    ...(there ? { guid: there.guid } : {}),
  }
  const expected = `${name} with guid ${guid}`
  if (there) {
    const ours = now === undefined ? 'is not on the pool' : `is ${now}`
    return {
      drift: 'replaced',
      expected,
      seen: `it is another dataset, guid ${there.guid}; ours ${ours}`,
      found,
    }
  }
  if (now !== undefined)
    return { drift: 'renamed', expected, seen: `it is called ${now}`, found: { ...found, guid } }
  return { drift: 'missing', expected, seen: 'it is not on the pool', found }
}

/** What differs of one container at rest. @pure */
export function ctFindings({ dataset }: At, ct: CtState, sight: Sight): Finding[] {
  const { identity, dataset: guid, op, adopted } = ct.context
  if (op || !identity || guid === null || !exists(ct) || ['creating', 'undeleting'].includes(lifeOf(ct)))
    return []
  const stream = streamOfCt(ct)
  const name = `${dataset}/ct/${identity.ctid}`
  const found: Finding[] = []
  const isElsewhere = placed(sight, name, guid)
  if (isElsewhere) found.push({ stream, ...isElsewhere })
  const there = sight.datasets.get(name)
  if (there && !isElsewhere) found.push(...propertyFindings(stream, dataset, there, sight, adopted))
  const run = sight.runs.get(identity.id)
  if (run && run.state !== 'stopped' && lifeOf(ct) === 'stopped') {
    const seen = `it is ${run.state}${run.runName === null ? ', started by hand' : ` as run ${run.runName}`}`
    const facts = { run: run.runName, evidence: run.run ?? null }
    found.push({ stream, drift: 'running', expected: 'stopped', seen, found: facts })
  }
  found.push(...rolledBack(sight.history, sight.rollbacks.get(name), stream, ct))
  return found.map((finding) => withCause(sight.history, name, finding))
}

function propertyFindings(
  stream: StreamId,
  dataset: string,
  there: SeenDataset,
  sight: Sight,
  adopted: WithDrift['adopted'],
): Finding[] {
  const above = sight.datasets.get(`${dataset}/ct`)?.mountpoint ?? `/${dataset}/ct`
  return Object.entries(CT_PROPERTIES).flatMap(([property, wanted]): Finding[] => {
    const value = there.own(property)
    const expected = property === 'mountpoint' ? `${above}/${there.name.split('/').at(-1)}` : wanted
    if (value === expected || adopted?.[property]?.value === value) return []
    const told = (of: string | null): string => `${property}=${of ?? 'not set'}`
    return [{ stream, drift: property, expected: told(expected), seen: told(value), found: { value } }]
  })
}

/** Names below `<ds>` that the log has a use for, each with its guid where that is known. */
export function owned(states: States, { dataset }: At): Map<string, string | null> {
  const names = new Map<string, string | null>()
  const add = (name: string, guid: string | null): void => void names.set(`${dataset}/${name}`, guid)
  for (const name of ['events', ...LAYOUT]) add(name, null)
  const { images, trash, pruning } = states.pool().context
  for (const [key, { guid }] of Object.entries(images)) add(`image/${key}`, guid)
  for (const [name, { guid }] of Object.entries(trash))
    add(`trash/${name}`, pruning.includes(name) ? null : guid)
  for (const ct of states.all()) {
    const { identity, trash: name, op, dataset: guid, source } = ct.context
    if (identity && guid !== null && exists(ct)) add(`ct/${identity.ctid}`, null)
    if (identity && op) add(`ct/${identity.ctid}`, null)
    if (op && source?.from === 'repository') add(`image/${source.image.key}`, null)
    if (name !== null && op) add(`trash/${name}`, null)
  }
  return names
}

/** What differs of the pool itself. @pure */
export function poolFindings(at: At, states: States, sight: Sight): Finding[] {
  const stream = 'pool' as const
  const { context } = states.pool()
  if (context.op) return []
  const found: Finding[] = []
  for (const name of LAYOUT) {
    if (sight.datasets.has(`${at.dataset}/${name}`)) continue
    const expected = `${at.dataset}/${name}`
    found.push({ stream, drift: `${name}/missing`, expected, seen: 'it is not on the pool', found: {} })
  }
  const kept = { image: context.images, trash: context.trash }
  for (const [place, table] of Object.entries(kept)) {
    for (const [key, { guid }] of Object.entries(table)) {
      const it = placed(sight, `${at.dataset}/${place}/${key}`, guid)
      if (it) found.push({ stream, ...it, drift: `${place}/${key}/${it.drift}` })
    }
  }
  return [...found, ...marks(at, sight), ...foreign(at, states, sight)].map((finding) => {
    const subject = finding.drift.split('/').slice(0, -1).join('/')
    return withCause(sight.history, subject === '' ? at.pool : `${at.dataset}/${subject}`, finding)
  })
}

function marks({ pool, dataset }: At, sight: Sight): Finding[] {
  const root = sight.datasets.get(pool)
  if (!root) return []
  const wanted: Record<string, string | null> = {
    [ACTIVE_PROPERTY]: 'yes',
    [SCOPE_PROPERTY]: dataset === pool ? null : dataset,
  }
  return Object.entries(wanted).flatMap(([property, expected]): Finding[] => {
    const value = root.own(property)
    if (value === expected || (property === SCOPE_PROPERTY && expected === null && value === pool)) return []
    const told = (of: string | null): string => `${property}=${of ?? 'not set'}`
    return [
      { stream: 'pool', drift: property, expected: told(expected), seen: told(value), found: { value } },
    ]
  })
}

/** The datasets that one lies in, the innermost first. */
function above(name: string): string[] {
  const parts = name.split('/')
  return parts.map((_, i) => parts.slice(0, -i - 1).join('/')).slice(0, -1)
}

/** Datasets that nobody of ours has made: the topmost of each tree. */
function foreign(at: At, states: States, sight: Sight): Finding[] {
  const names = owned(states, at)
  const containers = new Set([...names.keys()].filter((name) => /\/(ct|image|trash)\/[^/]+$/.test(name)))
  const { images, trash } = states.pool().context
  const kept = [...Object.values(images), ...Object.values(trash)]
  const ours = new Set([
    ...[...states.all()].map(({ context }) => context.dataset),
    ...kept.map((it) => it.guid),
  ])
  const found = new Set<string>()
  const open = new Set([...states.all()].flatMap(({ context: { op } }) => (op ? [op.id] : [])))
  for (const { name, guid } of sight.datasets.values()) {
    if (!name.startsWith(`${at.dataset}/`) || names.has(name) || ours.has(guid)) continue
    const isInside = above(name).some((top) => containers.has(top) || found.has(top))
    const isStaged = [...open].some((op) => name.includes(op))
    if (!isInside && !isStaged) found.add(name)
  }
  const { adopted } = states.pool().context
  return [...found].flatMap((name): Finding[] => {
    const drift = `${name.slice(at.dataset.length + 1)}/foreign`
    const { guid = '' } = sight.datasets.get(name) ?? {}
    if (adopted?.[drift]?.guid === guid) return []
    return [
      {
        stream: 'pool',
        drift,
        expected: 'nothing of this name',
        seen: `${name}, guid ${guid}`,
        found: { guid },
      },
    ]
  })
}

/** What is to be recorded of a stream, given what its state knows already and what was found now. @pure */
export function news(known: WithDrift['drift'], findings: readonly Finding[]): Fact[] {
  const facts: Fact[] = []
  for (const { drift, expected, seen, found } of findings) {
    const before = known?.[drift]
    if (before?.seen === seen && before.expected === expected) continue
    facts.push({ type: 'DriftNoticed', drift, expected, seen, found })
  }
  const still = new Set(findings.map(({ drift }) => drift))
  for (const drift of Object.keys(known ?? {}))
    if (!still.has(drift)) facts.push({ type: 'DriftGone', drift })
  return facts
}
