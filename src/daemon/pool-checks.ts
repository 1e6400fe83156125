/** What a zpool must be for it to be installed, imported or given up; asked of the host, which stays as it is. */
import type { PoolFacts } from '../effects/host.ts'
import { lifeOf } from '../machines/life.ts'
import type { PoolState } from '../machines/pool/machine.ts'
import { notFound, refused } from './errors.ts'
import type { DaemonPorts } from './ports.ts'

type Host = Pick<DaemonPorts, 'host'>

/** @throws CallError not-found, refused */
export async function checkInstallable(
  ports: Host,
  name: string,
  dataset: string | null,
): Promise<PoolFacts> {
  const facts = await ports.host.zfs.pool(name)
  if (!facts)
    throw notFound(
      'E_POOL_NOT_FOUND',
      `pool not found: ${name} (zpool list shows what is there; zpool create makes one)`,
    )
  if (dataset !== null && !dataset.startsWith(`${name}/`)) {
    throw refused('E_DATASET', `dataset '${dataset}' is not from zpool '${name}'`)
  }
  return facts
}

/** @throws CallError refused: it is ours already, and has its mark */
export function checkForeign(name: string, isImported: boolean, { active }: PoolFacts): void {
  if (isImported && active) throw refused('E_POOL_EXISTS', `pool ${name} is already imported`)
  if (active) throw refused('E_POOL_EXISTS', `pool ${name} is already installed (osctl pool import ${name})`)
}

/** @throws CallError not-found, refused */
export async function checkUninstallable(ports: Host, name: string, isImported: boolean): Promise<PoolFacts> {
  if (isImported) throw refused('E_POOL_IMPORTED', 'export the pool first')
  const facts = await ports.host.zfs.pool(name)
  if (!facts?.active) throw notFound('E_POOL_NOT_FOUND', `pool not found: ${name} is not installed`)
  return facts
}

export const alreadyImported = (name: string) =>
  refused('E_POOL_IMPORTED', `pool ${name} is already imported`)

/** @throws CallError not-found, refused */
export async function checkImportable(ports: Host, name: string, isImported: boolean): Promise<PoolFacts> {
  if (isImported) throw alreadyImported(name)
  const facts = await ports.host.zfs.pool(name)
  if (!facts)
    throw notFound('E_POOL_NOT_FOUND', `pool not found: ${name} (zpool import shows what could be imported)`)
  if (!facts.active) throw notInstalled(name, ` (osctl pool install ${name})`)
  if (!facts.mounted)
    throw refused('E_POOL_NOT_MOUNTED', `the pool is not mounted (zfs mount ${facts.dataset})`)
  return facts
}

/** Nothing of it was installed yet, or not all of it. @pure */
export const isUnlaid = (pool: PoolState): boolean => ['absent', 'installing'].includes(lifeOf(pool))

export const notInstalled = (name: string, way = '') =>
  refused('E_POOL_NOT_INSTALLED', `pool not installed: ${name}${way}`)
