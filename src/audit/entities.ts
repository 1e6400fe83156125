/**
 * What there is on a pool at a moment, as names and values: what two moments are compared by.
 *
 * A value is text as `show` prints it; what is empty is not there. Only state is here, and no name that follows from
 * others (paths, datasets' names).
 */
import { witnessText } from '../events/types/witness.ts'
import type { CtState } from '../machines/container/machine.ts'
import { phaseOf } from '../machines/life.ts'
import type { PoolContext } from '../machines/pool/context.ts'
import type { DiffEntity } from '../rpc/results.ts'
import { ctRow, stateWord } from './rows.ts'
import type { PoolView } from './view.ts'

export type Properties = ReadonlyMap<string, string>
/** `key` tells entities of one kind apart for ever; `name` is what an admin calls it. */
export type Entity = {
  readonly kind: DiffEntity
  readonly key: string
  readonly name: string
  readonly properties: Properties
}

type Value = string | number | boolean | null | undefined | readonly string[]

function propertiesOf(values: Readonly<Record<string, Value>>): Properties {
  const there = new Map<string, string>()
  for (const [name, value] of Object.entries(values)) {
    if (value === null || value === undefined || value === '' || value === false) continue
    there.set(name, Array.isArray(value) ? value.join(' ') : String(value))
  }
  return there
}

export function containerEntity(pool: PoolView, ct: CtState): Entity {
  const row = ctRow(pool, ct)
  const { context } = ct
  return {
    kind: 'container',
    key: row.stream,
    name: row.id,
    properties: propertiesOf({
      state: stateWord(pool, ct),
      init_pid: row.init_pid,
      run: context.run?.name,
      autostart: row.autostart,
      autostart_priority: row.autostart_priority,
      autostart_delay: row.autostart_delay,
      hostname: row.hostname,
      ...row.attrs,
      user: row.user,
      group: row.group,
      id_map: row.uid_map,
      distribution: row.distribution,
      version: row.version,
      arch: row.arch,
      init_cmd: row.init_cmd,
      dataset_guid: context.dataset,
      restart_needed: row.restart_needed,
      operation: context.op && `${context.op.command} (${context.op.id})`,
      step: context.op ? phaseOf(ct) : null,
      problem: row.problem,
    }),
  }
}

/** The pool itself, and all that its stream tells of. */
export function poolEntities(pool: PoolView): Entity[] {
  const state = pool.states.pool()
  const { context } = state
  const { config } = context
  const itself: Entity = {
    kind: 'pool',
    key: pool.name,
    name: pool.name,
    properties: propertiesOf({
      state: phaseOf(state),
      dataset: context.dataset,
      boot_id: context.bootId,
      parallel_start: config.parallelStart,
      parallel_stop: config.parallelStop,
      ...config.attrs,
      ...Object.fromEntries(
        Object.entries(config.witnesses ?? {}).map(([name, it]) => [`witness ${name}`, witnessText(it)]),
      ),
      autostart_plan: context.autostart,
      operation: context.op && `${context.op.command} (${context.op.id})`,
    }),
  }
  return [itself, ...tablesOf(context)]
}

function tablesOf(context: PoolContext): Entity[] {
  const table = <T>(
    kind: DiffEntity,
    entries: Readonly<Record<string, T>>,
    values: (entry: T) => Record<string, Value>,
  ): Entity[] =>
    Object.entries(entries).map(([name, entry]) => ({
      kind,
      key: name,
      name,
      properties: propertiesOf(values(entry)),
    }))
  return [
    ...table('user', context.users, ({ range, map, standalone }) => ({
      range,
      id_map: `${map.first}:${map.count}`,
      standalone,
    })),
    ...table('id-range', context.idRanges, (range) => range),
    ...table('repository', context.repositories, ({ url, enabled }) => ({ url, enabled: String(enabled) })),
    ...table('image', context.images, ({ distribution, version, arch, vendor, variant, repository }) => ({
      repository,
      distribution,
      version,
      arch,
      vendor,
      variant,
    })),
    ...table('trash', context.trash, ({ ctid, guid }) => ({ ctid, dataset_guid: guid })),
  ]
}
