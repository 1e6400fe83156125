/**
 * What containers do by themselves: they end, they reboot, they die with their monitor, and they do so
 * while the daemon is down. Nobody polls: LXC's hooks leave a report in the spool, one file a container,
 * the spool is watched and read again at start; a run whose cgroup empties without a report is a crash.
 *
 * A report is compared with the state, never believed on its own: it counts only for the run that the log
 * says is running, and while an operation is open it waits for the operation's end. At a start after the
 * daemon died, every container that should run is looked at; after the host died, nothing of it exists
 * any more, and the log is told so (DESIGN D10).
 */

import type { ContainerRef, ContainerSeen, HookReport, Host } from '../effects/host.ts'
import type { Fact } from '../events/types/events.ts'
import type { RunEvidence } from '../events/types/intents.ts'
import type { CtState } from '../machines/container/machine.ts'
import { ctIdOf, ctidOf } from '../machines/fold.ts'
import { exists, lifeOf } from '../machines/life.ts'

/** Should something of this container be running now, according to the log? */
export const shouldRun = (ct: CtState): boolean => ['running', 'frozen', 'rebooting'].includes(lifeOf(ct))

export const refOf = (pool: string, ct: CtState): ContainerRef => ({ pool, id: ctIdOf(ct), ctid: ctidOf(ct) })

/**
 * What a hook's report means in the container's present state; nothing when it tells no news.
 * @pure
 */
export function factsOfReport(
  ct: CtState,
  report: HookReport,
  bootId: string,
  startTime: number | null,
  frozen: boolean,
): Fact[] {
  const { run, op } = ct.context
  if (op || !run || run.name !== report.run || !shouldRun(ct)) return []
  if (report.last === 'stop') return [{ type: 'CtExited', run: run.name, target: 'stop', how: 'hook' }]
  if (report.last === 'reboot' && lifeOf(ct) === 'rebooting') return []
  if (report.last === 'reboot') return [{ type: 'CtExited', run: run.name, target: 'reboot', how: 'hook' }]
  if (report.initPid === null || report.initPid === run.evidence?.initPid || startTime === null) return []
  const evidence = { initPid: report.initPid, startTime, bootId }
  return rebooted(ct, run.name, evidence, 'hook', frozen)
}

/** Another init has taken over; it may have been frozen before anybody heard of it. */
function rebooted(
  ct: CtState,
  run: string,
  evidence: RunEvidence,
  how: 'hook' | 'probe',
  frozen: boolean,
): Fact[] {
  const facts: Fact[] = [{ type: 'CtRebooted', run, evidence }]
  if (lifeOf(ct) !== 'rebooting') facts.unshift({ type: 'CtExited', run, target: 'reboot', how })
  if (frozen) facts.push({ type: 'CtAdopted', run, evidence, frozen })
  return facts
}

/**
 * What the sight of a container means, when the log says that it runs and no operation is open.
 * @pure
 */
export function factsOfSight(ct: CtState, seen: ContainerSeen, report: HookReport | null): Fact[] {
  const { run, op } = ct.context
  if (op || !run || !shouldRun(ct)) return []
  const ours = seen.runName === null || seen.runName === run.name
  if (!ours || seen.state === 'stopped') {
    const told = report?.run === run.name && report.last === 'stop'
    return [
      { type: 'CtExited', run: run.name, target: told ? 'stop' : 'crash', how: told ? 'hook' : 'probe' },
    ]
  }
  // Between two inits of a reboot there is a monitor and no init: the next report tells.
  if (!seen.run) return []
  const evidence = seen.run
  const same = run.evidence?.initPid === evidence.initPid && run.evidence.startTime === evidence.startTime
  const frozen = seen.state === 'frozen'
  if (same && lifeOf(ct) !== 'rebooting') return [{ type: 'CtAdopted', run: run.name, evidence, frozen }]
  return rebooted(ct, run.name, evidence, 'probe', frozen)
}

/** Do these facts begin a reboot? @pure */
export const beginsReboot = (facts: readonly Fact[]): boolean =>
  facts.some((fact) => fact.type === 'CtExited' && fact.target === 'reboot')

/** A container whose evidence is of another boot is gone with its host. @pure */
export function factsOfBoot(ct: CtState, bootId: string): Fact[] {
  const { run, op } = ct.context
  if (op || !run || !exists(ct) || !shouldRun(ct)) return []
  if (!run.evidence || run.evidence.bootId === bootId) return []
  return [{ type: 'CtLost', run: run.name, bootId }]
}

/** Looks at a container, if the log says that it should run. */
export async function look(
  host: Host,
  pool: string,
  ct: CtState,
  report: HookReport | null,
): Promise<Fact[]> {
  if (!shouldRun(ct) || ct.context.op) return []
  const lost = factsOfBoot(ct, host.bootId())
  if (lost.length > 0) return lost
  return factsOfSight(ct, await host.lxc.inspect(refOf(pool, ct)), report)
}

/** Nothing happened to the container since. */
export const isSame = (now: CtState, before: CtState): boolean =>
  lifeOf(now) === lifeOf(before) &&
  now.context.op?.id === before.context.op?.id &&
  now.context.run?.name === before.context.run?.name &&
  now.context.run?.evidence?.initPid === before.context.run?.evidence?.initPid

/** A container that is as the log says is not worth an event. @pure */
export function isNews(ct: CtState, facts: readonly Fact[]): boolean {
  const [first, ...others] = facts
  if (first?.type !== 'CtAdopted' || others.length > 0) return true
  return first.frozen !== (lifeOf(ct) === 'frozen')
}
