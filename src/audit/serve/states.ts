/** `ls` and `show` of what is state, and `diff`: from the states of any moment. */
import type { DiffReport } from '../../rpc/results.ts'
import { ctList, findCt, onlyNamed, opList, opShow, unmeasured } from '../answers.ts'
import { diff } from '../diff.ts'
import { driftRows } from '../drift-rows.ts'
import { ctRow, idRangeRows, poolRow, repoRows, trashRows, userRows, witnessRows } from '../rows.ts'
import type { PoolMoment } from '../view.ts'
import { type Answers, notFound } from './holder.ts'
import type { Moments } from './moments.ts'

type States =
  | 'ct.list'
  | 'ct.show'
  | 'pool.list'
  | 'pool.show'
  | 'user.list'
  | 'id-range.list'
  | 'repo.list'
  | 'trash.list'
  | 'witness.list'
  | 'op.list'
  | 'op.show'
  | 'drift.list'
  | 'diff'

/**
 * Pools as nobody can measure them: whoever can answers `pool.list`, `pool.show` and `witness.list` without a moment
 * himself.
 */
export function stateAnswers<P extends PoolMoment>(moments: Moments<P>): Answers<States> {
  return {
    'ct.list': async (params) => ctList(await moments.pools(params.pools, params.at), params),
    'ct.show': async ({ id, at }) => {
      const { pool, ct } = findCt(await moments.pools(undefined, at), id)
      return ctRow(pool, ct)
    },
    'pool.list': async ({ names, at }) => {
      const found = await moments.pools(names, at)
      return await Promise.all(found.map(async (pool) => poolRow(pool, await unmeasured(pool))))
    },
    'pool.show': async ({ name, at }) => {
      const [pool] = await moments.pools([name], at)
      if (pool) return poolRow(pool, await unmeasured(pool))
      throw notFound('E_POOL_NOT_FOUND', `pool ${name} had no log at that time`)
    },
    'user.list': async ({ names, pools, at }) =>
      onlyNamed((await moments.pools(pools, at)).flatMap(userRows), names),
    'id-range.list': async ({ names, pools, at }) =>
      onlyNamed((await moments.pools(pools, at)).flatMap(idRangeRows), names),
    'repo.list': async ({ names, pools, at }) =>
      onlyNamed((await moments.pools(pools, at)).flatMap(repoRows), names),
    'drift.list': async ({ pools, at }) => (await moments.pools(pools, at)).flatMap(driftRows),
    'trash.list': async ({ pools, at }) => (await moments.pools(pools, at)).flatMap(trashRows),
    'witness.list': async ({ pools, at }) => (await moments.pools(pools, at)).flatMap(witnessRows),
    'op.list': async ({ pools, all, at }) => {
      const found = await moments.pools(pools, at)
      return (await Promise.all(found.map((pool) => opList(pool, all)))).flat()
    },
    'op.show': async ({ op, at }) => await opShow(await moments.pools(undefined, at), op),
    diff: async ({ pools, ct, from, to }) => {
      const colon = ct?.indexOf(':') ?? -1
      const named = colon > 0 && ct !== undefined ? [ct.slice(0, colon)] : pools
      const id = ct?.slice(colon + 1)
      const reports: DiffReport[] = []
      for (const { before, after } of await moments.between(named, from, to))
        reports.push(await diff(before, after, id, moments.pace()))
      if (reports.length === 0) throw notFound('E_NO_LOG_THEN', 'no pool had a log at either moment')
      return reports
    },
  }
}
