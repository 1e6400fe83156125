/**
 * LXC in memory: containers that start, stop, freeze, reboot and crash, with the traces that they leave in
 * the spool and in their cgroup.
 */
import type { RunEvidence } from '../../events/types/intents.ts'
import { type ContainerRef, type ContainerSpec, type HookReport, HostError, isByHand } from '../host.ts'
import { containerKey, type MachineState, type SimulatedContainer } from './state.ts'

/** What the containers need of the machine that they run on. */
export type World = {
  readonly state: MachineState
  now(): number
  report(report: HookReport): void
  emptied(ref: { pool: string; id: string }): void
}

export type ExitKind = 'stop' | 'reboot' | 'crash'

export const configPath = (ref: ContainerRef): string =>
  `/run/osctl/pools/${ref.pool}/containers/${ref.ctid}/config`

function newInit(machine: World): RunEvidence {
  const { state } = machine
  const initPid = state.nextPid
  state.nextPid += 3
  const startTime = Math.max(0, Math.floor((machine.now() - state.bootedAt) / 10))
  return { initPid, startTime, bootId: state.bootId }
}

function report(machine: World, ct: SimulatedContainer, last: 'started' | 'stop' | 'reboot'): void {
  // Hooks tell of the run that LXC's configuration was written for, which is over: nobody listens to that.
  if (isByHand(ct.run)) return
  const { pool, id, run, inits } = ct
  const initPid = last === 'started' ? (ct.evidence?.initPid ?? null) : null
  machine.report({ pool, id, run, inits, last, initPid, at: machine.now() })
}

const failed = (message: string): HostError => new HostError('E_FAILED', 'permanent', message)

