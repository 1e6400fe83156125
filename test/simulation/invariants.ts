/**
 * What must be true of every world at rest, whatever happened to it.
 *
 *   the host shows what the log says: every dataset is owned by the fold or is part of a pool's layout, by
 *   guid; nothing that the fold owns is missing; exactly those containers run that should, as the very run
 *   and init that the log knows; users and id maps belong together and never overlap
 *   the log is whole: its chain holds, and replaying it from the first event and from the newest baseline
 *   gives exactly the states that the daemon works with
 *   nothing is open, but what the caller allows to be in doubt
 *
 * `problems` says what is wrong, one line each; an empty list is the only good one.
 */

import { attribute, EFFECT_TYPES, effectsOf } from '../../src/audit/attribution.ts'
import { ctFindings, type Finding, poolFindings } from '../../src/audit/drift.ts'
import type { Pool } from '../../src/daemon/pool.ts'
import { shouldRun } from '../../src/daemon/reality.ts'
import { POOL_LAYOUT } from '../../src/effects/kinds/pool-layout.ts'
import { configPath } from '../../src/effects/simulated/containers.ts'
import { brokenInvariants } from '../../src/effects/simulated/invariants.ts'
import { containerKey, type MachineState } from '../../src/effects/simulated/state.ts'
import { canonical } from '../../src/machines/baseline.ts'
import type { CtState } from '../../src/machines/container/machine.ts'
import { Fold, streamOfCt } from '../../src/machines/fold.ts'
import { exists, lifeOf } from '../../src/machines/life.ts'
import { diaryOf, sightOf } from './by-hand.ts'
import { replayed, sameState } from './replayed.ts'
import type { World } from './world.ts'

export type Allowed = {
  /** Streams whose operation may be in doubt, and why that is right. */
  readonly doubt?: boolean
}

export async function problems(world: World, allowed: Allowed = {}): Promise<string[]> {
  const { machine, daemon } = world
  const found = [...brokenInvariants(machine.state), ...world.defects.map((defect) => `defect: ${defect}`)]
  for (const pool of daemon.pools.values()) {
    if (pool.journal.unavailable !== null)
      found.push(`${pool.name} takes no changes: ${pool.journal.unavailable}`)
    found.push(
      ...openOperations(pool, allowed),
      ...datasets(machine.state, pool),
      ...containers(machine.state, pool),
      ...unnoticed(machine.state, pool),
      ...unattributed(world, pool),
      ...users(pool),
      ...leftovers(machine.state, pool),
      ...(await log(world, pool)),
    )
  }
  found.push(...overlaps([...daemon.pools.values()]), ...strangers(machine.state, [...daemon.pools.values()]))
  return found
}

/** Whatever differs is known as drift, and whatever is known as drift differs. */
function unnoticed(state: MachineState, pool: Pool): string[] {
  const sight = sightOf(state, pool.name)
  const { states, name, dataset } = pool
  const at = { pool: name, dataset }
  const compared = (of: string, known: object | undefined, findings: readonly Finding[]): string[] => {
    const is = findings.map(({ drift }) => drift).sort()
    const was = Object.keys(known ?? {}).sort()
    return canonical(is) === canonical(was) ? [] : [`drift of ${of} is [${is}] and known is [${was}]`]
  }
  const cts = [...states.cts()].flatMap((ct) =>
    ct.context.op
      ? []
      : compared(ct.context.identity?.ctid ?? '', ct.context.drift, ctFindings(at, ct, sight)),
  )
  const { op, drift } = states.pool().context
  return op ? cts : [...cts, ...compared(name, drift, poolFindings(at, states, sight))]
}

/** Every change that ZFS wrote down is of one effect, of the log's upkeep or of an admin's command; each effect left one. */
function unattributed(world: World, pool: Pool): string[] {
  const rows = [...world.disks.named(pool.name).rows()].map(({ event }) => event)
  const { foreign, unrecorded } = attribute(
    { pool: pool.name, dataset: pool.dataset },
    diaryOf(world.machine.state, pool.name),
    effectsOf(
      rows.filter(({ type }) => EFFECT_TYPES.some((it) => it === type)),
      rows[0]?.t ?? 0,
    ),
  )
  return [
    ...foreign
      .filter(({ command }) => command === null)
      .map(({ records: [{ operation, dataset, detail }] }) => `nobody's: ${operation} ${dataset} ${detail}`),
    ...unrecorded.map(({ kind, intent }) => `${kind} ${intent} is done and ZFS has no record of it`),
  ]
}

