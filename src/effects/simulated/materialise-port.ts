/**
 * Derived host state on a simulated machine: a map from path to content, lost with the power as on a real
 * one, where all of it lies in a tmpfs.
 */
import { type ContainerSpec, HostError, type MaterialisePort } from '../host.ts'
import type { Calls } from './calls.ts'
import { configPath } from './containers.ts'
import { mountDataset, subtree } from './mounts.ts'
import { containerKey, type MachineState } from './state.ts'
import { requireDataset } from './storage.ts'

const poolPath = (pool: string): string => `/run/osctl/pools/${pool}`

function lxcConfig(spec: ContainerSpec, run: string): string {
  return [
    `# run = ${run}`,
    `lxc.uts.name = ${spec.hostname}`,
    `lxc.rootfs.path = dir:/${spec.dataset}/private`,
    'lxc.rootfs.options = idmap=container',
    `lxc.idmap = u 0 ${spec.map.first} ${spec.map.count}`,
    `lxc.idmap = g 0 ${spec.map.first} ${spec.map.count}`,
    ...(spec.initCmd ? [`lxc.init.cmd = ${spec.initCmd.join(' ')}`] : []),
    '',
  ].join('\n')
}

/** @throws E_FAILED (no pool, no `private`), E_IO (no log), E_NOT_FOUND: all permanent */
function materialiseContainer(state: MachineState, spec: ContainerSpec, run: string): void {
  const pool = state.derived[`${poolPath(spec.pool)}/dataset`]?.trim()
  if (pool === undefined)
    throw new HostError('E_FAILED', 'permanent', `pool ${spec.pool} is not materialised`)
  mountDataset(state, spec.dataset)
  for (const { name } of subtree(state, spec.dataset)) mountDataset(state, name)
  const root = requireDataset(state, spec.dataset)
  if (root.modes['private'] === undefined) {
    throw new HostError('E_FAILED', 'permanent', `${spec.dataset} has no directory private`)
  }
  const log = state.datasets[`${pool}/log`]
  if (!log?.mounted) throw new HostError('E_IO', 'permanent', `the log dataset ${pool}/log is not mounted`)
  log.files[`ct/${spec.ctid}.log`] = ''
  state.derived[configPath(spec)] = lxcConfig(spec, run)
  if (root.files['private/etc/hostname'] !== undefined) {
    root.files['private/etc/hostname'] = `${spec.hostname}\n`
  }
}

export function simulatedMaterialise(state: MachineState, calls: Calls): MaterialisePort {
  const change = (method: string, subject: string, apply: () => void): Promise<void> =>
    calls.run({ op: `materialise.${method}`, subject, intent: null, changes: true, apply })
  return {
    host: () =>
      change('host', '', () => {
        state.derived['/run/osctl/apparmor/osctl-container'] = 'profile osctl-container {}\n'
        state.derived['/run/osctl/hooks/post-stop'] = '#!/bin/sh\n'
      }),
    users: (users) =>
      change('users', '', () => {
        const sorted = [...users].sort((a, b) => a.map.first - b.map.first)
        const lines = (line: (user: (typeof sorted)[number]) => string): string => sorted.map(line).join('')
        state.derived['/etc/passwd'] = lines(({ name, map }) => `${name}:x:${map.first}:${map.first}::/:\n`)
        state.derived['/etc/subuid'] = lines(({ map }) => `root:${map.first}:${map.count}\n`)
        state.derived['/etc/subgid'] = state.derived['/etc/subuid']
      }),
    pool: (pool, dataset) =>
      change('pool', pool, () => {
        state.derived[`${poolPath(pool)}/dataset`] = `${dataset}\n`
      }),
    forgetPool: (pool) =>
      change('forgetPool', pool, () => {
        for (const path of Object.keys(state.derived)) {
          if (path.startsWith(`${poolPath(pool)}/`)) delete state.derived[path]
        }
      }),
    container: (spec, run) => change('container', spec.ctid, () => materialiseContainer(state, spec, run)),
    forgetContainer: (ref) =>
      change('forgetContainer', ref.ctid, () => {
        if (state.containers[containerKey(ref)])
          throw new HostError('E_BUSY', 'transient', `${ref.ctid} has processes still`)
        delete state.derived[configPath(ref)]
        delete state.spool[containerKey(ref)]
      }),
  }
}
