/**
 * What each kind of effect may do to datasets, and what the upkeep of a log does: the rules that attribution.ts goes by.
 *
 * Of a property the name is compared and not the value, which ZFS writes down in a form of its own (`canmount=2`).
 */
import type { Evidence, IntentArgs, IntentKind } from '../events/types/intents.ts'
import { propertyOf, subjectOf, type ZpoolRecord } from './zpool-history.ts'

/** A pool and its `<ds>`. */
export type Place = { readonly pool: string; readonly dataset: string }
/** The intent whose work it is, and whether this is the undoing of it. */
export type By = { readonly intent: string; readonly isUndo: boolean }

type Rule<K extends IntentKind> = {
  /** Full names of datasets that it may change, with what is below them. */
  names(args: IntentArgs<K>, at: Place): readonly string[]
  /** May this effect have made this change? */
  made(args: IntentArgs<K>, record: ZpoolRecord, at: Place, by: By): boolean
  /** Must there be a change that it made, given what it gave? */
  leaves(evidence: Evidence<K>): boolean
}

const ACTIVE = 'org.vpsadminos.osctl:active'
const SCOPE = 'org.vpsadminos.osctl:dataset'
const STAMP = 'org.vpsadminos.osctl:intent'
const UNPACKED = 'org.vpsadminos.osctl:unpacked'
const HEAD = 'org.vpsadminos.osctl:head'
const LAYOUT = ['ct', 'image', 'staging', 'trash', 'repository', 'log', 'hook', 'cache']

const always = (): boolean => true
const never = (): boolean => false
const isWithin = (name: string, top: string): boolean => name === top || name.startsWith(`${top}/`)
const below = ({ dataset }: Place, name: string): string => `${dataset}/${name}`

/** Made, given its properties, stamped with its own intent, and destroyed when it was half made or is undone. */
const making =
  (how: string) =>
  ({ dataset }: { dataset: string }, record: ZpoolRecord, at: Place, { intent, isUndo }: By): boolean => {
    if (subjectOf(record) !== below(at, dataset)) return false
    if (record.operation === 'destroy') return true
    const property = propertyOf(record)
    const isMade = record.operation === how || property === 'canmount'
    return !isUndo && (isMade || (property === STAMP && record.detail === `${STAMP}=${intent}`))
  }

const moving = (
  { from, to }: { from: string; to: string },
  record: ZpoolRecord,
  at: Place,
  { isUndo }: By,
): boolean => {
  const [before, after] = isUndo ? [to, from] : [from, to]
  return (
    record.operation === 'rename' &&
    record.dataset === below(at, before) &&
    record.detail === `-> ${below(at, after)}`
  )
}

const oneName = ({ dataset }: { dataset: string }, at: Place): string[] => [below(at, dataset)]
const bothNames = ({ from, to }: { from: string; to: string }, at: Place): string[] => [
  below(at, from),
  below(at, to),
]
const setName = ({ dataset }: { dataset: string }, at: Place): string =>
  dataset === '' ? at.pool : below(at, dataset)

export const RULES: { readonly [K in IntentKind]: Rule<K> | null } = {
  'dataset.create': { names: oneName, made: making('create'), leaves: always },
  'dataset.clone': { names: oneName, made: making('clone'), leaves: always },
  'dataset.snapshot': {
    names: oneName,
    made: ({ dataset, name }, record, at, { isUndo }) =>
      record.dataset === `${below(at, dataset)}@${name}` &&
      record.operation === (isUndo ? 'destroy' : 'snapshot'),
    leaves: always,
  },
  'dataset.rename': { names: bothNames, made: moving, leaves: ({ existing }) => !existing },
  'dataset.trash': { names: bothNames, made: moving, leaves: always },
  // What is so already is not set again, and that is no evidence.
  'dataset.set': {
    names: (args, at) => [setName(args, at)],
    made: (args, record, at) =>
      record.dataset === setName(args, at) && Object.hasOwn(args.set, propertyOf(record) ?? ''),
    leaves: never,
  },
  // Absent already is success: attribution.ts asks whether anybody destroyed it.
  'dataset.destroy': {
    names: oneName,
    made: ({ dataset }, record, at) =>
      record.operation === 'destroy' && isWithin(subjectOf(record), below(at, dataset)),
    leaves: always,
  },
  'image.receive': {
    names: oneName,
    made: ({ dataset }, record, at, { isUndo }) =>
      record.operation !== 'rename' &&
      (!isUndo || record.operation === 'destroy') &&
      isWithin(subjectOf(record), below(at, dataset)),
    leaves: always,
  },
  'image.unpack': {
    names: oneName,
    made: ({ dataset }, record, at, { intent }) =>
      record.dataset === below(at, dataset) && record.detail.startsWith(`${UNPACKED}=${intent}/`),
    leaves: always,
  },
  'pool.layout': {
    names: (_args, at) => LAYOUT.map((name) => below(at, name)),
    made: (_args, record, at) =>
      record.operation === 'create' && LAYOUT.some((name) => record.dataset === below(at, name)),
    leaves: ({ created }) => created.length > 0,
  },
  'pool.mark': {
    names: (_args, { pool }) => [pool],
    made: (_args, record, { pool }) =>
      record.dataset === pool && [ACTIVE, SCOPE].includes(propertyOf(record) ?? ''),
    leaves: never,
  },
  'image.fetch': null,
  'lxc.start': null,
  'lxc.stop': null,
  'lxc.freeze': null,
  'lxc.thaw': null,
}

/** Upkeep, which no event stands for. */
export type Act = 'log dataset' | 'reserve of the log' | 'anchor'

/** `zfs create` sets properties one after another. */
const BIRTH_MS = 4000

/**
 * The upkeep that a change is, if it is one.
 * @param born  when datasets were made, by name, as far as the diary tells
 */
export function actOf(record: ZpoolRecord, at: Place, born: ReadonlyMap<string, number>): Act | null {
  const { dataset, operation, detail, time } = record
  const property = propertyOf(record)
  const [events, cache] = [below(at, 'events'), below(at, 'cache')]
  const isSnapshot = dataset.startsWith(`${events}@osctl-head-`)
  const isHead = property === HEAD && /^\S+?=\d+:[0-9a-f]{64}$/.test(detail)
  if (isHead && (dataset === at.dataset || isSnapshot)) return 'anchor'
  if (isSnapshot && (operation === 'snapshot' || operation === 'destroy')) return 'anchor'
  if (dataset === events && property === 'refreservation') return 'reserve of the log'
  if (dataset !== events && dataset !== cache) return null
  const since = born.get(dataset)
  const isBirth = property !== null && since !== undefined && time - since <= BIRTH_MS
  return operation === 'create' || isBirth ? 'log dataset' : null
}

/**
 * Is it any of our business that this was changed? What lies below a container's dataset is the container's, and what
 * an admin sets on `<ds>` itself is theirs, but for our own properties.
 */
export function isOurs(record: ZpoolRecord, at: Place): boolean {
  const subject = subjectOf(record)
  if (subject === at.pool || subject === at.dataset)
    return (
      propertyOf(record)?.startsWith('org.vpsadminos.osctl:') === true || record.operation === 'clone swap'
    )
  if (!subject.startsWith(`${at.dataset}/`)) return false
  const [place, , ...rest] = subject.slice(at.dataset.length + 1).split('/')
  return place === 'staging' || rest.length === 0
}
