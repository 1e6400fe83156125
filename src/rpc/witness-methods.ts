/** Methods about who keeps the heads of logs. */
import { z } from 'zod'
import { poolNameSchema } from '../events/types/ids.ts'
import { witnessNameSchema } from '../events/types/witness.ts'
import { at, meta, pools, target } from './fields.ts'

export const witnessMethods = {
  'witness.list': z.strictObject({ pools: pools.optional(), ...at, ...meta }),
  /** `target` as an admin writes it (witness.ts); files are absolute paths of the daemon's host. */
  'witness.add': z.strictObject({
    pool: poolNameSchema.optional(),
    name: witnessNameSchema,
    target: z.string().min(1).max(2000),
    tokenFile: z.string().max(1000).optional(),
    caFile: z.string().max(1000).optional(),
    keyFile: z.string().max(1000).optional(),
    knownHostsFile: z.string().max(1000).optional(),
    ...meta,
  }),
  'witness.delete': z.strictObject({ name: target, ...meta }),
  /** Sends the present head, and waits for what the witness says. */
  'witness.test': z.strictObject({ name: target, ...meta }),
  /** Keeps a head of another host's pool in the log of this pool, or of the first. */
  'witness.keep': z.strictObject({
    keeper: poolNameSchema.optional(),
    pool: z.string().min(1).max(200),
    guid: z.string().regex(/^\d{1,20}$/, 'the guid of a zpool'),
    host: z.string().max(300).optional(),
    seq: z.int().min(0),
    hash: z.string().regex(/^[0-9a-f]{64}$/, 'a hash of 64 hexadecimal digits'),
    time: z.number(),
    ...meta,
  }),
  /** Heads that are kept by these pools, of the log of a pool with this name or guid. */
  'witness.heads': z.strictObject({
    pools: pools.optional(),
    of: z.string().max(200).optional(),
    limit: z.int().min(1).max(100_000).default(100_000),
    ...meta,
  }),
} as const
