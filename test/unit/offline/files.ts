/** Files of logs for the tests of osctl-replay: the golden log as an export writes it. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { SqliteLog } from '../../../src/events/log/sqlite/log.ts'
import { EXPORT_FORMAT, eventLine, WHOLE_PROOF } from '../../../src/rpc/portable.ts'
import type { ExportHeader } from '../../../src/rpc/results.ts'
import { appendGolden } from '../audit/golden-log.ts'
import { scratchDir, stamp } from '../events/log/helpers.ts'

export const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8')
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

export type Golden = {
  readonly dir: string
  readonly log: SqliteLog
  readonly lines: readonly string[]
  write(name: string, content: string | Buffer): string
  close(): Promise<void>
}

/** The golden log in a real log's directory, open, and as the lines of a file. */
export async function golden(): Promise<Golden> {
  const { dir, remove } = scratchDir()
  const events = join(dir, 'events')
  mkdirSync(events)
  const log = new SqliteLog({ dir: events, stamp })
  await appendGolden(log)
  const rows = []
  for (let next: number | null = 1; next !== null; ) {
    const slice: Awaited<ReturnType<SqliteLog['raw']>> = await log.raw({ from: next, limit: 100 })
    rows.push(...slice.rows)
    next = slice.next
  }
  const header: ExportHeader = {
    osctl_log: EXPORT_FORMAT,
    pool: 'tank',
    guid: '15839210391',
    dataset: 'tank',
    directory: '/tank',
    container: null,
    first: 1,
    previous: '0'.repeat(64),
    head: log.head(),
    exported_at: 1,
    host: 'node1',
    versions: { osctl: 'x', machines: 1, baseline_schema: 1 },
    simulated: false,
    proves: WHOLE_PROOF,
    incident: null,
  }
  return {
    dir,
    log,
    lines: [JSON.stringify(header), ...rows.map(({ body, hash }) => eventLine(hex(hash), text(body)))],
    write: (name, content) => {
      const path = join(dir, name)
      writeFileSync(path, content)
      return path
    },
    close: async () => {
      await log.close()
      remove()
    },
  }
}
