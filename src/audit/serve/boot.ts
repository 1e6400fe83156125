/** Boots, and what each made of the containers. */
import type { BootReport } from '../../rpc/boot-rows.ts'
import { bootList, bootReport } from '../boot-report.ts'
import { type Answers, type Holder, invalid, poolsOf } from './holder.ts'

export function bootAnswers(holder: Holder): Answers<'boot.list' | 'boot.report'> {
  return {
    'boot.list': async ({ pools, limit }) =>
      (await Promise.all(poolsOf(holder, pools).map((pool) => bootList(pool, pool.log, limit)))).flat(),
    'boot.report': async ({ pools, boot }) => {
      const among = poolsOf(holder, pools)
      const found = await Promise.all(among.map((pool) => bootReport(pool, pool.log, boot)))
      const reports = found.filter((report): report is BootReport => report !== null)
      if (reports.length === 0 && among.length > 0)
        throw invalid(
          'E_BOOT',
          `no such boot: ${boot} (legal: 0, -1, … or a boot id; osctl boot ls shows them)`,
        )
      return reports
    },
  }
}
