/**
 * What changed on a pool between two moments, and by which events.
 *
 * Both moments are compared as entities and properties. For what differs, the events of its own stream are folded
 * once more from the earlier moment on, and the last event that changed a property is the one responsible. A
 * property that changed and changed back is not told.
 */

import type { Actor } from '../events/types/actor.ts'
import { actorName } from '../events/types/actor-name.ts'
import type { StoredEvent } from '../events/types/envelope.ts'
import type { StreamId } from '../events/types/ids.ts'
import type { LogReader } from '../events/types/query.ts'
import { baselineOf } from '../machines/baseline.ts'
import type { CtState } from '../machines/container/machine.ts'
import { ctIdOf, Fold, States, streamOfCt } from '../machines/fold.ts'
import type { DiffChange, DiffReport } from '../rpc/results.ts'
import { ask } from './ask.ts'
import { containerEntity, type Entity, type Properties, poolEntities } from './entities.ts'
import type { Pace } from './past.ts'
import type { PoolMoment, PoolView } from './view.ts'
import { inWords } from './words.ts'

/** Entities of one stream at both moments. */
type Pair = {
  readonly stream: StreamId
  readonly before: readonly Entity[]
  readonly after: readonly Entity[]
  /** The stream's entities after each further event; null when the stream has none. */
  readonly at: (fold: Fold) => readonly Entity[]
}

const SLICE_EVENTS = 400

/**
 * @param before  null when the log had not begun
 * @param ct      only this container, by the ctid that it had at either moment, or its own id
 */
export async function diff(
  before: PoolMoment | null,
  after: PoolMoment,
  ct: string | undefined,
  pace: Pace,
): Promise<DiffReport> {
  const from = before?.log.head().seq ?? 0
  const to = after.log.head().seq
  const changes: DiffChange[] = []
  for (const pair of pairs(before, after, ct)) {
    const differing = differences(pair.before, pair.after)
    if (differing.length === 0) continue
    const causes = await causesOf(before, after, pair, from, pace)
    for (const change of differing) changes.push(await attributed(after, change, causes))
    await pace()
  }
  return {
    pool: after.name,
    from: { seq: from, time: await timeAt(after.log, from) },
    to: { seq: to, time: await timeAt(after.log, to) },
    changes,
  }
}

function pairs(before: PoolMoment | null, after: PoolMoment, ct: string | undefined): Pair[] {
  const wanted = (state: CtState): boolean =>
    ct === undefined || ctIdOf(state) === ct || state.context.identity?.ctid === ct
  const streams = new Set([before, after].flatMap((pool) => livingIn(pool).filter(wanted).map(streamOfCt)))
  const containers = [...streams].map((stream): Pair => {
    const entitiesIn = (pool: PoolMoment | null): Entity[] =>
      livingIn(pool)
        .filter((state) => streamOfCt(state) === stream)
        .map((state) => containerEntity(pool ?? after, state))
    return {
      stream,
      before: entitiesIn(before),
      after: entitiesIn(after),
      at: ({ states, quarantined }) =>
        [...states.cts()].map((state) => containerEntity({ ...after, states, quarantined }, state)),
    }
  })
  if (ct !== undefined) return containers
  const pool: Pair = {
    stream: 'pool',
    before: poolEntities(before ?? { ...after, states: new States(), quarantined: new Map() }),
    after: poolEntities(after),
    at: ({ states, quarantined }) => poolEntities({ ...after, states, quarantined }),
  }
  return [pool, ...containers]
}

const livingIn = (pool: PoolView | null): CtState[] => (pool ? [...pool.states.cts()] : [])

type Difference = Pick<DiffChange, 'entity' | 'name' | 'key' | 'change' | 'property' | 'before' | 'after'>

