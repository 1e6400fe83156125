/** What the pool's own diary knows of drift: who did it, with which command; and what shows in no state at all. Pure. */
import type { Found } from '../events/types/drift-events.ts'
import type { StreamId } from '../events/types/ids.ts'
import type { CtState } from '../machines/container/machine.ts'
import { formatTime } from '../rpc/time.ts'
import { commandText } from './zfs-change-rows.ts'
import { commandOf, propertyOf, subjectOf, type ZpoolHistory, type ZpoolRecord } from './zpool-history.ts'

/** Something that differs. */
export type Finding = {
  readonly stream: StreamId
  readonly drift: string
  readonly expected: string
  readonly seen: string
  readonly found: Found
}

/** The drift of a dataset that somebody rolled back. */
export const ROLLED_BACK = 'rolledback'
const COMMAND_MAX = 1000
const PROPERTY = /^[a-z]+$|:/
const OF_DATASET = ['missing', 'renamed', 'replaced', 'foreign']
const MAKING = ['create', 'clone', 'receive', 'rename', 'destroy']

function by(history: ZpoolHistory, record: ZpoolRecord | undefined): Pick<Found, 'by'> {
  const found = record && commandOf(history.commands, record)
  if (!found) return {}
  const { command, user, host, time } = found
  return { by: { command: command.slice(0, COMMAND_MAX), user, host, time } }
}

/**
 * A finding with the command that the newest fitting change was made by, if the diary has it.
 * @param name  full name of the dataset that it is about
 */
export function withCause(history: ZpoolHistory, name: string, finding: Finding): Finding {
  const kind = finding.drift.split('/').at(-1) ?? ''
  const isOfDataset = OF_DATASET.includes(kind)
  if (!isOfDataset && !PROPERTY.test(kind)) return finding
  const record = history.records.findLast((it) =>
    isOfDataset
      ? (subjectOf(it) === name && MAKING.includes(it.operation)) || it.detail === `-> ${name}`
      : it.dataset === name && propertyOf(it) === kind,
  )
  return { ...finding, found: { ...finding.found, ...by(history, record) } }
}

/** The newest rollback of each dataset, by its full name. @pure */
export const rollbacksOf = ({ records }: ZpoolHistory): ReadonlyMap<string, ZpoolRecord> =>
  new Map(
    records
      .filter(({ operation, dataset }) => operation === 'clone swap' && dataset.endsWith('/%rollback'))
      .map((record) => [subjectOf(record), record]),
  )

/**
 * A container's dataset that was rolled back since the container was made, which no state shows; what is known of it
 * already stays so until somebody settles it.
 */
export function rolledBack(
  history: ZpoolHistory,
  /** The newest rollback of its dataset. */
  record: ZpoolRecord | undefined,
  stream: StreamId,
  ct: CtState,
): Finding[] {
  const { drift, adopted, createdAt } = ct.context
  const known = drift?.[ROLLED_BACK]
  const settled = Math.max(Number(adopted?.[ROLLED_BACK]?.value ?? 0), Number(known?.found.value ?? 0))
  if (record && record.txg > settled && record.time + 1000 > (createdAt ?? 0)) {
    const cause = by(history, record)
    const seen = `it was rolled back at ${formatTime(record.time)}${cause.by ? `: ${commandText(cause.by)}` : ''}`
    const found = { value: String(record.txg), ...cause }
    return [{ stream, drift: ROLLED_BACK, expected: 'its files as they were written', seen, found }]
  }
  if (!known) return []
  const { expected, seen, found } = known
  return [{ stream, drift: ROLLED_BACK, expected, seen, found }]
}
