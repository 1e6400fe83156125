/**
 * What an image says of itself: metadata.yml, config/container.yml, snapshots.yml (vpsadminos §5.2). All of it
 * is somebody else's: sizes and aliases are bounded, names are checked, id maps are not even read.
 */
import { parse } from 'yaml'
import { z } from 'zod'
import type { ImageInspection } from '../../host.ts'
import { badImage, type Outer, readMember, readOuter } from './outer.ts'

const MAX_BYTES = 1024 * 1024

const scalar = z.union([z.string(), z.number()]).transform(String)
const word = scalar.pipe(z.string().min(1).max(200))

const metadataSchema = z.looseObject({
  type: z.string().default('full'),
  format: z.enum(['tar', 'zfs']),
  user: word.nullish(),
  group: word.nullish(),
  container: word.nullish(),
  datasets: z
    .array(z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9_.:-]*(\/[A-Za-z0-9_][A-Za-z0-9_.:-]*)*$/))
    .nullish(),
})

const containerSchema = z.looseObject({
  distribution: word.nullish(),
  version: word.nullish(),
  arch: word.nullish(),
  init_cmd: z.union([z.string(), z.array(scalar)]).nullish(),
})

const snapshotsSchema = z.array(scalar.pipe(z.string().regex(/^[A-Za-z0-9_.:-]{1,200}$/)))

async function readYaml<T>(outer: Outer, name: string, schema: z.ZodType<T>): Promise<T | null> {
  const text = await readMember(outer, name, MAX_BYTES)
  if (text === null) return null
  let value: unknown
  try {
    value = parse(text, { maxAliasCount: 50, logLevel: 'error' })
  } catch (error) {
    const [reason = ''] = (error instanceof Error ? error.message : String(error)).split('\n')
    throw badImage(`${outer.file}: ${name} is not YAML: ${reason}`)
  }
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw badImage(`${outer.file}: ${name}: ${issue?.path.join('.')}: ${issue?.message}`)
}

function requireStreams(outer: Outer, format: 'tar' | 'zfs', datasets: readonly string[]): void {
  if (format === 'tar') {
    if (!outer.members.has('rootfs/base.tar.gz')) throw badImage(`${outer.file} has no rootfs/base.tar.gz`)
    return
  }
  for (const dataset of ['', ...datasets]) {
    if (streamNames(outer, dataset, 'base').length === 0) {
      throw badImage(
        `${outer.file} has no rootfs/${dataset === '' ? '' : `${dataset}/`}base.dat.gz or base.dat`,
      )
    }
  }
}

/** The members that hold a dataset's stream of this name, compressed or not; at most one is there. */
export function streamNames(outer: Outer, dataset: string, stream: 'base' | 'incremental'): string[] {
  const directory = dataset === '' ? 'rootfs' : `rootfs/${dataset}`
  return [`${directory}/${stream}.dat.gz`, `${directory}/${stream}.dat`].filter((name) =>
    outer.members.has(name),
  )
}

/**
 * Reads what an image says of itself and checks that it holds what it says.
 *
 * @throws E_NOT_FOUND, E_BAD_IMAGE with the reason
 */
export async function inspectImage(file: string): Promise<ImageInspection> {
  const outer = await readOuter(file)
  const metadata = await readYaml(outer, 'metadata.yml', metadataSchema)
  if (!metadata) throw badImage(`${file} is not an image: it has no metadata.yml`)
  if (metadata.type !== 'full')
    throw badImage(`${file} is an image of type ${metadata.type}, only full can be used`)
  const container = await readYaml(outer, 'config/container.yml', containerSchema)
  const snapshots = await readYaml(outer, 'snapshots.yml', snapshotsSchema)
  const datasets = [...(metadata.datasets ?? [])].sort()
  requireStreams(outer, metadata.format, datasets)
  const init = container?.init_cmd ?? null
  const initCmd = typeof init === 'string' ? init.split(/\s+/).filter((part) => part !== '') : init
  return {
    format: metadata.format,
    bytes: outer.bytes,
    containerId: metadata.container ?? null,
    user: metadata.user ?? null,
    group: metadata.group ?? null,
    distribution: container?.distribution ?? null,
    version: container?.version ?? null,
    arch: container?.arch ?? null,
    initCmd: initCmd !== null && initCmd.length > 0 ? initCmd : null,
    datasets,
    snapshots: snapshots ?? [],
  }
}
