/**
 * Everything that a simulated machine is made of, as plain data: what a JSON file can hold.
 *
 * `lost at power cut`: containers, spool, derived, mounts, boot id. Kept: zpools, datasets, files, web.
 * File trees are maps from path to content; a symlink's content is `-> target`. An archive is a file whose
 * content is the JSON of an `Archive`.
 */
import { z } from 'zod'
import { runEvidence } from '../../events/types/intents.ts'

const tree = z.record(z.string(), z.string())

const snapshotSchema = z.object({
  guid: z.string(),
  createtxg: z.string(),
  files: tree,
  /** Set on the snapshot itself. */
  properties: tree.default({}),
  /** `zfs hold` */
  held: z.boolean().default(false),
})

const datasetSchema = z.object({
  name: z.string(),
  guid: z.string(),
  createtxg: z.string(),
  /** Full name of the snapshot that this is a clone of. */
  origin: z.string().nullable(),
  mounted: z.boolean(),
  /** `zfs bookmark`: its name → createtxg of the snapshot that it remembers. */
  bookmarks: tree.default({}),
  /** The directory that it is mounted on is there. */
  directory: z.boolean().default(true),
  /** Local properties, user properties and native ones alike. */
  properties: z.record(z.string(), z.string()),
  files: tree,
  modes: z.record(z.string(), z.int()),
  bytes: z.int(),
  /** Something outside of containers has its mount in use: an admin's shell, a stray process. */
  held: z.boolean(),
  snapshots: z.record(z.string(), snapshotSchema),
})
export type SimulatedDataset = z.infer<typeof datasetSchema>

const zpoolSchema = z.object({
  name: z.string(),
  guid: z.string(),
  txg: z.int(),
  sizeBytes: z.int(),
  health: z.enum(['ONLINE', 'DEGRADED', 'SUSPENDED']),
  readOnly: z.boolean(),
  unsafe: z.array(z.string()),
  /** As `zpool history -il` prints it, the newest lines. */
  history: z.array(z.string()).default([]),
})
export type SimulatedZpool = z.infer<typeof zpoolSchema>

/** A zpool that lies on disks and is not imported, and who had it last and did not export it. */
const shelvedSchema = z.object({
  zpool: zpoolSchema,
  datasets: z.record(z.string(), datasetSchema),
  usedBy: z
    .object({ host: z.string(), hostId: z.string(), at: z.number(), isActive: z.boolean() })
    .nullable(),
})

const containerSchema = z.object({
  pool: z.string(),
  id: z.string(),
  ctid: z.string(),
  run: z.string(),
  state: z.enum(['starting', 'running', 'frozen', 'stopping']),
  /** Null until its init runs. */
  evidence: runEvidence.nullable(),
  inits: z.int(),
  /** Its root file system's dataset, by guid, since a name may change under it. */
  dataset: z.string(),
  cgroup: z.string(),
  ignoresShutdown: z.boolean(),
})
export type SimulatedContainer = z.infer<typeof containerSchema>

const reportSchema = z.object({
  pool: z.string(),
  id: z.string(),
  run: z.string(),
  inits: z.int(),
  last: z.enum(['started', 'stop', 'reboot']),
  initPid: z.int().nullable(),
  at: z.number(),
})

export const machineStateSchema = z.object({
  format: z.literal(1),
  hostName: z.string(),
  hostId: z.string().nullable(),
  seed: z.int(),
  /** Numbers given out: guids and boot ids are a bijective function of seed and counter, hence unique. */
  counter: z.int(),
  bootId: z.string(),
  bootedAt: z.number(),
  /** Wall clock of the newest change, ms. */
  time: z.number().default(0),
  nextPid: z.int(),
  zpools: z.record(z.string(), zpoolSchema),
  datasets: z.record(z.string(), datasetSchema),
  /** By name. */
  shelf: z.record(z.string(), shelvedSchema).default({}),
  files: tree,
  web: tree,
  containers: z.record(z.string(), containerSchema),
  /** Containers of these ids do not react to a shutdown signal. */
  stubborn: z.array(z.string()),
  spool: z.record(z.string(), reportSchema),
  derived: tree,
})
export type MachineState = z.infer<typeof machineStateSchema>

/** An image's archive in the original's format (vpsadminos §5.2), reduced to what the model looks at. */
export const archiveSchema = z.object({
  format: z.enum(['tar', 'zfs']),
  /** Size of the unpacked root file system. */
  bytes: z.int().min(0),
  truncated: z.boolean().default(false),
  container: z.string().nullable().default(null),
  user: z.string().nullable().default(null),
  group: z.string().nullable().default(null),
  distribution: z.string().nullable().default(null),
  version: z.string().nullable().default(null),
  arch: z.string().nullable().default(null),
  initCmd: z.array(z.string()).nullable().default(null),
  /** Root file system: path without leading slash → content. */
  rootfs: tree,
  devices: z.array(z.string()).default([]),
  /** Sub-datasets of a zfs image, relative name → tree. */
  datasets: z.record(z.string(), tree).default({}),
  snapshots: z.array(z.string()).default([]),
})
export type Archive = z.infer<typeof archiveSchema>

/** The 64-bit splitmix finaliser: a bijection, so different inputs never collide. @pure */
export function mix64(seed: number, counter: number): bigint {
  const mask = (1n << 64n) - 1n
  let z = (BigInt(seed) * 0x9e3779b97f4a7c15n + BigInt(counter)) & mask
  z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & mask
  z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & mask
  return (z ^ (z >> 31n)) & mask
}

export function nextGuid(state: MachineState): string {
  state.counter += 1
  return mix64(state.seed, state.counter).toString()
}

export function nextBootId(state: MachineState): string {
  const digits = [0, 1].map(() => BigInt(nextGuid(state)).toString(16).padStart(16, '0')).join('')
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

export const containerKey = (ref: { pool: string; id: string }): string => `${ref.pool}:${ref.id}`
