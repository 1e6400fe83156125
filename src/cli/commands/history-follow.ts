/**
 * `osctl history -f`: the history, and then a line for each command when it has ended, and for all else when it
 * happens.
 *
 * It subscribes before it asks for the history, so nothing falls between the two; what ends in between is told by
 * both and printed once. Each event is only the occasion: its row is what the daemon answers, filtered as the history.
 */
import { OCCASIONS } from '../../rpc/history.ts'
import type { MethodInput } from '../../rpc/methods.ts'
import type { EventRow, HistoryRow } from '../../rpc/results.ts'
import { given, type Invocation, printMore, printRows } from '../invocation.ts'
import { CommandError } from '../usage-error.ts'
import { withHosts } from './history-hosts.ts'

type Filter = Omit<MethodInput<'history.list'>, 'limit'>

/** Follows until it is interrupted, or the connection is lost. */
export async function followHistory(
  invocation: Invocation,
  filter: Filter,
  limit: Pick<MethodInput<'history.list'>, 'limit'>,
): Promise<void> {
  const { link, globals } = invocation
  const printed = new Set<string>()
  let shown = invocation
  const ended = Promise.withResolvers<string>()
  /** Rows are printed in the order of their occasions. */
  let turn: Promise<void> = Promise.resolve()
  const onEvent = (event: EventRow): void => {
    turn = turn.then(async () => {
      const row = await rowOf(invocation, filter, event)
      if (!row || printed.has(row.position)) return
      printed.add(row.position)
      printMore(shown, [row])
    })
    turn.catch((error: unknown) => ended.reject(error))
  }
  const waiting: EventRow[] = []
  let isListed = false
  await link.query(
    'event.subscribe',
    { types: [...OCCASIONS], ...given({ pools: filter.pools }) },
    {
      onEvent: ({ event }) => (isListed ? onEvent(event) : waiting.push(event)),
      onEnded: ({ reason }) => ended.resolve(reason),
    },
  )
  const rows = await link.query('history.list', { ...filter, ...limit })
  shown = withHosts(invocation, rows)
  if (globals.flag('json')) printMore(invocation, rows)
  else printRows(shown, rows)
  for (const row of rows) if (row.result !== 'running') printed.add(row.position)
  isListed = true
  for (const event of waiting) onEvent(event)
  throw new CommandError(await ended.promise)
}

async function rowOf(
  { link }: Invocation,
  filter: Filter,
  { op, id, pool, position, type }: EventRow,
): Promise<HistoryRow | undefined> {
  const rows = await link.query('history.list', { ...filter, pools: [pool], op: op ?? id, limit: 100 })
  const isEnd = type === 'OperationFinished'
  return rows.find((row) => (isEnd ? row.type === 'CommandAccepted' : row.position === position))
}