/** Names below `<ds>` about which drift is known or was adopted, and whose place it is. */
function drifted(pool: Pool): Set<string> {
  const names = new Set<string>()
  const { drift, adopted } = pool.states.pool().context
  for (const name of [...Object.keys(drift ?? {}), ...Object.keys(adopted ?? {})])
    names.add(`${pool.dataset}/${name.split('/').slice(0, -1).join('/')}`)
  for (const { found } of Object.values(drift ?? {})) if (found.dataset) names.add(found.dataset)
  for (const { context } of pool.states.cts()) {
    for (const [name, { found }] of Object.entries(context.drift ?? {})) {
      if (['missing', 'renamed', 'replaced'].includes(name))
        names.add(`${pool.dataset}/ct/${context.identity?.ctid}`)
      if (found.dataset) names.add(found.dataset)
    }
  }
  return names
}

function openOperations(pool: Pool, allowed: Allowed): string[] {
  const states = [pool.journal.states.pool(), ...pool.journal.states.all()]
  return states.flatMap(({ context: { op } }) => {
    if (!op) return []
    if (op.pending?.inDoubt && allowed.doubt) return []
    const why = op.pending ? (op.pending.inDoubt ?? 'pending') : 'nothing pending'
    return [`${pool.name}: operation ${op.command} is open at ${op.pending?.kind ?? '-'}: ${why}`]
  })
}

/** Datasets by name that the fold owns, with their guids; null where any guid is right. */
function owned(pool: Pool): Map<string, string | null> {
  const { states } = pool.journal
  const { images, trash } = states.pool().context
  const wanted = new Map<string, string | null>()
  const add = (name: string, guid: string | null): void => void wanted.set(`${pool.dataset}/${name}`, guid)
  for (const name of ['events', ...Object.keys(POOL_LAYOUT)]) add(name, null)
  for (const [key, { guid }] of Object.entries(images)) add(`image/${key}`, guid)
  for (const [name, { guid }] of Object.entries(trash)) add(`trash/${name}`, guid)
  for (const ct of states.cts()) {
    const { dataset, identity, staging, op } = ct.context
    if (dataset !== null && identity) add(`ct/${identity.ctid}`, dataset)
    // While its undoing is in doubt it may be there or gone.
    if (staging && !(op?.pending?.inDoubt && op.pending.compensates)) add(staging.dataset, staging.guid)
  }
  return wanted
}

function datasets(state: MachineState, pool: Pool): string[] {
  const found: string[] = []
  const wanted = owned(pool)
  const known = drifted(pool)
  for (const [name, guid] of wanted) {
    if (known.has(name)) continue
    const seen = state.datasets[name]
    if (!seen) found.push(`${name} is lost`)
    else if (guid !== null && seen.guid !== guid) found.push(`${name} is another dataset than the log says`)
  }
  for (const name of Object.keys(state.datasets)) {
    if (!name.startsWith(`${pool.dataset}/`) || wanted.has(name) || known.has(name)) continue
    if ([...known].some((drifted) => name.startsWith(`${drifted}/`))) continue
    const above = [...wanted].some(([owner, guid]) => guid !== null && name.startsWith(`${owner}/`))
    const stagedInDoubt = [...pool.journal.states.all()].some(
      ({ context: { op } }) => op?.pending?.inDoubt && name.includes(op.id),
    )
    if (!above && !stagedInDoubt) found.push(`${name} belongs to nobody`)
  }
  return found
}

function containers(state: MachineState, pool: Pool): string[] {
  const found: string[] = []
  for (const ct of pool.journal.states.cts()) {
    const { identity, run, op } = ct.context
    if (!identity || op || ct.context.drift?.['running']) continue
    const seen = state.containers[containerKey({ pool: pool.name, id: identity.id })]
    const name = `${pool.name}:${identity.ctid}`
    if (shouldRun(ct) !== (seen !== undefined)) {
      found.push(`${name} is ${lifeOf(ct)} in the log and ${seen?.state ?? 'stopped'} on the host`)
    }
    if (!seen || !shouldRun(ct)) continue
    if (seen.run !== run?.name) found.push(`${name} runs as ${seen.run}, the log says ${run?.name}`)
    if (canonical(seen.evidence) !== canonical(run?.evidence))
      found.push(`${name}: its init is not that of the log`)
    if (lifeOf(ct) !== seen.state)
      found.push(`${name} is ${lifeOf(ct)} in the log and ${seen.state} on the host`)
  }
  return found
}

