/** The port to LXC on a simulated machine; the rules are in `containers.ts`. */
import { type ContainerSeen, HostError, type LxcPort } from '../host.ts'
import type { Calls } from './calls.ts'
import type { World } from './containers.ts'
import * as containers from './containers.ts'
import { containerKey } from './state.ts'

function see(world: World, key: string): ContainerSeen {
  const ct = world.state.containers[key]
  if (!ct) return { state: 'stopped', run: null, runName: null }
  return { state: ct.state, run: ct.evidence, runName: ct.run }
}

export function simulatedLxc(world: World, calls: Calls, startMs: () => number): LxcPort {
  const { state } = world
  return {
    start(spec, run, timeoutSeconds, fence) {
      const takes = startMs()
      const limit = timeoutSeconds * 1000
      return calls.run({
        op: 'lxc.start',
        subject: spec.ctid,
        intent: fence.intent,
        signal: fence.signal,
        changes: true,
        waitMs: Math.min(takes, limit),
        begin: () => containers.beginStart(world, spec, run),
        apply: () => {
          if (takes > limit) containers.abandonStart(state, spec, run)
          if (takes > limit)
            throw new HostError('E_TIMEOUT', 'permanent', 'timed out while waiting for container to start')
          return containers.completeStart(world, spec, run)
        },
        abandon: () => containers.abandonStart(state, spec, run),
      })
    },
    stop(ref, mode, timeoutSeconds, fence) {
      const waits = mode !== 'kill' && state.containers[containerKey(ref)]?.ignoresShutdown === true
      return calls.run({
        op: 'lxc.stop',
        subject: ref.ctid,
        intent: fence.intent,
        signal: fence.signal,
        changes: true,
        waitMs: waits ? timeoutSeconds * 1000 : 0,
        begin: () => containers.beginStop(state, ref, mode),
        apply: () => containers.completeStop(world, ref, mode, timeoutSeconds),
        abandon: () => containers.abandonStop(state, ref),
      })
    },
    freeze: (ref, fence) =>
      calls.run({
        op: 'lxc.freeze',
        subject: ref.ctid,
        intent: fence.intent,
        signal: fence.signal,
        changes: true,
        apply: () => containers.setFrozen(state, ref, true),
      }),
    thaw: (ref, fence) =>
      calls.run({
        op: 'lxc.thaw',
        subject: ref.ctid,
        intent: fence.intent,
        signal: fence.signal,
        changes: true,
        apply: () => containers.setFrozen(state, ref, false),
      }),
    inspect: (ref) =>
      calls.run({
        op: 'lxc.inspect',
        subject: ref.ctid,
        intent: null,
        changes: false,
        apply: () => see(world, containerKey(ref)),
      }),
  }
}
