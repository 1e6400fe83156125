/** Commands as tests write them, with facts gathered beforehand made up. */
import type { Actor } from '../../../src/events/types/actor.ts'
import type { ImageSource, RepositoryImage } from '../../../src/events/types/config.ts'
import type { EventData } from '../../../src/events/types/events.ts'
import type { CreateCommand, CtCommand, StopMode } from '../../../src/machines/decide/container.ts'
import type { DriftCommand } from '../../../src/machines/decide/drift.ts'
import type { PoolCommand } from '../../../src/machines/decide/pool.ts'

export type Command = CtCommand | PoolCommand | DriftCommand

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

/** A ULID that counts: equal numbers give equal ids, and they sort as the numbers do. */
export function ulid(n: number, prefix = '01HF'): string {
  let text = ''
  for (let rest = n; rest > 0; rest = Math.floor(rest / 32)) text = `${ALPHABET[rest % 32]}${text}`
  return prefix + text.padStart(26 - prefix.length, '0')
}

/** An admin who came in over ssh and became root: what nearly every command's actor looks like. */
export const admin: Actor = {
  verified: {
    uid: 0,
    gid: 0,
    pid: 48_213,
    start: 8_812_345,
    loginuid: 1000,
    exe: '/usr/bin/node',
    tty: '/dev/pts/0',
  },
  claimed: { sudoUser: 'alice', sshClient: '192.0.2.10' },
}

export const SHA = '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'

export const image = (format: 'tar' | 'zfs', key = `debian-13-${format}`): RepositoryImage => ({
  repository: 'default',
  key,
  vendor: 'vpsadminos',
  variant: 'minimal',
  arch: 'x86_64',
  distribution: 'debian',
  version: '13',
  format,
  url: `https://images.example.org/debian/13/${format}/image.tar`,
  sha256: SHA,
})

export const sources = {
  pool: { from: 'pool', key: 'busybox-1', guid: '4242' },
  repositoryTar: { from: 'repository', image: image('tar') },
  repositoryZfs: { from: 'repository', image: image('zfs') },
  fileTar: {
    from: 'file',
    file: { path: '/root/web.tar', format: 'tar', bytes: 4096, datasets: [], snapshots: [] },
  },
  fileZfs: {
    from: 'file',
    file: { path: '/root/web-zfs.tar', format: 'zfs', bytes: 4096, datasets: ['var'], snapshots: ['base'] },
  },
  empty: { from: 'empty' },
} as const satisfies Record<string, ImageSource>
export type SourceName = keyof typeof sources

let created = 0
/** Container ids of tests that do not care which; the golden scenario gives its own. */
const nextId = (): string => ulid(++created, '01HC')

type CreateOptions = Partial<Omit<CreateCommand, 'type' | 'ctid' | 'source'>>

export const create = (
  ctid: string,
  source: ImageSource = sources.pool,
  options: CreateOptions = {},
): CreateCommand => ({
  type: 'ct.create',
  id: nextId(),
  ctid,
  user: null,
  group: '/default',
  distribution: 'debian',
  version: '13',
  arch: 'x86_64',
  initCmd: null,
  source,
  foreignBlocks: [],
  ...options,
})

export const start = (ctid: string, run = `${ctid}-run`): CtCommand => ({
  type: 'ct.start',
  ctid,
  run,
  timeoutSeconds: 120,
})
export const stop = (ctid: string, mode: StopMode = 'stop'): CtCommand => ({
  type: 'ct.stop',
  ctid,
  mode,
  timeoutSeconds: mode === 'kill' ? 0 : 300,
})
export const kill = (ctid: string): CtCommand => stop(ctid, 'kill')
export const restart = (ctid: string, run = `${ctid}-again`, mode: StopMode = 'stop'): CtCommand => ({
  type: 'ct.restart',
  ctid,
  mode,
  timeoutSeconds: 300,
  startTimeoutSeconds: 120,
  run,
})
export const freeze = (ctid: string): CtCommand => ({ type: 'ct.freeze', ctid })
export const unfreeze = (ctid: string): CtCommand => ({ type: 'ct.unfreeze', ctid })
export const set = (ctid: string, change: EventData<'CtConfigSet'>['set']): CtCommand => ({
  type: 'ct.set',
  ctid,
  set: change,
})
export const remove = (ctid: string, force = false): CtCommand => ({ type: 'ct.delete', ctid, force })

export const undelete = (what: string, as: string | null = null): CtCommand => ({
  type: 'ct.undelete',
  what,
  as,
  foreignBlocks: [],
})

export const install: Extract<PoolCommand, { type: 'pool.install' }> = {
  type: 'pool.install',
  pool: 'tank',
  dataset: null,
  repository: '/run/current/repository',
}
export const exportPool = (force = false): PoolCommand => ({
  type: 'pool.export',
  force,
  stopContainers: force,
})
export const prune = (names: readonly string[]): PoolCommand => ({
  type: 'trash.prune',
  names,
  why: 'command',
})

const given = (value: unknown): boolean => value !== null && value !== undefined

/** The parameters as the command's event records them: without what only `decide` needs. */
export function argsOf(command: Command): Record<string, unknown> {
  const internal = ['type', 'id', 'source', 'foreignBlocks', 'run']
  return Object.fromEntries(
    Object.entries(command).filter(([name, value]) => !internal.includes(name) && given(value)),
  )
}
