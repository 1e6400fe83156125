/**
 * Archives on a simulated machine: downloaded in two halves, unpacked in two halves, received stream by
 * stream, so that a crash in between leaves what it would leave on a real one.
 */
import { HostError, type ImageInspection } from '../host.ts'
import { noteChange } from './diary.ts'
import { decodeArchive, encodeArchive, readPath, removePath, sha256, writePath } from './filesystem.ts'
import type { Archive, MachineState } from './state.ts'
import { addDataset, requireDataset } from './storage.ts'
import { changePool } from './zpools.ts'

const bad = (file: string, why: string): HostError =>
  new HostError('E_BAD_IMAGE', 'permanent', `${file}: ${why}`)

/**
 * What a URL or a path answers.
 * @throws E_NETWORK (transient without host, permanent for 404); E_NOT_FOUND (permanent)
 */
function readUrl(state: MachineState, url: string): string {
  if (url.startsWith('/')) {
    const content = readPath(state, url)
    if (content !== null) return content
    throw new HostError('E_NOT_FOUND', 'permanent', `${url}: No such file or directory`)
  }
  const content = state.web[url]
  if (content !== undefined) return content
  const host = url.split('/')[2] ?? ''
  const isKnown = Object.keys(state.web).some((known) => known.split('/')[2] === host)
  if (isKnown) throw new HostError('E_NETWORK', 'permanent', `${url}: 404 Not Found`)
  throw new HostError('E_NETWORK', 'transient', `${url}: could not resolve host ${host}`)
}

/** Half of the download lies in `.part`. */
export function beginFetch(state: MachineState, url: string, file: string): number {
  const content = readUrl(state, url)
  writePath(state, `${file}.part`, content.slice(0, content.length / 2))
  return content.length
}

/** @throws E_CHECKSUM (permanent); E_NO_SPACE (permanent) */
export function completeFetch(
  state: MachineState,
  url: string,
  file: string,
  expected: string | null,
): { sha256: string; bytes: number } {
  const content = readUrl(state, url)
  removePath(state, `${file}.part`)
  const actual = sha256(content)
  if (expected !== null && actual !== expected) {
    throw new HostError('E_CHECKSUM', 'permanent', `${url}: sha256 is ${actual}, expected ${expected}`)
  }
  writePath(state, file, content)
  return { sha256: actual, bytes: content.length }
}

export function statFile(state: MachineState, file: string): { sha256: string; bytes: number } | null {
  const content = readPath(state, file)
  return content === null ? null : { sha256: sha256(content), bytes: content.length }
}

/** @throws E_NOT_FOUND, E_BAD_IMAGE (permanent) */
export function readArchive(state: MachineState, file: string): Archive {
  const content = readPath(state, file)
  if (content === null) throw new HostError('E_NOT_FOUND', 'permanent', `${file}: No such file or directory`)
  const archive = decodeArchive(content)
  if (!archive) throw bad(file, 'not an image: metadata.yml is missing')
  return archive
}

export function inspectArchive(state: MachineState, file: string): ImageInspection {
  const archive = readArchive(state, file)
  const { format, container, user, group, distribution, version, arch, initCmd, snapshots } = archive
  return {
    format,
    bytes: encodeArchive(archive).length,
    containerId: container,
    user,
    group,
    distribution,
    version,
    arch,
    initCmd,
    datasets: Object.keys(archive.datasets),
    snapshots,
  }
}

/**
 * No entry leaves the root, by `..` or through a symlink made earlier (DESIGN D17).
 * @throws E_BAD_IMAGE (permanent)
 */
function assertContained(file: string, rootfs: Readonly<Record<string, string>>): void {
  for (const path of Object.keys(rootfs)) {
    const parts = path.split('/')
    if (path.startsWith('/') || parts.includes('..')) throw bad(file, `entry ${path} leaves the root`)
    for (let depth = 1; depth < parts.length; depth++) {
      const above = rootfs[parts.slice(0, depth).join('/')]
      if (above?.startsWith('-> ')) throw bad(file, `entry ${path} leads through a symlink`)
    }
  }
}

