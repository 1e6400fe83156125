/**
 * The protocol both ends share: JSON-RPC 2.0, one object per line of at most 1 MiB, on a Unix socket.
 *
 * `methods` holds the schema of each method's parameters; the daemon validates with it at the boundary.
 * The CLI imports types alone, so that no schema library is in its bundle. Every parameter object may
 * carry `meta`: what the caller says of itself, its idempotency key, and the command line as typed.
 *
 * Progress comes as notifications `progress` with the id of the request that it belongs to; subscriptions
 * as notifications `event`. Errors carry `data: RpcErrorData`; their codes are in `errors.ts`. What the wire
 * itself fixes (version, limits, paths) is in `protocol.ts`, which is free of the schema library.
 */
import { z } from 'zod'
import { autostartSchema, hostnameSchema } from '../events/types/config.ts'
import { attrNameSchema, ctidSchema, poolNameSchema, repositoryNameSchema } from '../events/types/ids.ts'
import { at, atSchema, meta, type metaSchema, pools, target } from './fields.ts'
import { witnessMethods } from './witness-methods.ts'

const seconds = z.int().min(0).max(86_400)

const stopOptions = {
  mode: z.enum(['stop', 'shutdown', 'kill']).default('stop'),
  timeoutSeconds: seconds.default(300),
}

const imageFilter = {
  distribution: z.string().optional(),
  version: z.string().optional(),
  arch: z.string().optional(),
  vendor: z.string().optional(),
  variant: z.string().optional(),
}

const keptHead = z.strictObject({
  pool: z.string().max(200).optional(),
  guid: z.string().max(20).optional(),
  seq: z.int().min(0),
  hash: z.string().regex(/^[0-9a-f]{16,64}$/, 'a hash of 16 to 64 hexadecimal digits'),
  time: z.number().optional(),
})

/** `SEQ` or `POOL:SEQ`; a bare SEQ only with one pool. */
const position = z.string().min(1).max(200)

/** What history, events and subscriptions are filtered by alike. */
const eventConditions = {
  /** Who acted: see `isNamed`. */
  actors: z.array(z.string().min(1).max(300)).min(1).max(20).optional(),
  /** ms since the epoch, both inclusive. */
  since: z.int().min(0).optional(),
  until: z.int().min(0).optional(),
  failed: z.boolean().default(false),
  op: z.string().min(1).max(100).optional(),
}

