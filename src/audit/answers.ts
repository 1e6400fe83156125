/**
 * What `ls` and `show` answer, from pools at a moment: live ones, as they were, or out of a file. One place makes them,
 * so that an answer about the past is the one that was given then.
 */
import type { EventData } from '../events/types/events.ts'
import type { LogReader } from '../events/types/query.ts'
import type { CtState } from '../machines/container/machine.ts'
import { ctIdOf, ctidOf } from '../machines/fold.ts'
import { RpcError } from '../rpc/errors.ts'
import type { MethodParams } from '../rpc/methods.ts'
import type { CtRow, OpRow } from '../rpc/results.ts'
import { ask } from './ask.ts'
import { openOpRow, operation } from './operations.ts'
import { ctRow, type PoolMeasures } from './rows.ts'
import type { PoolMoment, PoolView } from './view.ts'

const RECENT_OPERATIONS = 100

/** In the order of their own ids, which is that of their creation, whatever a fold began with. */
const living = (pool: PoolView): CtState[] =>
  [...pool.states.cts()].sort((a, b) => (ctIdOf(a) < ctIdOf(b) ? -1 : 1))

export function ctList(
  pools: readonly PoolView[],
  params: Omit<MethodParams<'ct.list'>, 'pools'>,
): Partial<CtRow>[] {
  const wanted = (values: readonly string[] | undefined, value: string): boolean =>
    !values || values.includes(value)
  const byId = (row: CtRow): boolean =>
    !params.ids || params.ids.includes(row.id) || params.ids.includes(`${row.pool}:${row.id}`)
  const rows = pools
    .flatMap((pool) => living(pool).map((ct) => ctRow(pool, ct)))
    .filter(
      (row) =>
        byId(row) &&
        wanted(params.users, row.user) &&
        wanted(params.groups, row.group) &&
        wanted(params.distributions, row.distribution) &&
        wanted(params.versions, row.version) &&
        wanted(params.states, row.state),
    )
  const { columns } = params
  return columns === undefined ? rows : rows.map((row) => fieldsOf(row, columns))
}

const fieldsOf = (row: CtRow, names: readonly string[]): Partial<CtRow> =>
  Object.fromEntries(names.filter((name) => name in row).map((name) => [name, row[name as keyof CtRow]]))

/** `id` or `pool:id` among these pools. @throws RpcError E_CT_NOT_FOUND */
export function findCt<P extends PoolView>(pools: readonly P[], target: string): { pool: P; ct: CtState } {
  const colon = target.indexOf(':')
  const ctid = target.slice(colon + 1)
  for (const pool of pools) {
    if (colon > 0 && pool.name !== target.slice(0, colon)) continue
    const ct = pool.states.byCtid(ctid)
    if (ct) return { pool, ct }
  }
  throw new RpcError('container not found', { kind: 'not-found', code: 'E_CT_NOT_FOUND' })
}

/** What can be told of a pool's measures when nobody can measure: where its log ended, and its format then. */
export async function unmeasured({ log }: PoolMoment): Promise<PoolMeasures> {
  const { seq, hash } = log.head()
  const head = `${seq}:${hash.slice(0, 16)}`
  return { log: null, log_head: head, format: await formatAt(log, seq), health: null, problem: null }
}

/** As the segment's first event says; null where that is not at hand. */
async function formatAt(log: LogReader, seq: number): Promise<number | null> {
  const place = await log.placeOf(seq)
  if (!place) return null
  const { events } = await log.read({ from: place.segmentFirst, to: place.segmentFirst, limit: 1 })
  const [first] = events
  if (first?.type !== 'SegmentOpened') return null
  return (first.data as EventData<'SegmentOpened'>).format?.number ?? 1
}

export const onlyNamed = <T extends { name: string }>(
  rows: readonly T[],
  names: readonly string[] | undefined,
): T[] => (names && names.length > 0 ? rows.filter((row) => names.includes(row.name)) : [...rows])

/** Operations that are open, or with `all` also the recent ones. */
export async function opList(pool: PoolMoment, all: boolean): Promise<OpRow[]> {
  const open = [
    { target: null, op: pool.states.pool().context.op },
    ...living(pool).map((ct) => ({ target: ctidOf(ct), op: ct.context.op })),
  ].flatMap(({ target, op }) => (op ? [openOpRow(pool, target, op, '-')] : []))
  if (!all)
    return await Promise.all(open.map(async (row) => (await operation(pool, pool.log, row.op)) ?? row))
  const recent = await ask(pool.log, { types: ['CommandAccepted'], reverse: true, limit: RECENT_OPERATIONS })
  const rows = await Promise.all(recent.map((event) => operation(pool, pool.log, event.op ?? event.id)))
  return rows.filter((row) => row !== null).reverse()
}

/** @throws RpcError E_OP_NOT_FOUND */
export async function opShow(pools: readonly PoolMoment[], op: string): Promise<OpRow> {
  for (const pool of pools) {
    const row = await operation(pool, pool.log, op)
    if (row) return row
  }
  throw new RpcError(`operation not found: ${op} (osctl op ls --all shows the recent ones)`, {
    kind: 'not-found',
    code: 'E_OP_NOT_FOUND',
  })
}
