/** Handler of `diff`. */
import { diff } from '../../audit/diff.ts'
import type { DiffReport } from '../../rpc/results.ts'
import type { Daemon } from '../daemon.ts'
import { notFound } from '../errors.ts'
import type { HandlersOf } from './context.ts'

export function diffHandlers(daemon: Daemon): HandlersOf<'diff'> {
  return {
    diff: async ({ pools, ct, from, to }) => {
      const colon = ct?.indexOf(':') ?? -1
      const named = colon > 0 && ct !== undefined ? [ct.slice(0, colon)] : pools
      const id = ct?.slice(colon + 1)
      const reports: DiffReport[] = []
      for (const { before, after } of await daemon.past.between(named, from, to))
        reports.push(await diff(before, after, id, daemon.past.pace()))
      if (reports.length === 0) throw notFound('E_NO_LOG_THEN', 'no imported pool had a log at either moment')
      return reports
    },
  }
}