/** Containers that run and that no imported pool knows. */
function strangers(state: MachineState, pools: readonly Pool[]): string[] {
  return Object.values(state.containers).flatMap(({ pool: name, id, ctid }) => {
    const pool = pools.find((other) => other.name === name)
    if (!pool || exists(pool.journal.states.ct(id))) return []
    return [`${name}:${ctid} runs and is not in the log`]
  })
}

function users(pool: Pool): string[] {
  const { states } = pool.journal
  const table = states.pool().context.users
  const used = new Set<string>()
  const found: string[] = []
  for (const ct of states.cts()) {
    const { identity, map } = ct.context
    const user = table[identity?.user ?? '']
    used.add(identity?.user ?? '')
    if (!user) found.push(`${identity?.ctid} has no user`)
    else if (canonical(user.map) !== canonical(map))
      found.push(`${identity?.ctid}: its map is not its user's`)
  }
  for (const [name, { standalone }] of Object.entries(table)) {
    if (!standalone && !used.has(name)) found.push(`user ${name} serves no container`)
  }
  return found
}

function overlaps(pools: readonly Pool[]): string[] {
  const blocks = pools
    .flatMap((pool) =>
      Object.entries(pool.journal.states.pool().context.users).map(([name, { map }]) => ({
        name: `${pool.name}:${name}`,
        map,
      })),
    )
    .sort((a, b) => a.map.first - b.map.first)
  return blocks.flatMap(({ name, map }, index) => {
    const next = blocks[index + 1]
    return next && map.first + map.count > next.map.first ? [`${name} and ${next.name} share host ids`] : []
  })
}

/** Derived state and spooled reports of containers that are gone. */
function leftovers(state: MachineState, pool: Pool): string[] {
  const known = [...pool.journal.states.cts()].flatMap((ct) =>
    ct.context.identity ? [ct.context.identity] : [],
  )
  const configs = new Set(known.map(({ id, ctid }) => configPath({ pool: pool.name, id, ctid })))
  const prefix = `/run/osctl/pools/${pool.name}/containers/`
  const stale = Object.keys(state.derived).filter((path) => path.startsWith(prefix) && !configs.has(path))
  const spooled = Object.values(state.spool).filter(
    (report) => report.pool === pool.name && !known.some(({ id }) => id === report.id),
  )
  return [
    ...stale.map((path) => `${path} is left over`),
    ...spooled.map(({ id }) => `the report of ${id} is left over`),
  ]
}

async function log(world: World, pool: Pool): Promise<string[]> {
  const { journal } = pool
  let report: Awaited<ReturnType<typeof journal.store.verify>> | null = null
  await world.until(journal.store.verify({ full: true }).then((done) => (report = done)))
  const damage = (report as { damage: readonly { what: string }[] } | null)?.damage ?? [
    { what: 'not verified' },
  ]
  const found = damage.map(({ what }) => `log of ${pool.name}: ${what}`)
  for (const { stream, why } of journal.fold.quarantined.values())
    found.push(`${stream} is quarantined: ${why}`)
  // Commits go on while the log is verified, and are on the disk before the daemon hears of them.
  await world.wait(() => !journal.checkPending(), 'commits do not come back')
  const disk = world.disks.named(pool.name)
  const fromFirst = replayed(disk, disk.open()?.rows.at(-1)?.event.seq ?? 0)
  if (disk.segments.length === 1) return [...found, ...differences(pool, fromFirst, 'replay')]
  const fromBaseline = new Fold()
  for (const { event } of disk.open()?.rows ?? []) fromBaseline.apply(event)
  return [
    ...found,
    ...differences(pool, fromFirst, 'replay'),
    ...differences(pool, fromBaseline, 'replay from baseline'),
  ]
}

function differences(pool: Pool, fold: Fold, how: string): string[] {
  const { states } = pool.journal
  const found = [...fold.quarantined.values()].map(
    ({ stream, why }) => `${how}: ${stream} is quarantined: ${why}`,
  )
  if (!sameState(fold.states.pool(), states.pool())) found.push(`${how} of ${pool.name}: the pool differs`)
  const live = new Map([...states.cts()].map((ct): [string, CtState] => [streamOfCt(ct), ct]))
  const again = new Map([...fold.states.cts()].map((ct): [string, CtState] => [streamOfCt(ct), ct]))
  for (const stream of new Set([...live.keys(), ...again.keys()])) {
    if (!sameState(live.get(stream) ?? null, again.get(stream) ?? null))
      found.push(`${how}: ${stream} differs`)
  }
  return found
}
