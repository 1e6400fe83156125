/**
 * What the system may do to the host: one entry for each kind of effect, with the arguments that stand in
 * the intent and the evidence that stands in its outcome.
 *
 * Dataset names are relative to `<ds>` (`ct/web`, `staging/01J….2`), never absolute: the pool may be
 * renamed or scoped differently at its next import, and the events must still be true. Guids are ZFS's
 * 64-bit `guid` property, as decimal strings, because JSON numbers cannot hold them.
 */
import { z } from 'zod'
import { idBlockSchema, imageFileSchema, repositoryImageSchema } from './config.ts'
import { ctidSchema, ulidSchema } from './ids.ts'

const relativeDataset = z.string().regex(/^[a-z0-9][a-z0-9_.:-]*(\/[a-z0-9_][a-z0-9_.:-]*)*$/i)
const guid = z.string().regex(/^\d{1,20}$/)

/** Proof that a dataset is the one that we made, whatever its name is today. */
export const datasetEvidence = z.object({ guid, createtxg: z.string().regex(/^\d+$/) })
export type DatasetEvidence = z.infer<typeof datasetEvidence>

/** Proof of a running container: pid alone is reused, pid with start time and boot id is not. */
export const runEvidence = z.object({
  initPid: z.int().min(1),
  /** Clock ticks since boot, proc(5) stat field 22. */
  startTime: z.int().min(0),
  bootId: z.string(),
})
export type RunEvidence = z.infer<typeof runEvidence>

const ctRef = { id: ulidSchema, ctid: ctidSchema }
const nothing = z.object({})

export const intentSchemas = {
  /** Makes an empty dataset with a `private` directory in it, canmount=noauto. */
  'dataset.create': { args: z.object({ dataset: relativeDataset }), evidence: datasetEvidence },
  /** Clones an image's snapshot. */
  'dataset.clone': {
    args: z.object({ snapshot: z.string(), origin: guid, dataset: relativeDataset }),
    evidence: datasetEvidence,
  },
  /** Takes `dataset@name` of the dataset with this guid. */
  'dataset.snapshot': {
    args: z.object({ dataset: relativeDataset, guid, name: z.string() }),
    evidence: datasetEvidence,
  },
  /** Publishes: renames the dataset with this guid. `existing`: the target was there, made by somebody else. */
  'dataset.rename': {
    args: z.object({ from: relativeDataset, to: relativeDataset, guid, orExisting: z.boolean() }),
    evidence: z.object({ guid, existing: z.boolean() }),
  },
  /** Unmounts the dataset with this guid and renames it into the trash. */
  'dataset.trash': {
    args: z.object({ from: relativeDataset, to: relativeDataset, guid }),
    evidence: z.object({ guid }),
  },
  /** Sets properties of the dataset with this guid; null: not set. An empty name is the zpool's root dataset. */
  'dataset.set': {
    args: z.object({
      dataset: z.union([relativeDataset, z.literal('')]),
      guid,
      set: z.record(z.string(), z.string().nullable()),
    }),
    evidence: nothing,
  },
  /** Destroys the dataset with this guid, its snapshots and its children; absent already is success. */
  'dataset.destroy': { args: z.object({ dataset: relativeDataset, guid }), evidence: nothing },
  /** Downloads an image into `<ds>/repository/<repository>/…`, resuming, and verifies it. */
  'image.fetch': {
    args: z.object({ image: repositoryImageSchema }),
    evidence: z.object({ file: z.string(), sha256: z.string(), bytes: z.int() }),
  },
  /** Unpacks the root file system of an archive in the original's tar format into `<dataset>/private`. */
  'image.unpack': {
    args: z.object({
      file: z.string(),
      sha256: z.string().nullable(),
      dataset: relativeDataset,
      guid,
      map: idBlockSchema,
    }),
    evidence: z.object({ entries: z.int(), bytes: z.int(), skippedDevices: z.int() }),
  },
  /** Receives the root file system of an archive in the original's zfs format as `dataset`. */
  'image.receive': {
    args: z.object({
      file: z.string(),
      sha256: z.string().nullable(),
      dataset: relativeDataset,
      contents: imageFileSchema.pick({ datasets: true, snapshots: true }).nullable(),
    }),
    evidence: datasetEvidence,
  },
  /** Starts a container: its derived state is materialised first. `run` names this run in hooks and cgroups. */
  'lxc.start': {
    args: z.object({ ...ctRef, run: z.string(), timeoutSeconds: z.int().min(1) }),
    evidence: runEvidence,
  },
  /** Stops a container. clean: by its own shutdown, then (unless `shutdown`) by force; kill: at once. */
  'lxc.stop': {
    args: z.object({
      ...ctRef,
      run: z.string(),
      mode: z.enum(['stop', 'shutdown', 'kill']),
      timeoutSeconds: z.int().min(0),
    }),
    evidence: z.object({ how: z.enum(['clean', 'killed', 'gone']) }),
  },
  'lxc.freeze': { args: z.object({ ...ctRef, run: z.string() }), evidence: nothing },
  'lxc.thaw': { args: z.object({ ...ctRef, run: z.string() }), evidence: nothing },
  /** Creates what is missing of the pool's own datasets, with their modes. */
  'pool.layout': { args: nothing, evidence: z.object({ created: z.array(z.string()) }) },
  /** Sets the user property that marks the pool as ours. */
  'pool.mark': { args: z.object({ active: z.boolean(), dataset: z.string().nullable() }), evidence: nothing },
} as const

export type IntentKind = keyof typeof intentSchemas
export type IntentArgs<K extends IntentKind = IntentKind> = z.infer<(typeof intentSchemas)[K]['args']>
export type Evidence<K extends IntentKind = IntentKind> = z.infer<(typeof intentSchemas)[K]['evidence']>
export const INTENT_KINDS = Object.keys(intentSchemas) as IntentKind[]

/** A request to the effects layer, as the machine emits it: kind and arguments belong together. */
export type IntentRequest = {
  [K in IntentKind]: { kind: K; args: IntentArgs<K>; compensates?: string | undefined }
}[IntentKind]

/** What the engine does next about a failure, not where it came from. */
export const failureClassSchema = z.enum(['transient', 'permanent', 'refused', 'cancelled', 'undone'])
export type FailureClass = z.infer<typeof failureClassSchema>