function differences(before: readonly Entity[], after: readonly Entity[]): Difference[] {
  const [old, fresh] = [byKey(before), byKey(after)]
  return [...new Set([...old.keys(), ...fresh.keys()])].flatMap((key) => {
    const [was, is] = [old.get(key), fresh.get(key)]
    const it = is ?? was
    if (!it) return []
    const change = !was ? 'added' : !is ? 'removed' : 'changed'
    const about = { entity: it.kind, name: it.name, key: it.key, change } as const
    const properties = changedProperties(was?.properties, is?.properties).map(
      (property): Difference => ({
        ...about,
        property,
        before: was?.properties.get(property) ?? null,
        after: is?.properties.get(property) ?? null,
      }),
    )
    if (change === 'changed') return properties
    return [{ ...about, property: null, before: null, after: null }, ...properties]
  })
}

const byKey = (entities: readonly Entity[]): Map<string, Entity> =>
  new Map(entities.map((entity) => [`${entity.kind} ${entity.key}`, entity]))

function changedProperties(was: Properties | undefined, is: Properties | undefined): string[] {
  const names = new Set([...(was?.keys() ?? []), ...(is?.keys() ?? [])])
  return [...names].filter((name) => was?.get(name) !== is?.get(name))
}

/** Which event changed a property last: `kind key property`, and without a property what made or ended it. */
type Causes = ReadonlyMap<string, StoredEvent>
const causeKey = ({ entity, key, property }: Pick<Difference, 'entity' | 'key' | 'property'>): string =>
  `${entity} ${key} ${property ?? ''}`

async function causesOf(
  before: PoolMoment | null,
  after: PoolMoment,
  { stream, at }: Pair,
  from: number,
  pace: Pace,
): Promise<Causes> {
  const causes = new Map<string, StoredEvent>()
  const fold = new Fold()
  const state = before?.states.of(stream)
  if (state && (stream === 'pool' || before?.states.byCtid(ctidOf(state)) !== undefined))
    fold.seat(stream, baselineOf(state))
  let known = at(fold)
  let next: number | null = from + 1
  const last = after.log.head().seq
  while (next !== null && next <= last) {
    const slice: Awaited<ReturnType<LogReader['read']>> = await after.log.read({
      stream,
      from: next,
      limit: SLICE_EVENTS,
    })
    for (const event of slice.events) {
      fold.apply(event)
      const now = at(fold)
      for (const change of differences(known, now)) causes.set(causeKey(change), event)
      known = now
      await pace()
    }
    next = slice.next
  }
  return causes
}

const ctidOf = (state: NonNullable<ReturnType<PoolMoment['states']['of']>>): string =>
  'identity' in state.context ? (state.context.identity?.ctid ?? '') : ''

async function attributed(pool: PoolMoment, change: Difference, causes: Causes): Promise<DiffChange> {
  const event = causes.get(causeKey(change)) ?? (await sessionBefore(pool, change))
  if (!event) return { ...change, position: null, time: null, actor: null, command: null }
  return {
    ...change,
    position: `${pool.name}:${event.seq}`,
    time: event.t,
    ...(await responsible(pool.log, event)),
  }
}

/** A container whose host died changes to unknown without an event of its own: the import is what tells. */
async function sessionBefore(pool: PoolMoment, { property }: Difference): Promise<StoredEvent | undefined> {
  if (property !== 'state') return undefined
  const [opened] = await ask(pool.log, { types: ['PoolOpened'], stream: 'pool', reverse: true, limit: 1 })
  return opened
}

/** Who is behind an event and with which command; what happened by itself is told in words. */
export async function responsible(
  log: LogReader,
  event: StoredEvent,
): Promise<{ actor: string; command: string }> {
  const accepted = event.op === undefined ? null : await log.byId(event.op)
  const isCommand = accepted?.type === 'CommandAccepted'
  if (!isCommand) return { actor: 'system:monitor', command: inWords(event) }
  const { actor, cli, command, args } = accepted.data as {
    actor: Actor
    cli: string | null
    command: string
    args: Record<string, unknown>
  }
  const target = args['id'] ?? args['name']
  return {
    actor: actorName(actor),
    command: cli ?? (typeof target === 'string' ? `${command} ${target}` : command),
  }
}

async function timeAt(log: LogReader, seq: number): Promise<number | null> {
  if (seq < 1) return null
  const { events } = await log.read({ from: seq, to: seq, limit: 1 })
  return events[0]?.t ?? null
}
