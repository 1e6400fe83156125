/** Which host it was, in a history of more than one. */
import type { HistoryRow } from '../../rpc/results.ts'
import type { Invocation } from '../invocation.ts'

/** With the column `host` among those that are shown unasked, where the rows are of several hosts; never for scripts. */
export function withHosts(invocation: Invocation, rows: readonly HistoryRow[]): Invocation {
  const { command, options } = invocation
  const hosts = new Set(rows.flatMap(({ host }) => host ?? []))
  if (hosts.size < 2 || command.table === undefined || options.flag('hide-header')) return invocation
  const table = { ...command.table, defaults: [...command.table.defaults, 'host'] }
  return { ...invocation, command: { ...command, table } }
}
