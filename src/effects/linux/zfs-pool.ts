/**
 * What is known of whole pools: which are marked as ours, and whether ZFS can keep a promise on them.
 */
import { readFile } from 'node:fs/promises'
import { HostError, type MarkedPool, type PoolFacts } from '../host.ts'
import { query } from './exec.ts'
import { parseMountinfo, rows } from './zfs-parse.ts'

const ACTIVE = 'org.vpsadminos.osctl:active'
const DATASET = 'org.vpsadminos.osctl:dataset'

/** Each of them makes fsync a lie, or drops at import what fsync had kept. zfs(4), OpenZFS 2.3. */
const UNSAFE_PARAMETERS = ['zfs_nocacheflush', 'zil_nocacheflush', 'zil_replay_disable']

const dash = (value: string | undefined): string => (value === undefined || value === '-' ? '' : value)

type Marks = { name: string; active: boolean; dataset: string }

async function marks(): Promise<Marks[]> {
  const { stdout } = await query({
    argv: ['zfs', 'list', '-Hp', '-d', '0', '-o', `name,${ACTIVE},${DATASET}`],
  })
  return rows(stdout).map(([name = '', active, dataset]) => ({
    name,
    active: active === 'yes',
    dataset: dash(dataset).startsWith(`${name}/`) ? dash(dataset) : name,
  }))
}

type Zpool = { name: string; guid: string; health: string; size: number; readOnly: boolean }

async function zpools(): Promise<Zpool[]> {
  const argv = ['zpool', 'list', '-Hp', '-o', 'name,guid,health,size,readonly'] as const
  return rows((await query({ argv: [...argv] })).stdout).map(
    ([name = '', guid = '', health = '', size, readOnly]) => ({
      name,
      guid,
      health,
      size: Number(size),
      readOnly: readOnly === 'on',
    }),
  )
}

async function mountedDatasets(): Promise<Set<string>> {
  const mounts = parseMountinfo(await readFile('/proc/self/mountinfo', 'utf8'))
  return new Set(mounts.filter((mount) => mount.type === 'zfs').map((mount) => mount.source))
}

/** @throws never for a host without ZFS: there are no pools then */
export async function markedPools(): Promise<MarkedPool[]> {
  const [marked, pools, mounted] = await Promise.all([marks(), zpools(), mountedDatasets()])
  return marked
    .filter((mark) => mark.active)
    .map(({ name, dataset }) => ({
      name,
      dataset,
      guid: pools.find((pool) => pool.name === name)?.guid ?? '',
      mounted: mounted.has(dataset),
    }))
}

async function unsafe(dataset: string): Promise<string[]> {
  const found: string[] = []
  for (const parameter of UNSAFE_PARAMETERS) {
    const value = await readFile(`/sys/module/zfs/parameters/${parameter}`, 'utf8').catch(() => '0')
    if (value.trim() !== '0') found.push(`module parameter ${parameter} is ${value.trim()}`)
  }
  const argv: [string, ...string[]] = [
    'zfs',
    'get',
    '-Hp',
    '-r',
    '-d',
    '1',
    '-t',
    'filesystem',
    '-o',
    'name,value',
    'sync',
    dataset,
  ]
  for (const [name, value] of rows((await query({ argv })).stdout)) {
    const ours = name === dataset || name === `${dataset}/events`
    if (ours && value === 'disabled') found.push(`sync=disabled on ${name}`)
  }
  return found
}

/**
 * One pool, marked or not.
 *
 * @returns null when no such pool is imported in ZFS
 * @source zpoolprops(7), zfsprops(7)
 */
export async function poolFacts(name: string): Promise<PoolFacts | null> {
  const [marked, pools, mounted] = await Promise.all([marks(), zpools(), mountedDatasets()])
  const pool = pools.find((candidate) => candidate.name === name)
  if (!pool) return null
  const mark = marked.find((candidate) => candidate.name === name) ?? { active: false, dataset: name }
  // A marked dataset may be gone: what can be known of it is then known of the pool.
  const scope = (await exists(mark.dataset)) ? mark.dataset : name
  const argv: [string, ...string[]] = ['zfs', 'get', '-Hp', '-o', 'value', 'available', scope]
  return {
    name,
    guid: pool.guid,
    dataset: mark.dataset,
    mounted: mounted.has(mark.dataset),
    active: mark.active,
    health: pool.health,
    freeBytes: Number((await query({ argv })).stdout),
    sizeBytes: pool.size,
    readOnly: pool.readOnly,
    unsafe: await unsafe(scope),
  }
}

async function exists(dataset: string): Promise<boolean> {
  try {
    await query({ argv: ['zfs', 'list', '-H', '-o', 'name', dataset] })
    return true
  } catch (error) {
    if (error instanceof HostError && error.code === 'E_NOT_FOUND') return false
    throw error
  }
}