/** The program that becomes init, relative to the root file system. */
const initOf = (spec: ContainerSpec): string => (spec.initCmd?.[0] ?? '/sbin/init').replace(/^\//, '')

/** True when the tree has that path, be it through a symlinked directory such as `sbin -> usr/sbin`. */
function hasProgram(files: Readonly<Record<string, string>>, path: string): boolean {
  if (files[path] !== undefined) return true
  const [first = '', ...rest] = path.split('/')
  const target = files[`private/${rest[0] ?? ''}`]
  if (first !== 'private' || !target?.startsWith('-> ')) return false
  return files[`private/${target.slice(3)}/${rest.slice(1).join('/')}`] !== undefined
}

/**
 * The monitor is up, its init is not yet; nothing to do when it runs as this very run.
 * @throws E_REFUSED (permanent) when it runs otherwise;
 *         E_FAILED (permanent) without config, mount or root file system
 */
export function beginStart(machine: World, spec: ContainerSpec, run: string): void {
  const { state } = machine
  const key = containerKey(spec)
  const there = state.containers[key]
  if (there?.run === run && there.state === 'running') return
  if (there) {
    const message = `container ${spec.pool}:${spec.ctid} is ${there.state} already`
    throw new HostError('E_REFUSED', 'permanent', message)
  }
  const dataset = state.datasets[spec.dataset]
  if (!state.derived[configPath(spec)]?.includes(`run = ${run}`)) {
    throw failed(`lxc-start: ${spec.ctid}: Failed to load config for run ${run}`)
  }
  if (!dataset?.mounted || dataset.modes['private'] === undefined) {
    throw failed(`lxc-start: ${spec.ctid}: Failed to mount rootfs "/${spec.dataset}/private"`)
  }
  state.containers[key] = {
    pool: spec.pool,
    id: spec.id,
    ctid: spec.ctid,
    run,
    state: 'starting',
    evidence: null,
    inits: 0,
    dataset: dataset.guid,
    cgroup: `osctl/pool.${spec.pool}/ct.${spec.ctid}`,
    ignoresShutdown: state.stubborn.includes(spec.id),
  }
}

/** The hooks count the inits of one run name, over its ends. */
function initsSoFar(state: MachineState, ref: ContainerRef, run: string): number {
  const last = state.spool[containerKey(ref)]
  return last?.run === run ? last.inits : 0
}

/**
 * Its init runs.
 * @returns that of a start before, if this is a repeat
 * @throws E_FAILED (permanent) when there is no init, or when it ended meanwhile
 */
export function completeStart(machine: World, spec: ContainerSpec, run: string): RunEvidence {
  const { state } = machine
  const ct = state.containers[containerKey(spec)]
  if (ct?.run !== run) throw failed(`lxc-start: ${spec.ctid}: The container failed to start`)
  if (ct.evidence) return ct.evidence
  if (!hasProgram(state.datasets[spec.dataset]?.files ?? {}, `private/${initOf(spec)}`)) {
    // The hook `start-host` was called by then; `post-stop` may come too late.
    ct.inits = initsSoFar(state, spec, run) + 1
    report(machine, ct, 'started')
    delete state.containers[containerKey(spec)]
    throw failed(`lxc-start: ${spec.ctid}: Failed to exec "/${initOf(spec)}": No such file or directory`)
  }
  const evidence = newInit(machine)
  ct.state = 'running'
  ct.inits = initsSoFar(state, spec, run) + 1
  ct.evidence = evidence
  report(machine, ct, 'started')
  return evidence
}

/** The monitor was killed before init ran. */
export function abandonStart(state: MachineState, ref: ContainerRef, run: string): void {
  const ct = state.containers[containerKey(ref)]
  if (ct?.run === run && ct.state === 'starting') delete state.containers[containerKey(ref)]
}

/** Asks init to shut down. @throws E_REFUSED (permanent) when frozen in mode `shutdown` */
export function beginStop(state: MachineState, ref: ContainerRef, mode: 'stop' | 'shutdown' | 'kill'): void {
  const ct = state.containers[containerKey(ref)]
  if (!ct || mode === 'kill') return
  if (ct.state === 'frozen') {
    if (mode === 'stop') return
    throw new HostError('E_REFUSED', 'permanent', 'The container is frozen, unable to shutdown')
  }
  ct.state = 'stopping'
}

/** @throws E_TIMEOUT (permanent) in mode `shutdown` when init does not react */
export function completeStop(
  machine: World,
  ref: ContainerRef,
  mode: 'stop' | 'shutdown' | 'kill',
  timeoutSeconds: number,
): 'clean' | 'killed' | 'gone' {
  const ct = machine.state.containers[containerKey(ref)]
  if (!ct) return 'gone'
  const isAtOnce = mode === 'kill' || (mode === 'stop' && timeoutSeconds === 0)
  const isForced = isAtOnce || ct.ignoresShutdown || ct.state === 'frozen'
  if (isForced && mode === 'shutdown') {
    ct.state = 'running'
    throw new HostError('E_TIMEOUT', 'permanent', `${ref.ctid}: unable to shutdown container`)
  }
  delete machine.state.containers[containerKey(ref)]
  report(machine, ct, 'stop')
  return isForced ? 'killed' : 'clean'
}

/** The process that waited for the shutdown is gone; the container goes on. */
export function abandonStop(state: MachineState, ref: ContainerRef): void {
  const ct = state.containers[containerKey(ref)]
  if (ct?.state === 'stopping') ct.state = 'running'
}

/** @throws E_NOT_RUNNING (permanent); E_FAILED (transient) in between two states */
export function setFrozen(state: MachineState, ref: ContainerRef, frozen: boolean): void {
  const ct = state.containers[containerKey(ref)]
  if (!ct) throw new HostError('E_NOT_RUNNING', 'permanent', `${ref.ctid} is not running`)
  if (ct.state !== 'running' && ct.state !== 'frozen') {
    throw new HostError('E_FAILED', 'transient', `${ref.ctid} is ${ct.state}`)
  }
  ct.state = frozen ? 'frozen' : 'running'
}

/** @throws E_NOT_RUNNING (permanent) */
export function containerExits(machine: World, ref: { pool: string; id: string }, how: ExitKind): void {
  const key = containerKey(ref)
  const ct = machine.state.containers[key]
  if (!ct) throw new HostError('E_NOT_RUNNING', 'permanent', `${key} is not running`)
  if (how === 'reboot') {
    report(machine, ct, 'reboot')
    ct.inits += 1
    ct.evidence = newInit(machine)
    ct.state = 'running'
    report(machine, ct, 'started')
    return
  }
  delete machine.state.containers[key]
  if (how === 'stop') report(machine, ct, 'stop')
  else machine.emptied(ref)
}
