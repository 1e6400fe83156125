/** Wanted state of a container, from which its derived host state is made (DESIGN D11). */
import type { PoolView } from '../audit/view.ts'
import { type ContainerSpec, HostError } from '../effects/host.ts'
import { ctIdOfStream, type StreamId } from '../events/types/ids.ts'

/** @throws HostError E_FAILED when the stream has no container that was ever declared */
export function specOf(pool: Pick<PoolView, 'name' | 'dataset' | 'states'>, stream: StreamId): ContainerSpec {
  const { identity, settings, map } = pool.states.ct(ctIdOfStream(stream)).context
  if (!identity || !map) throw new HostError('E_FAILED', 'permanent', `${stream} has no container`)
  const { id, ctid, user, group, distribution, version, arch, initCmd } = identity
  const hostname = settings.hostname ?? ctid.replaceAll('_', '-')
  const dataset = `${pool.dataset}/ct/${ctid}`
  return {
    pool: pool.name,
    id,
    ctid,
    user,
    group,
    map,
    dataset,
    hostname,
    distribution,
    version,
    arch,
    initCmd,
  }
}
