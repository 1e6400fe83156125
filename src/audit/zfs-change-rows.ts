/** Whose each change of our datasets was, as an admin reads it: rows of `drift changes`. */
import type { ZfsChangeRow } from '../rpc/host-rows.ts'
import { formatTime } from '../rpc/time.ts'
import type { Attribution, Effect } from './attribution.ts'
import { subjectOf, type ZpoolCommand, type ZpoolRecord } from './zpool-history.ts'

/** `zfs set quota=1G tank/ct/web (root on alpha, 2026-11-25 09:00:00 +0000)`. @pure */
export const commandText = ({ command, user, host, time }: Omit<ZpoolCommand, 'n'>): string =>
  `${command} (${user}${host === null ? '' : ` on ${host}`}, ${formatTime(time)})`

type Told = Pick<ZfsChangeRow, 'change'> & Partial<Pick<ZfsChangeRow, 'of'>>

function rowOf(
  pool: string,
  told: Told,
  records: readonly [ZpoolRecord, ...ZpoolRecord[]],
  command: ZpoolCommand | null = null,
): ZfsChangeRow {
  const [{ time, host, txg }] = records
  return {
    pool,
    time,
    of: null,
    ...told,
    subject: [...new Set(records.map(subjectOf))].join(' '),
    what: records.map(({ operation, detail }) => `${operation} ${detail}`.trim()).join('; '),
    command: command?.command ?? null,
    user: command?.user ?? null,
    host: command?.host ?? host,
    txg,
  }
}

const unrecordedRow = (pool: string, { intent, kind, args, to, from }: Effect): ZfsChangeRow => ({
  pool,
  time: to ?? from,
  change: 'unrecorded',
  of: intent,
  subject: JSON.stringify(args),
  what: `${kind} is done, and ZFS has no record of it`,
  command: null,
  user: null,
  host: null,
  txg: null,
})

/**
 * What others did, and effects that ZFS knows nothing of, oldest first.
 * @param all  also what osctld did itself
 * @pure
 */
export function zfsChangeRows(
  pool: string,
  { effects, upkeep, foreign, unrecorded }: Attribution,
  all: boolean,
): ZfsChangeRow[] {
  const own = all
    ? [
        ...[...effects].flatMap(([of, records]) =>
          records.map((record) => rowOf(pool, { change: 'effect', of }, [record])),
        ),
        ...upkeep.map(({ act, record }) => rowOf(pool, { change: 'upkeep', of: act }, [record])),
      ]
    : []
  const others = foreign.map(({ records, command }) => rowOf(pool, { change: 'foreign' }, records, command))
  return [...own, ...others, ...unrecorded.map((effect) => unrecordedRow(pool, effect))].sort(
    (a, b) => a.time - b.time || (a.txg ?? 0) - (b.txg ?? 0),
  )
}
