/**
 * A daemon's view of a simulated machine: the Host port, with nothing behind it but `SimulatedMachine`.
 *
 * One host stands for one life of a daemon. When the fault plan stops the world, the power is cut, or
 * `kill` is called, the host is dead: its pending calls never settle, its listeners hear nothing more. The
 * next daemon takes a new host on the same machine.
 */
import type { HookReport, Host } from '../host.ts'
import { Calls, type SimulatedOptions, type SimulatedPorts } from './calls.ts'
import { simulatedImages } from './image-port.ts'
import { simulatedLxc } from './lxc-port.ts'
import type { SimulatedMachine } from './machine.ts'
import { simulatedMaterialise } from './materialise-port.ts'
import { simulatedMessages } from './message-port.ts'
import { containerKey } from './state.ts'
import { simulatedZfs } from './zfs-port.ts'

export type { SimulatedOptions, SimulatedPorts } from './calls.ts'

export type SimulatedHost = Host & {
  /** `kill -9` of the daemon: nothing of it goes on, its helpers do. */
  kill(): void
}

/**
 * @param machine  outlives this host
 * @param ports    clock, timers and chance
 * @param options  faults; latency, whose `lxc.start` is counted against the start's time-out
 */
export function simulatedHost(
  machine: SimulatedMachine,
  ports: SimulatedPorts,
  options: SimulatedOptions = {},
): SimulatedHost {
  const { state } = machine
  const { latency } = options
  const withoutStart = latency && {
    latency: (op: string, random: () => number) => (op === 'lxc.start' ? 0 : latency(op, random)),
  }
  const calls = new Calls(machine, ports, { ...options, ...withoutStart })
  const reports = new Set<(report: HookReport) => void>()
  const runs = new Map<string, Set<() => void>>()
  /** Listeners hear from the event loop, not from within the call that caused it. */
  const later = (notify: () => void): void => {
    void Promise.resolve().then(() => {
      if (!calls.isDead) notify()
    })
  }
  const kill = (): void => {
    calls.die()
    detach()
  }
  const detach = machine.attach({
    report: (report) =>
      later(() => {
        for (const listener of reports) listener({ ...report })
      }),
    emptied: (key) =>
      later(() => {
        for (const onEmpty of runs.get(key) ?? []) onEmpty()
      }),
    die: () => calls.die(),
  })
  return {
    simulated: true,
    zfs: simulatedZfs(state, calls),
    lxc: simulatedLxc(machine, calls, () => latency?.('lxc.start', ports.random) ?? 0),
    images: simulatedImages(state, calls),
    materialise: simulatedMaterialise(state, calls),
    messages: simulatedMessages(machine, calls),
    bootId: () => state.bootId,
    hostName: () => state.hostName,
    hostId: () => state.hostId,
    fence: (intent) =>
      calls.run({
        op: 'host.fence',
        subject: intent,
        intent: null,
        changes: false,
        apply: () => machine.fence(intent),
      }),
    async watchSpool(listener) {
      const rest = await calls.run({
        op: 'host.watchSpool',
        subject: '',
        intent: null,
        changes: false,
        apply: () => {
          reports.add(listener)
          return Object.values(state.spool)
        },
      })
      for (const report of rest) listener({ ...report })
      return async () => {
        reports.delete(listener)
      }
    },
    watchRun(ref, onEmpty) {
      const key = containerKey(ref)
      const listeners = runs.get(key) ?? new Set()
      runs.set(key, listeners.add(onEmpty))
      return () => {
        listeners.delete(onEmpty)
      }
    },
    pressure: () =>
      calls.run({
        op: 'host.pressure',
        subject: '',
        intent: null,
        changes: false,
        apply: () => machine.pressure(),
      }),
    close: async () => {
      reports.clear()
      runs.clear()
      detach()
    },
    kill,
  }
}
