/** Why a container is as it is. */
import { columnsOf } from '../change.ts'
import type { PoolMoment } from '../view.ts'
import { why } from '../why.ts'
import { subjectsOf } from './conditions.ts'
import { type Answers, invalid } from './holder.ts'
import type { Moments } from './moments.ts'

const ATTRIBUTE = /^[^:\s]+:\S+$/

export function whyAnswers<P extends PoolMoment>(moments: Moments<P>): Answers<'ct.why'> {
  return {
    'ct.why': async ({ id, column, value, at }) => {
      const holder = await moments.holder(undefined, at)
      const named = await subjectsOf(holder, id, undefined)
      // The one that is there; of those that are gone the last.
      const all = named.flatMap(({ pool, rows }) => rows.map((subject) => ({ pool, subject })))
      const found = all.find(({ subject }) => subject.deleted_at === null) ?? all.at(-1)
      if (!found) throw new Error('a name without a container')
      const { pool, subject } = found
      const columns = columnsOf(pool)
      if (!columns.includes(column) && !ATTRIBUTE.test(column))
        throw invalid('E_COLUMN', `no such column: ${column} (legal: ${columns.join(', ')}, or vendor:key)`)
      return await why(pool, pool.log, { subject, column, value })
    },
  }
}
