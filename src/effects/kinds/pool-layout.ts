/**
 * pool.layout: the pool's own datasets with their modes. `<ds>` and `<ds>/events` exist before.
 *
 * Each dataset is looked at and made when it is missing; the modes are set each time. So killed at any point,
 * or run twice, it goes on where it was, and a dataset or mode that an admin removed comes back at the next
 * import. Undo destroys nothing: what it made may hold containers by now, and empty datasets cost nothing.
 */
import { type EffectContext, type EffectKind, none } from '../effect.ts'
import { HostError } from '../host.ts'
import { fullName } from './common.ts'

/** Dataset below `<ds>` → directories in it → mode. Source: vpsadminos §1.2, less what the log replaces. */
export const POOL_LAYOUT = {
  ct: { '.': 0o511 },
  image: { '.': 0o500 },
  staging: { '.': 0o500 },
  trash: { '.': 0o500 },
  repository: { '.': 0o500 },
  log: { '.': 0o511, ct: 0o755 },
  hook: { '.': 0o500, ct: 0o755, pool: 0o755 },
  cache: { '.': 0o700 },
} as const

/** @returns true when this call made it */
async function ensure(name: string, context: EffectContext): Promise<boolean> {
  const { zfs } = context.host
  const seen = await zfs.get(name)
  if (seen?.mounted) return false
  if (seen) {
    await zfs.mount(name)
    return false
  }
  try {
    await zfs.create(name, { mount: true, properties: {} }, context.fence)
    return true
  } catch (error) {
    if (!(error instanceof HostError) || error.code !== 'E_EXISTS') throw error
    await zfs.mount(name)
    return false
  }
}

/**
 * @throws E_NOT_FOUND (permanent) without `<ds>`; E_NO_SPACE, E_READ_ONLY (permanent)
 * @idempotent yes
 * @source vpsadminos §1.2
 */
export const poolLayout: EffectKind<'pool.layout'> = {
  kind: 'pool.layout',
  idempotence: 'idempotent',
  async run(_args, context) {
    const created: string[] = []
    for (const [relative, modes] of Object.entries(POOL_LAYOUT)) {
      const name = fullName(context, relative)
      if (await ensure(name, context)) created.push(relative)
      await context.host.zfs.directories(name, modes, context.fence)
    }
    return { created }
  },
  async probe(_args, context) {
    const seen = new Set((await context.host.zfs.list(context.dataset)).map((dataset) => dataset.name))
    const names = Object.keys(POOL_LAYOUT)
    const there = names.filter((relative) => seen.has(fullName(context, relative)))
    if (there.length === 0) return { is: 'not-started' }
    return {
      is: 'partial',
      what: `${there.length} of ${names.length} datasets exist, their modes were not checked`,
    }
  },
  undo: none('empty datasets cost nothing and may be in use; a pool is given up by pool.mark'),
  assume: () => ({ created: Object.keys(POOL_LAYOUT) }),
  cancel: none('it makes what is missing and takes nothing away; pool uninstall gives the pool up'),
  attempts: 3,
  lane: () => 'pool',
}
