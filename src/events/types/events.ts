/**
 * Every fact that can stand in a log: one schema for each event type, at its current version.
 *
 * Facts are named in the past tense and never change their meaning: a different meaning is a new type, a
 * different shape a new version with an upcaster (`upcast.ts`). State names of the machines never appear
 * in an event, so a machine may be redrawn without touching a log. Secrets never appear either:
 * `CommandAccepted.args` holds the parsed command with its secret parameters masked.
 */
import { z } from 'zod'
import { actorSchema } from './actor.ts'
import {
  autostartSchema,
  ctIdentitySchema,
  ctSettingsSchema,
  hostnameSchema,
  idBlockSchema,
  imageSourceSchema,
} from './config.ts'
import { driftEventSchemas } from './drift-events.ts'
import {
  ctidSchema,
  intentIdSchema,
  poolNameSchema,
  repositoryNameSchema,
  ulidSchema,
  userNameSchema,
} from './ids.ts'
import { failureClassSchema, runEvidence } from './intents.ts'
import { logEventSchemas, segmentHeadSchema } from './log-events.ts'
import { witnessesSchema } from './witness.ts'

const json = z.json()
const guid = z.string()
const nothing = z.object({})
/** Position, in the same log, of the change that this one takes back. */
const reverts = z.int().min(1).optional()

/** How a pool's previous session ended, judged by its last events and the boot id (DESIGN D10). */
export const previousSessionSchema = z.enum(['none', 'closed', 'daemon-died', 'host-died'])

