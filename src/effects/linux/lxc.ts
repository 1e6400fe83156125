/**
 * Containers through LXC's own commands.
 *
 * `lxc-start -d` runs as root (an idmapped mount of ZFS needs it) and returns once the container's init was
 * executed. Its monitor leaves the cgroup of the effect for the container's own before the init exists, so
 * after success the effect's cgroup is empty and fencing it cannot hurt the container. Until then a claim
 * stands (fence.ts): daemon killed between `lxc-start` and RUNNING → recovery's fence kills the half-started
 * container; killed after RUNNING, before the outcome was committed → the fence leaves it alone and the probe
 * finds it by its run name.
 */
import { open } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { RunEvidence } from '../../events/types/intents.ts'
import {
  type ContainerRef,
  type ContainerSeen,
  type ContainerSpec,
  type Fence,
  HostError,
  type LxcPort,
} from '../host.ts'
import type { Claim } from './fence.ts'
import { inspect } from './inspect.ts'
import { logFileOf, logReasons } from './lxc-config.ts'
import { containerCgroup, containerDirectory, lxcPath, type Paths } from './paths.ts'
import type { System } from './system.ts'

const KILL_TIMEOUT_MS = 20_000
const SETTLE_TIMEOUT_MS = 15_000
const LOG_TAIL_BYTES = 64 * 1024

/**
 * Whether a claimed container runs, which decides what a fence does with it. Not by `lxc-info`: the monitor
 * does not answer while a hook of the start still works, and that is just when it is asked.
 */
export async function isRunning(paths: Paths, bootId: string, claim: Claim): Promise<boolean> {
  const seen = await inspect(paths, bootId, claim.ref)
  return seen.runName === claim.run && ['running', 'freezing', 'frozen'].includes(seen.state)
}

async function logPath(paths: Paths, system: System, ref: ContainerRef): Promise<string | null> {
  return logFileOf((await system.read(join(containerDirectory(paths, ref.pool, ref.ctid), 'config'))) ?? '')
}

async function logTail(path: string): Promise<string> {
  const file = await open(path, 'r').catch(() => null)
  if (!file) return ''
  try {
    const { size } = await file.stat()
    const buffer = Buffer.alloc(Math.min(size, LOG_TAIL_BYTES))
    await file.read(buffer, 0, buffer.length, size - buffer.length)
    return buffer.toString('utf8')
  } finally {
    await file.close()
  }
}

