/**
 * Paths of the simulated machine: a path belongs to the mounted dataset with the longest mount point in
 * front of it, else to the volatile root. Files of an unmounted dataset cannot be seen, as on a real host.
 */
import { createHash } from 'node:crypto'
import { mountpointOf } from './mounts.ts'
import { type Archive, archiveSchema, type MachineState } from './state.ts'

/** The tree that holds `path`, and the path in it. */
function locate(state: MachineState, path: string): { files: Record<string, string>; at: string } {
  let best: { files: Record<string, string>; at: string; length: number } | null = null
  for (const dataset of Object.values(state.datasets)) {
    const prefix = `${mountpointOf(state, dataset.name)}/`
    if (!dataset.mounted || !path.startsWith(prefix) || prefix.length <= (best?.length ?? 0)) continue
    best = { files: dataset.files, at: path.slice(prefix.length), length: prefix.length }
  }
  return best ?? { files: state.files, at: path }
}

export function readPath(state: MachineState, path: string): string | null {
  const { files, at } = locate(state, path)
  return files[at] ?? null
}

export function writePath(state: MachineState, path: string, content: string): void {
  const { files, at } = locate(state, path)
  files[at] = content
}

export function removePath(state: MachineState, path: string): void {
  const { files, at } = locate(state, path)
  delete files[at]
}

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

export const encodeArchive = (archive: Archive): string => JSON.stringify(archive)

/** @returns null when the content is no archive */
export function decodeArchive(content: string): Archive | null {
  try {
    const parsed = archiveSchema.safeParse(JSON.parse(content))
    return parsed.success ? parsed.data : null
  } catch {
    return null
  }
}