export const methods = {
  ping: z.strictObject({ ...meta }),
  status: z.strictObject({ ...meta }),

  'pool.list': z.strictObject({ names: pools.optional(), ...at, ...meta }),
  'pool.show': z.strictObject({ name: poolNameSchema, ...at, ...meta }),
  'pool.install': z.strictObject({ name: poolNameSchema, dataset: z.string().optional(), ...meta }),
  'pool.uninstall': z.strictObject({ name: poolNameSchema, ...meta }),
  'pool.import': z.strictObject({
    name: poolNameSchema.optional(),
    all: z.boolean().default(false),
    autostart: z.boolean().default(true),
    /** Also a pool that another host had last and did not export. */
    force: z.boolean().default(false),
    ...meta,
  }),
  'pool.export': z.strictObject({
    name: poolNameSchema,
    force: z.boolean().default(false),
    stopContainers: z.boolean().default(true),
    ifImported: z.boolean().default(false),
    ...meta,
  }),
  'pool.autostart-queue': z.strictObject({ name: poolNameSchema, ...at, ...meta }),
  'pool.autostart-trigger': z.strictObject({ name: poolNameSchema, ...meta }),
  'pool.autostart-cancel': z.strictObject({ name: poolNameSchema, ...meta }),
  'pool.set': z.strictObject({
    name: poolNameSchema,
    set: z.strictObject({
      /** null sets the default again. */
      parallelStart: z.int().min(1).max(1000).nullable().optional(),
      parallelStop: z.int().min(1).max(1000).nullable().optional(),
      attrs: z.record(attrNameSchema, z.string().max(4096).nullable()).optional(),
    }),
    ...meta,
  }),

  'pool.formats': z.strictObject({ pools: pools.optional(), ...meta }),
  /** To the newest format that this osctld knows; it cannot be undone. */
  'pool.upgrade': z.strictObject({ name: poolNameSchema, ...meta }),

  ...witnessMethods,

  'ct.list': z.strictObject({
    ids: z.array(target).optional(),
    pools: pools.optional(),
    users: z.array(z.string()).optional(),
    groups: z.array(z.string()).optional(),
    distributions: z.array(z.string()).optional(),
    versions: z.array(z.string()).optional(),
    states: z.array(z.string()).optional(),
    /** Only these fields of each row; all without it. A list of a thousand is then a quarter as long. */
    columns: z.array(z.string().max(200)).max(100).optional(),
    ...at,
    ...meta,
  }),
  'ct.show': z.strictObject({ id: target, ...at, ...meta }),
  'ct.new': z.strictObject({
    id: ctidSchema,
    pool: poolNameSchema.optional(),
    user: z.string().optional(),
    ...imageFilter,
    repository: repositoryNameSchema.optional(),
    skipImage: z.boolean().default(false),
    ...meta,
  }),
  'ct.import': z.strictObject({
    /** Absolute path on the daemon's host. */
    file: z.string().startsWith('/'),
    id: ctidSchema.optional(),
    pool: poolNameSchema.optional(),
    user: z.string().optional(),
    ...meta,
  }),
  'ct.delete': z.strictObject({ id: target, force: z.boolean().default(false), ...meta }),
  'ct.undelete': z.strictObject({
    /** Name in the trash, the id that it had, or its own id; with `pool:` in front or not. */
    id: target,
    asId: ctidSchema.optional(),
    ...meta,
  }),
  'ct.start': z.strictObject({ id: target, waitSeconds: seconds.nullable().default(120), ...meta }),
  'ct.stop': z.strictObject({ id: target, ...stopOptions, ...meta }),
  'ct.restart': z.strictObject({
    id: target,
    ...stopOptions,
    waitSeconds: seconds.nullable().default(120),
    ...meta,
  }),
  'ct.freeze': z.strictObject({ id: target, ...meta }),
  'ct.unfreeze': z.strictObject({ id: target, ...meta }),
  'ct.set': z.strictObject({
    id: target,
    set: z.strictObject({
      autostart: autostartSchema.nullable().optional(),
      hostname: hostnameSchema.nullable().optional(),
      attrs: z.record(attrNameSchema, z.string().max(4096).nullable()).optional(),
    }),
    ...meta,
  }),
  /** How the CLI is to run a command in a container on its own terminal; the audit event is appended first. */
  'ct.exec': z.strictObject({ id: target, program: z.string().min(1).max(4096), ...meta }),
  'ct.attach': z.strictObject({ id: target, userShell: z.boolean().default(false), ...meta }),
  /** Reports the end of what `ct.exec` or `ct.attach` began. */
  'ct.session-ended': z.strictObject({ session: z.string(), status: z.int(), ...meta }),
  'ct.log': z.strictObject({ id: target, ...meta }),
  /** `id` as `ct` of `history.list`; `column` is one of CtRow, `running`, or an attribute. */
  'ct.why': z.strictObject({
    id: target,
    column: z.string().min(1).max(200).default('state'),
    value: z.string().max(4096).optional(),
    ...at,
    ...meta,
  }),

  'user.list': z.strictObject({
    names: z.array(z.string()).optional(),
    pools: pools.optional(),
    ...at,
    ...meta,
  }),
  'id-range.list': z.strictObject({
    names: z.array(z.string()).optional(),
    pools: pools.optional(),
    ...at,
    ...meta,
  }),

  'repo.list': z.strictObject({
    names: z.array(z.string()).optional(),
    pools: pools.optional(),
    ...at,
    ...meta,
  }),
  'repo.add': z.strictObject({
    name: repositoryNameSchema,
    url: z.string().min(1).max(2000),
    pool: poolNameSchema.optional(),
    ...meta,
  }),
  'repo.delete': z.strictObject({ name: target, ...meta }),
  'repo.enable': z.strictObject({ name: target, ...meta }),
  'repo.disable': z.strictObject({ name: target, ...meta }),
  'repo.images': z.strictObject({
    name: target,
    ...imageFilter,
    tag: z.string().optional(),
    cached: z.boolean().optional(),
    ...meta,
  }),

  'boot.list': z.strictObject({
    pools: pools.optional(),
    limit: z.int().min(1).max(10_000).default(20),
    ...meta,
  }),
  /** `0` is the newest boot, `-1` the one before; or the beginning of a boot id. */
  'boot.report': z.strictObject({
    pools: pools.optional(),
    boot: z
      .string()
      .regex(/^(-?\d{1,6}|[0-9a-f-]{4,36})$/i, '0, -1, … or a boot id')
      .default('0'),
    ...meta,
  }),

  'trash.list': z.strictObject({ pools: pools.optional(), ...at, ...meta }),
  'trash.prune': z.strictObject({ pools: pools.optional(), ...meta }),

  'history.list': z.strictObject({
    pools: pools.optional(),
    /** A ctid, of today's containers and of those that are gone, or a container's own id; `POOL:` may precede. */
    ct: target.optional(),
    user: z.string().min(1).max(200).optional(),
    ...eventConditions,
    limit: z.int().min(1).max(100_000).default(1000),
    ...at,
    ...meta,
  }),
  /** Which containers `ct` means to `history.list`. */
  'history.subjects': z.strictObject({ pools: pools.optional(), ct: target, ...at, ...meta }),
  'event.list': z.strictObject({
    pools: pools.optional(),
    ct: target.optional(),
    stream: z.string().min(1).max(100).optional(),
    /** Names of types; `*` stands for any part of one. */
    types: z.array(z.string().min(1).max(100)).optional(),
    ...eventConditions,
    from: position.optional(),
    to: position.optional(),
    reverse: z.boolean().default(false),
    limit: z.int().min(1).max(10_000).default(1000),
    ...at,
    ...meta,
  }),
  /** `SEQ` or `POOL:SEQ`. */
  'event.show': z.strictObject({ position, ...meta }),
  'event.verify': z.strictObject({
    pools: pools.optional(),
    full: z.boolean().default(false),
    /** Heads that were kept elsewhere: compared with the pool of their guid, without one with the only pool. */
    against: z.array(keptHead).max(100_000).optional(),
    ...meta,
  }),
  /** What changed between two moments; without `to`, until now. */
  diff: z.strictObject({
    pools: pools.optional(),
    ct: target.optional(),
    from: atSchema,
    to: atSchema.optional(),
    ...meta,
  }),
  'event.quarantine': z.strictObject({ pools: pools.optional(), ...meta }),
  /** `stream` as `event.quarantine` names it. */
  'event.quarantine-retry': z.strictObject({ pool: poolNameSchema, stream: z.string().max(100), ...meta }),
  'event.segments': z.strictObject({ pools: pools.optional(), ...meta }),
  /** Sealed segments, oldest first, that meet all of the conditions and are more than a day old. */
  'event.prunable': z.strictObject({
    pool: poolNameSchema,
    keep: z.int().min(0).optional(),
    beforeTime: z.number().optional(),
    beforeSeq: z.int().min(1).optional(),
    ...meta,
  }),
  /** Removes all sealed segments up to this one. */
  'event.prune': z.strictObject({ pool: poolNameSchema, upTo: z.int().min(1), ...meta }),
  /** What `event.recover` would do, and give up. */
  'event.recovery': z.strictObject({ pool: poolNameSchema, ...meta }),
  /** `from`: the head that the plan named; a log that ends elsewhere by now is left alone. */
  'event.recover': z.strictObject({ pool: poolNameSchema, from: z.string().max(100), ...meta }),
  /**
   * What the file of a log begins with; the rest comes by `export.read`. With `since` (ms since the epoch) only from
   * there on, as the file of an incident.
   */
  'export.open': z.strictObject({
    pool: poolNameSchema,
    ct: z.string().min(1).max(200).optional(),
    since: z.int().min(0).optional(),
    ...meta,
  }),
  /** What a replayed log is; only `osctl replay` has one. */
  'replay.summary': z.strictObject({ ...meta }),
  /** Lines of the file: events, or the states at `to` that an incident's file begins and ends with. */
  'export.read': z.strictObject({
    pool: poolNameSchema,
    part: z.enum(['start', 'events', 'end']),
    /** A container's own id. */
    container: z.string().max(100).optional(),
    /** An event's position; of states, how many were read. */
    from: z.int().min(0),
    to: z.int().min(0),
    ...meta,
  }),
  /**
   * Every event after a position, as notifications: of each pool that of `from` or `after`, else where `since` lies,
   * else the newest. Of pools that are imported later all events of that import.
   */
  'event.subscribe': z.strictObject({
    pools: pools.optional(),
    from: z.record(poolNameSchema, z.int().min(0)).optional(),
    /** Positions, as `from`, in the words of an admin. */
    after: z.array(position).max(100).optional(),
    ct: target.optional(),
    stream: z.string().min(1).max(100).optional(),
    types: z.array(z.string().min(1).max(100)).optional(),
    ...eventConditions,
    ...meta,
  }),

  'drift.list': z.strictObject({ pools: pools.optional(), ...at, ...meta }),
  'drift.scan': z.strictObject({ pools: pools.optional(), ...meta }),
  /** What others did to our datasets, and effects that ZFS has no record of, from `zpool history`. */
  'drift.changes': z.strictObject({
    pools: pools.optional(),
    since: z.int().min(0).optional(),
    /** Also what osctld did itself. */
    all: z.boolean().default(false),
    ...meta,
  }),
  /** As `drift.list` names it; `POOL:` may precede. */
  'drift.adopt': z.strictObject({ id: z.string().min(1).max(600), ...meta }),
  'drift.repair': z.strictObject({ id: z.string().min(1).max(600), ...meta }),
  /** `SEQ`, `POOL:SEQ`, or the id of an operation. */
  revert: z.strictObject({ what: z.string().min(1).max(200), force: z.boolean().default(false), ...meta }),

  'op.list': z.strictObject({
    pools: pools.optional(),
    all: z.boolean().default(false),
    ...at,
    ...meta,
  }),
  'op.show': z.strictObject({ op: z.string().min(1).max(100), ...at, ...meta }),
  /** Waits for the end of an operation, as whoever gave the command would. */
  'op.attach': z.strictObject({ op: z.string().min(1).max(100), ...meta }),
  'op.cancel': z.strictObject({ op: z.string().min(1).max(100), ...meta }),
  'op.retry': z.strictObject({ op: z.string().min(1).max(100), ...meta }),
  'op.resolve': z.strictObject({
    op: z.string().min(1).max(100),
    as: z.enum(['done', 'failed', 'undone']),
    ...meta,
  }),

  healthcheck: z.strictObject({ pools: pools.optional(), ...meta }),
  'debug.machine': z.strictObject({ machine: z.enum(['ct', 'pool']), ...meta }),
  shutdown: z.strictObject({ ...meta }),
} as const

export type MethodName = keyof typeof methods
export type MethodInput<M extends MethodName> = z.input<(typeof methods)[M]>
export type MethodParams<M extends MethodName> = z.output<(typeof methods)[M]>
export type At = z.infer<typeof atSchema>
export type Meta = z.infer<typeof metaSchema>
