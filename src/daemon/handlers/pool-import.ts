/** The handler of `pool import`: of all that is in ZFS, or of one pool, which is brought into ZFS if it is not there. */
import type { Asked } from '../../machines/decide/decision.ts'
import type { Daemon } from '../daemon.ts'
import { bringIn, isElsewhere, leftElsewhere, notElsewhere } from '../elsewhere.ts'
import { invalid } from '../errors.ts'
import { planned } from '../plan/plan.ts'
import { planImport, planImportAll } from '../plan/pools.ts'
import { alreadyImported } from '../pool-checks.ts'
import { asked, done, type Handle, refuseWhileStopping, unlessWaited } from './context.ts'

export function importHandler(daemon: Daemon): Handle<'pool.import'> {
  return async (params, call) => {
    refuseWhileStopping(daemon)
    if (params.all) {
      if (params.meta?.dryRun) return planned(await planImportAll(daemon, params.autostart))
      await daemon.importAll(params.autostart)
      return done(
        null,
        [...daemon.problems].map(([pool, problem]) => `${pool}: ${problem}`),
      )
    }
    if (params.name === undefined) throw invalid('E_POOL', 'missing argument <pool> (or --all)')
    const ask = asked(daemon, call, 'pool import', params)
    const { name, autostart, force } = params
    if (params.meta?.dryRun) return planned(await planImport(daemon, name, { autostart, force }, ask))
    // Sent again after the daemon's death, it finds the pool imported: by the very same command.
    const key = params.meta?.key
    const before = key === undefined ? null : await daemon.pools.get(name)?.journal.store.byKey(key)
    if (before?.op) return done(before.op)
    return await unlessWaited(call, params.meta, async (accepted) => {
      await importNamed(daemon, name, { autostart, force }, ask, accepted)
      return done(ask.op)
    })
  }
}

/** Imports one pool, into ZFS as well where it is not imported there. @throws as `bringIn`, and as the import */
async function importNamed(
  daemon: Daemon,
  name: string,
  { autostart, force }: { autostart: boolean; force: boolean },
  asked: Asked,
  accepted: (op: string) => void,
): Promise<void> {
  const taken = await daemon.sole(name, async () => {
    if (daemon.pools.has(name)) throw alreadyImported(name)
    try {
      const taken = await bringIn(daemon.ports, name, force)
      notElsewhere(daemon, name)
      return taken
    } catch (error) {
      // Whoever was refused may not have been a person: it is shown until the pool is imported.
      if (isElsewhere(error)) {
        leftElsewhere(daemon, name, error.message)
        await daemon.hostLog.refused('pool import', { name }, error, asked).catch(() => {})
      }
      throw error
    }
  })
  await daemon.import(name, autostart, asked, { accepted, taken })
}