function fill(state: MachineState, name: string, entries: readonly (readonly [string, string])[]): void {
  const dataset = requireDataset(state, name)
  for (const path of Object.keys(dataset.files)) if (path.startsWith('private/')) delete dataset.files[path]
  for (const [path, content] of entries) dataset.files[`private/${path}`] = content
  dataset.modes['private'] = 0o755
}

/** `private` is emptied and holds half of the entries. @throws E_FAILED (permanent) when not mounted */
export function beginUnpack(state: MachineState, file: string, name: string): void {
  const archive = readArchive(state, file)
  if (archive.format !== 'tar') throw bad(file, 'not an image of format tar')
  if (!state.datasets[name]?.mounted) throw new HostError('E_FAILED', 'permanent', `${name} is not mounted`)
  const entries = Object.entries(archive.rootfs)
  fill(state, name, entries.slice(0, Math.ceil(entries.length / 2)))
}

/** @throws E_BAD_IMAGE, E_NO_SPACE, E_FAILED (permanent) */
export function completeUnpack(
  state: MachineState,
  file: string,
  name: string,
): { entries: number; bytes: number; skippedDevices: number } {
  const archive = readArchive(state, file)
  const dataset = requireDataset(state, name)
  if (!dataset.mounted) throw new HostError('E_FAILED', 'permanent', `${name} is not mounted`)
  assertContained(file, archive.rootfs)
  if (archive.truncated) throw bad(file, 'unexpected end of archive')
  changePool(state, name, 'write to', archive.bytes)
  const entries = Object.entries(archive.rootfs)
  fill(state, name, entries)
  dataset.bytes = archive.bytes
  return { entries: entries.length, bytes: archive.bytes, skippedDevices: archive.devices.length }
}

/**
 * The root dataset's stream is received, those of the sub-datasets are not.
 * @throws E_EXISTS, E_NOT_FOUND, E_BAD_IMAGE, E_NO_SPACE (permanent)
 */
export function beginReceive(state: MachineState, file: string, name: string): void {
  const archive = readArchive(state, file)
  if (archive.format !== 'zfs') throw bad(file, 'not an image of format zfs')
  const cannot = `cannot receive new filesystem stream: destination '${name}'`
  if (state.datasets[name]) throw new HostError('E_EXISTS', 'permanent', `${cannot} exists`)
  if (!state.datasets[name.slice(0, name.lastIndexOf('/'))]) {
    throw new HostError('E_NOT_FOUND', 'permanent', `${cannot} does not exist`)
  }
  const txg = changePool(state, name, 'receive', archive.bytes)
  addDataset(state, name, { canmount: 'noauto' }, txg).bytes = archive.bytes
  noteChange(state, 'receive', name)
  fill(state, name, Object.entries(archive.rootfs))
}

/** @throws E_BAD_IMAGE (permanent); E_FAILED (permanent) when the root dataset was taken away */
export function completeReceive(state: MachineState, file: string, name: string): void {
  const archive = readArchive(state, file)
  requireDataset(state, name)
  if (archive.truncated) throw bad(file, 'cannot receive: checksum mismatch or incomplete stream')
  for (const [relative, files] of Object.entries(archive.datasets)) {
    const sub = `${name}/${relative}`
    if (state.datasets[sub])
      throw new HostError('E_EXISTS', 'permanent', `cannot receive: destination '${sub}' exists`)
    addDataset(state, sub, { canmount: 'noauto' }, changePool(state, sub, 'receive'))
    noteChange(state, 'receive', sub)
    fill(state, sub, Object.entries(files))
  }
}

/** @throws E_NETWORK, E_NOT_FOUND; E_BAD_IMAGE (permanent) when it is not JSON */
export function readIndex(state: MachineState, url: string): unknown {
  const path = `${url.replace(/\/+$/, '')}/v1/INDEX.json`
  const content = readUrl(state, path)
  try {
    return JSON.parse(content)
  } catch (error) {
    throw new HostError('E_BAD_IMAGE', 'permanent', `${path}: not JSON`, { cause: error })
  }
}
