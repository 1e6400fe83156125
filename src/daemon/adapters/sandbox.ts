/**
 * The simulated host as a sandbox (`osctld --host simulated --state DIR`): the same daemon, the same log
 * files; only the hands differ. The machine is saved whenever it changed, before anybody is answered about
 * it, so the daemon may be killed at any time and finds its machine again, as it would a real one.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Host } from '../../effects/host.ts'
import { simulatedHost } from '../../effects/simulated/host.ts'
import { fromJSON, type SimulatedMachine, toJSON } from '../../effects/simulated/machine.ts'
import { createSandbox, sandboxLatency } from '../../effects/simulated/sandbox.ts'
import type { Clock } from '../ports.ts'

export type Sandbox = { readonly host: Host; readonly machine: SimulatedMachine; readonly directory: string }

export function openSandbox(directory: string, clock: Clock): Sandbox {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const file = join(directory, 'machine.json')
  const machine = existsSync(file)
    ? fromJSON(readFileSync(file, 'utf8'), { now: clock.wall })
    : createSandbox({ now: clock.wall })
  const save = (): void => {
    writeFileSync(`${file}.new`, toJSON(machine), { mode: 0o600 })
    renameSync(`${file}.new`, file)
  }
  save()
  machine.onChange(save)
  const ports = { now: clock.wall, sleep: clock.sleep, random: Math.random }
  return { host: simulatedHost(machine, ports, { latency: sandboxLatency }), machine, directory }
}
