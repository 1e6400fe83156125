/**
 * What `zpool history -il` prints, as values: the pool's own diary, which nobody can turn off. Pure.
 *
 * Two kinds of its lines are of use. An *internal* one is written by ZFS in the very txg of the change, so there is one
 * for each change that is on the disk. A *command* is written by `zfs` and `zpool` after they have succeeded: it says
 * who asked, and it may be missing. The log is a ring: what is old is overwritten.
 *
 * @source print_history_records() in cmd/zpool/zpool_main.c, log_internal() in module/zfs/spa_history.c, OpenZFS 2.3
 */

/** A change that ZFS made to a dataset. */
export type ZpoolRecord = {
  /** Its place among all lines that were read. */
  readonly n: number
  /** Wall clock, ms since the epoch, whole seconds. */
  readonly time: number
  readonly txg: number
  /** create, clone, snapshot, rename, set, inherit, destroy, receive, clone swap … */
  readonly operation: string
  /** Full name, at that time. */
  readonly dataset: string
  readonly detail: string
  readonly host: string | null
}
/** A command that somebody gave. */
export type ZpoolCommand = {
  readonly n: number
  readonly time: number
  readonly command: string
  /** By name, where the host knew one; else by uid. */
  readonly user: string
  readonly host: string | null
}
export type ZpoolHistory = { readonly records: ZpoolRecord[]; readonly commands: ZpoolCommand[] }

export const emptyHistory = (): ZpoolHistory => ({ records: [], commands: [] })

const STAMP = /^(\d{4}-\d\d-\d\d)\.(\d\d:\d\d:\d\d) /
/** A name may hold blanks; of what ZFS does to datasets two have one as well. */
const INTERNAL =
  /^\[txg:(\d+)\] (clone swap|finish receiving|\S+) (\S.*?) \(\d+\) ?(.*?) *(?:\[on (\S+?)\])?$/
const COMMAND = /^((?:zfs|zpool) .*?) \[user (\d+)(?: \(([^)]*)\))?(?: on ([^\]:]+))?[^\]]*\]$/

/** Adds a line to a history; one that is neither a change of a dataset nor a command is left out. */
export function addLine({ records, commands }: ZpoolHistory, line: string): void {
  const stamp = STAMP.exec(line)
  if (!stamp) return
  const n = records.length + commands.length
  const time = Date.parse(`${stamp[1]}T${stamp[2]}`)
  const rest = line.slice(stamp[0].length)
  const internal = INTERNAL.exec(rest)
  if (internal) {
    const [, txg, operation = '', dataset = '', detail = '', host = null] = internal
    records.push({ n, time, txg: Number(txg), operation, dataset, detail, host })
    return
  }
  const [, command, uid, name, host = null] = COMMAND.exec(rest) ?? []
  if (command !== undefined) commands.push({ n, time, command, user: name ?? `uid ${uid}`, host })
}

/** @pure */
export function parseZpoolHistory(text: string): ZpoolHistory {
  const history = emptyHistory()
  for (const line of text.split('\n')) addLine(history, line)
  return history
}

/** The dataset that a record is about: of a snapshot, or of a clone that ZFS makes for itself, the one that it is of. */
export const subjectOf = ({ dataset }: Pick<ZpoolRecord, 'dataset'>): string =>
  dataset.replace(/@.*$|\/%[^/]*$/, '')

/** Name of the property that a record sets; null when it sets none. */
export const propertyOf = ({ operation, detail }: ZpoolRecord): string | null =>
  operation === 'set' || operation === 'inherit' ? (detail.split('=')[0] ?? null) : null

/** Commands of `zfs` that make such a change; any may make others. */
const VERBS: Readonly<Record<string, readonly string[]>> = {
  create: ['create'],
  clone: ['clone'],
  snapshot: ['snapshot', 'snap'],
  rename: ['rename'],
  set: ['set', 'create', 'clone', 'snapshot', 'snap', 'recv', 'receive'],
  inherit: ['inherit', 'set', 'recv', 'receive'],
  'clone swap': ['rollback', 'recv', 'receive'],
  destroy: ['destroy', 'rollback', 'program', 'recv', 'receive'],
}
/** A command is written when it has succeeded, its change before that. */
const COMMAND_AFTER_MS = 60_000

/** The command that a change was most likely made by: the next such one that names its dataset, or one above it. @pure */
export function commandOf(commands: readonly ZpoolCommand[], record: ZpoolRecord): ZpoolCommand | null {
  const subject = subjectOf(record)
  const verbs = VERBS[record.operation]
  const names = (command: string): boolean => {
    const [, verb = '', ...words] = command.split(' ')
    if (verbs && !verbs.includes(verb)) return false
    return words.some((word) => {
      const name = word.replace(/@.*$/, '')
      return name === subject || (name.includes('/') && subject.startsWith(`${name}/`))
    })
  }
  return (
    commands.find(
      ({ n, time, command }) => n > record.n && time - record.time <= COMMAND_AFTER_MS && names(command),
    ) ?? null
  )
}