export const eventSchemas = {
  // --- the log itself (stream `log`) -------------------------------------------------------------------
  /** Constants of a session, referred to by its seq from every event of the session (`s`). */
  SessionOpened: z.object({
    bootId: z.string(),
    host: z.string(),
    hostId: z.string().nullable(),
    pool: poolNameSchema.nullable(),
    poolGuid: guid.nullable(),
    code: z.string(),
    machines: z.int(),
    format: z.int(),
    simulated: z.boolean(),
  }),
  /** First event of a segment: which file it follows and that file's head. */
  SegmentOpened: z.object({
    segment: z.int().min(1),
    previous: z.object({ segment: z.int(), first: z.int(), last: z.int(), head: z.string() }).nullable(),
    /** The newest segment that was pruned with all before it. */
    pruned: segmentHeadSchema.optional(),
    /** Of this segment, and the first osctld that reads and writes it (formats.ts). */
    format: z.object({ number: z.int().min(1), since: z.string().max(100) }).optional(),
  }),
  /** Whole state of one stream at the start of a segment, in the domain's own versioned schema. */
  Baseline: z.object({ of: z.string(), ver: z.int(), state: json, stateHash: z.string() }),

  ...logEventSchemas,

  // --- commands (stream of the entity that they are about) ---------------------------------------------
  /** A command was decided and starts an operation; the event's `op` is the operation's id. */
  CommandAccepted: z.object({
    command: z.string(),
    args: z.record(z.string(), json),
    actor: actorSchema,
    cli: z.string().max(1000).nullable(),
  }),
  /** A command that was already true: nothing to do, success. */
  CommandNoop: z.object({
    command: z.string(),
    args: z.record(z.string(), json),
    actor: actorSchema,
    cli: z.string().max(1000).nullable(),
    why: z.string(),
  }),
  CommandRefused: z.object({
    command: z.string(),
    args: z.record(z.string(), json),
    actor: actorSchema,
    cli: z.string().max(1000).nullable(),
    code: z.string(),
    message: z.string(),
  }),
  /** Refusals beyond the limit of 20 a minute a stream, summed up (DESIGN D15). */
  RefusalsSummed: z.object({ count: z.int().min(1), code: z.string(), since: z.int() }),
  OperationFinished: z.object({
    result: z.enum(['done', 'failed', 'undone']),
    error: z.string().nullable(),
  }),

  /** The operation of this event's `op` is to go no further: before its next step, or in the middle of this one. */
  CancelRequested: z.object({ actor: actorSchema, cli: z.string().max(1000).nullable() }),

  // --- effects -----------------------------------------------------------------------------------------
  EffectIntended: z.object({
    intent: intentIdSchema,
    kind: z.string(),
    args: json,
    /** The intent whose work this one undoes. */
    compensates: z.string().nullable(),
  }),
  /** One attempt failed and another follows; the intent stays open. */
  EffectRetried: z.object({
    intent: z.string(),
    attempt: z.int(),
    class: failureClassSchema,
    message: z.string(),
  }),
  EffectSucceeded: z.object({
    intent: z.string(),
    kind: z.string(),
    evidence: json,
    by: z.enum(['run', 'probe', 'operator']),
  }),
  EffectFailed: z.object({
    intent: z.string(),
    kind: z.string(),
    class: failureClassSchema,
    message: z.string(),
    by: z.enum(['run', 'probe', 'operator']),
  }),
  /** Recovery could not settle the intent; it asks for `op retry` or `op resolve`. */
  EffectInDoubt: z.object({ intent: z.string(), why: z.string() }),
  /** The operator (or recovery, after NotStarted) lets the intent run again. */
  EffectResumed: z.object({ intent: z.string(), why: z.string() }),
  /** Recovery emptied the intent's cgroup before it probed. */
  EffectFenced: z.object({ intent: z.string(), processes: z.int() }),
  /** An outcome of an intent that nobody awaits any more: recorded, and without consequence. */
  EffectLate: z.object({ intent: z.string(), outcome: z.string() }),

  // --- what differs between log and host (stream of whom it is about) ------------------------------------
  ...driftEventSchemas,

  // --- containers (stream `ct:<ulid>`) -----------------------------------------------------------------
  CtCreateRequested: z.object({
    identity: ctIdentitySchema,
    settings: ctSettingsSchema,
    source: imageSourceSchema,
    map: idBlockSchema,
  }),
  CtConfigSet: z.object({
    set: z.object({
      autostart: autostartSchema.nullable().optional(),
      hostname: hostnameSchema.nullable().optional(),
      /** null removes the attribute. */
      attrs: z.record(z.string(), z.string().nullable()).optional(),
    }),
    old: z.record(z.string(), json),
    reverts,
  }),
  CtStartRequested: z.object({ run: z.string(), timeoutSeconds: z.int() }),
  CtStopRequested: z.object({ mode: z.enum(['stop', 'shutdown', 'kill']), timeoutSeconds: z.int() }),
  CtRestartRequested: z.object({
    mode: z.enum(['stop', 'shutdown', 'kill']),
    timeoutSeconds: z.int(),
    startTimeoutSeconds: z.int(),
    run: z.string(),
  }),
  CtFreezeRequested: nothing,
  CtThawRequested: nothing,
  CtDeleteRequested: z.object({ trash: z.string(), force: z.boolean() }),
  /** It comes back from the trash: what it is from now on, and the dataset that it is, by guid. */
  CtUndeleteRequested: z.object({
    trash: z.string(),
    guid,
    identity: ctIdentitySchema,
    map: idBlockSchema,
  }),
  /** The container ended or began to reboot by itself; `how` says who told us. */
  CtExited: z.object({
    run: z.string(),
    target: z.enum(['stop', 'reboot', 'crash']),
    how: z.enum(['hook', 'cgroup', 'probe']),
  }),
  /** A reboot from inside completed: same run, new init. */
  CtRebooted: z.object({ run: z.string(), evidence: runEvidence }),
  /** The daemon came back and found the container running as the log says. */
  CtAdopted: z.object({ run: z.string(), evidence: runEvidence, frozen: z.boolean() }),
  /** The host died while the container ran: everything that ran is void (DESIGN D10). */
  CtLost: z.object({ run: z.string(), bootId: z.string() }),

  /** Somebody went inside: recorded by program name only, never its arguments or output (DESIGN D13). */
  CtSessionOpened: z.object({
    session: z.string(),
    how: z.enum(['exec', 'attach']),
    program: z.string().max(4096),
    actor: actorSchema,
  }),
  CtSessionEnded: z.object({ session: z.string(), status: z.int() }),

  // --- pools (stream `pool`) ---------------------------------------------------------------------------
  PoolInstallRequested: z.object({ pool: poolNameSchema, dataset: z.string().nullable() }),
  PoolUninstallRequested: nothing,
  /** First event of an import (DESIGN D19). */
  PoolOpened: z.object({
    pool: poolNameSchema,
    dataset: z.string(),
    bootId: z.string(),
    previous: previousSessionSchema,
    /** The host that had it before, when that was another one. */
    from: z
      .object({
        host: z.string(),
        hostId: z.string().nullable(),
        /** That one had not exported it, and this import took it all the same. */
        forced: z.literal(true).optional(),
        /** When that one wrote to it last, by its own clock. */
        usedAt: z.int().optional(),
      })
      .optional(),
  }),
  /** Recovery of this import is over: what it found, and the pool takes commands. */
  PoolReady: z.object({
    containers: z.int(),
    adopted: z.int(),
    lost: z.int(),
    exited: z.int(),
    settled: z.int(),
    inDoubt: z.int(),
  }),
  PoolExportRequested: z.object({ force: z.boolean(), stopContainers: z.boolean() }),
  /** Containers would not stop: the pool stays open. */
  PoolExportFailed: z.object({ left: z.array(z.object({ ct: ulidSchema, why: z.string() })) }),
  /** Last event before the log is closed. */
  PoolClosed: nothing,
  PoolConfigSet: z.object({
    set: z.object({
      parallelStart: z.int().min(1).max(1000).optional(),
      parallelStop: z.int().min(1).max(1000).optional(),
      /** All that there are from now on. */
      witnesses: witnessesSchema.optional(),
      attrs: z.record(z.string(), z.string().nullable()).optional(),
    }),
    old: z.record(z.string(), json),
    reverts,
  }),
  UserCreated: z.object({
    name: userNameSchema,
    range: z.string(),
    block: z.int().min(0),
    map: idBlockSchema,
    /** A user that is not standalone goes with its last container. */
    standalone: z.boolean(),
    /** The operation that made it. */
    madeBy: z.string().optional(),
  }),
  UserDeleted: z.object({ name: userNameSchema }),
  IdRangeCreated: z.object({
    name: z.string(),
    startId: z.int().min(65536),
    blockSize: z.int().min(65536),
    blockCount: z.int().min(1),
  }),
  RepositoryAdded: z.object({ name: repositoryNameSchema, url: z.string(), reverts }),
  RepositoryDeleted: z.object({ name: repositoryNameSchema, reverts }),
  RepositorySet: z.object({ name: repositoryNameSchema, enabled: z.boolean(), reverts }),
  /** An image's dataset `<ds>/image/<key>` with its snapshot `@base` is on the pool. */
  ImageInstalled: z.object({
    key: z.string(),
    guid,
    repository: z.string(),
    distribution: z.string(),
    version: z.string(),
    arch: z.string(),
    vendor: z.string(),
    variant: z.string(),
    sha256: z.string().nullable(),
  }),
  /** A container's dataset lies in the trash under this name, destroyed by guid when its time has come. */
  TrashAdded: z.object({
    name: z.string(),
    guid,
    ct: ulidSchema,
    ctid: ctidSchema,
    /** Which operation had made its user. */
    user: z.string().optional(),
  }),
  /** The container that lay there is one again. */
  TrashRestored: z.object({ name: z.string() }),
  TrashPruneRequested: z.object({ names: z.array(z.string()), why: z.enum(['command', 'age', 'space']) }),
  TrashDestroyed: z.object({ name: z.string() }),
  /** The containers that this import, or a command, starts, in order. */
  AutostartPlanned: z.object({
    cts: z.array(ulidSchema),
    /** Whoever imported the pool wanted nothing to be started. */
    off: z.literal(true).optional(),
  }),
  /** The plan came to its end, or was ended: by a command, an export, the death of its host. */
  AutostartFinished: z.object({
    result: z.enum(['done', 'cancelled', 'interrupted']),
    /** Tried and given up. */
    failed: z.array(ulidSchema),
    /** Not started, as the plan ended before. */
    left: z.array(ulidSchema),
  }),
} as const

/** Code of a `RefusalsSummed` that sums up reboots, beside the sums of refusals. */
export const REBOOTS_CODE = 'E_REBOOTS'
/** Code of one that sums up commands for which there was nothing to do. */
export const NOOPS_CODE = 'E_NOOPS'

export type EventType = keyof typeof eventSchemas
export type EventData<T extends EventType> = z.infer<(typeof eventSchemas)[T]>
export const EVENT_TYPES = Object.keys(eventSchemas) as EventType[]

/** An empty schema infers `Record<string, never>`, which would forbid the `type` beside it. */
type Payload<T extends EventType> = EventData<T> extends Record<string, never> ? unknown : EventData<T>
/** A fact as the machines see it: XState's event shape, the payload beside the type. */
export type FactOf<T extends EventType> = { type: T } & Payload<T>
export type Fact = { [T in EventType]: FactOf<T> }[EventType]

/** Version of each event's shape; everything is at 1 until the first upcaster. */
export const eventVersions: Readonly<Record<EventType, number>> = Object.fromEntries(
  EVENT_TYPES.map((type) => [type, 1]),
) as Record<EventType, number>