export function linuxLxc(paths: Paths, system: System): LxcPort {
  const { run } = system
  const look = (ref: ContainerRef): Promise<ContainerSeen> => system.inspect(ref)
  const lxc = (tool: string, ref: ContainerRef, ...args: string[]): [string, ...string[]] => [
    tool,
    '-P',
    lxcPath(paths, ref.pool),
    '-n',
    ref.ctid,
    ...args,
  ]

  /** Waits until the container's cgroup is empty, monitor and post-stop hook included. */
  async function settled(ref: ContainerRef, timeoutMs: number): Promise<boolean> {
    const cgroup = await system.cgroupOf(ref)
    const until = performance.now() + timeoutMs
    for (
      let pause = 5;
      cgroup !== null && (await system.isPopulated(cgroup));
      pause = Math.min(pause * 2, 200)
    ) {
      if (performance.now() > until) return false
      await delay(pause)
    }
    return true
  }

  async function launch(
    spec: ContainerSpec,
    name: string,
    timeoutSeconds: number,
    fence: Fence,
  ): Promise<RunEvidence> {
    // With `lxc.log.file` alone LXC 6.0 writes nothing (measured): the log is named on the command line too.
    const log = await logPath(paths, system, spec)
    const argv = lxc('lxc-start', spec, '-d', ...(log === null ? [] : ['-o', log, '-l', 'WARN']))
    const env = { OSCTL_RUN: name, OSCTL_ID: spec.id, OSCTL_INTENT: fence.intent }
    await run({ argv, env, timeoutMs: timeoutSeconds * 1000 }, fence)
    const until = performance.now() + SETTLE_TIMEOUT_MS
    for (let pause = 5; ; pause = Math.min(pause * 2, 200)) {
      const seen = await look(spec)
      if (seen.state === 'running' && seen.run) return seen.run
      if (seen.state === 'stopped') throw new HostError('E_FAILED', 'permanent', 'the init ended at once')
      if (performance.now() > until) throw new HostError('E_TIMEOUT', 'transient', `it is ${seen.state}`)
      await delay(pause)
    }
  }

  async function start(
    spec: ContainerSpec,
    name: string,
    timeoutSeconds: number,
    fence: Fence,
  ): Promise<RunEvidence> {
    const seen = await look(spec)
    if (seen.state === 'running' && seen.runName === name && seen.run) return seen.run
    if (seen.state !== 'stopped') {
      throw new HostError(
        'E_REFUSED',
        'permanent',
        `container ${spec.pool}:${spec.ctid} is ${seen.state} already`,
      )
    }
    const cgroup = containerCgroup(spec)
    // A cgroup of the run before would keep its counters, and LXC refuses one that is there.
    await system.killCgroup(join(paths.cgroup, cgroup))
    await system.makeCgroup(cgroup)
    const ref = { pool: spec.pool, id: spec.id, ctid: spec.ctid }
    await system.claim(fence.intent, { cgroup, ref, run: name })
    try {
      return await launch(spec, name, timeoutSeconds, fence)
    } catch (error) {
      await system.killCgroup(join(paths.cgroup, cgroup))
      if (!(error instanceof HostError) || error.code === 'E_ABORTED') throw error
      const log = await logPath(paths, system, spec)
      const reasons = log === null ? '' : logReasons(await logTail(log))
      const why = reasons === '' ? error.message : reasons
      throw new HostError(error.code, error.failure, `cannot start ${spec.ctid}: ${why}`, { cause: error })
    } finally {
      await system.release(fence.intent)
    }
  }

  /** Asks the init to end. @returns whether it did within the time */
  async function shutdown(ref: ContainerRef, timeoutSeconds: number, fence: Fence): Promise<boolean> {
    const argv = lxc('lxc-stop', ref, '--nokill', '-t', String(timeoutSeconds))
    // 1: it did not end in time, or LXC could not ask it; 2: it does not run. Looking decides.
    await run({ argv, timeoutMs: timeoutSeconds * 1000 + SETTLE_TIMEOUT_MS, accept: [0, 1, 2] }, fence)
    const state = (await look(ref)).state
    return state === 'stopped' || (state === 'stopping' && (await settled(ref, SETTLE_TIMEOUT_MS)))
  }

  async function kill(ref: ContainerRef, fence: Fence): Promise<void> {
    const argv = lxc('lxc-stop', ref, '-k')
    await run({ argv, timeoutMs: KILL_TIMEOUT_MS, accept: [0, 1, 2] }, fence).catch((error: unknown) => {
      if (!(error instanceof HostError) || error.code !== 'E_TIMEOUT') throw error
    })
    if (await settled(ref, SETTLE_TIMEOUT_MS)) return
    const cgroup = await system.cgroupOf(ref)
    if (cgroup !== null) await system.killCgroup(cgroup)
  }

  const stop: LxcPort['stop'] = async (ref, mode, timeoutSeconds, fence) => {
    const { state } = await look(ref)
    if (state === 'stopped') return 'gone'
    const frozen = state === 'frozen' || state === 'freezing'
    if (mode === 'shutdown' && frozen) {
      throw new HostError('E_REFUSED', 'permanent', 'The container is frozen, unable to shutdown')
    }
    const ask = mode === 'shutdown' || (mode === 'stop' && !frozen && timeoutSeconds > 0)
    if (ask && (await shutdown(ref, Math.max(1, timeoutSeconds), fence))) return 'clean'
    if (mode === 'shutdown') {
      const message = `unable to shutdown container: it still runs after ${timeoutSeconds} s`
      throw new HostError('E_TIMEOUT', 'permanent', message)
    }
    await kill(ref, fence)
    return 'killed'
  }

  async function change(tool: 'lxc-freeze' | 'lxc-unfreeze', ref: ContainerRef, fence: Fence): Promise<void> {
    const wanted = tool === 'lxc-freeze' ? 'frozen' : 'running'
    const { state } = await look(ref)
    if (state === wanted) return
    if (state === 'stopped' || state === 'starting' || state === 'stopping') {
      throw new HostError('E_NOT_RUNNING', 'permanent', `container ${ref.pool}:${ref.ctid} is ${state}`)
    }
    await run({ argv: lxc(tool, ref), timeoutMs: 60_000 }, fence)
    const after = (await look(ref)).state
    if (after !== wanted) {
      throw new HostError('E_FAILED', 'transient', `${tool} succeeded, but ${basename(ref.ctid)} is ${after}`)
    }
  }

  return {
    start,
    stop,
    freeze: (ref, fence) => change('lxc-freeze', ref, fence),
    thaw: (ref, fence) => change('lxc-unfreeze', ref, fence),
    inspect: look,
  }
}
