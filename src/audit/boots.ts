/** The boots and restarts that a log knows of: what each found when it opened the pool. */
import type { StoredEvent } from '../events/types/envelope.ts'
import type { EventData } from '../events/types/events.ts'
import type { LogReader } from '../events/types/query.ts'
import type { BootRow } from '../rpc/results.ts'
import { ask } from './ask.ts'

/** The newest openings of a pool, oldest first. */
export async function boots(pool: string, log: LogReader, limit: number): Promise<BootRow[]> {
  const events = await ask(log, {
    stream: 'pool',
    types: ['PoolOpened', 'PoolReady'],
    reverse: true,
    limit: limit * 2,
  })
  const rows: BootRow[] = []
  let ready: StoredEvent | null = null
  for (const event of events) {
    if (event.type === 'PoolReady') ready = event
    else {
      rows.push(await bootRow(pool, log, event, ready))
      ready = null
    }
    if (rows.length === limit) break
  }
  return rows.reverse()
}

async function bootRow(
  pool: string,
  log: LogReader,
  opened: StoredEvent,
  ready: StoredEvent | null,
): Promise<BootRow> {
  const { bootId, previous } = opened.data as EventData<'PoolOpened'>
  const { events } = await log.read({ from: opened.s, to: opened.s, limit: 1 }).catch(() => ({ events: [] }))
  const session = events[0]?.type === 'SessionOpened' ? (events[0].data as EventData<'SessionOpened'>) : null
  return {
    position: `${pool}:${opened.seq}`,
    time: opened.t,
    boot_id: bootId,
    host: session?.host ?? '',
    code: session?.code ?? '',
    previous,
    found: ready && (ready.data as EventData<'PoolReady'>),
  }
}
