/** What is true of every machine, whatever was done to it: the model's own honesty, checked by tests. */
import type { MachineState } from './state.ts'

/** @returns what is wrong, empty when all is well. @pure */
export function brokenInvariants(state: MachineState): string[] {
  return [...brokenDatasets(state), ...brokenContainers(state)]
}

function brokenDatasets(state: MachineState): string[] {
  const broken: string[] = []
  const guids = new Set<string>()
  const claim = (guid: string, name: string): void => {
    if (guids.has(guid)) broken.push(`guid ${guid} of ${name} is not unique`)
    guids.add(guid)
  }
  for (const [name, dataset] of Object.entries(state.datasets)) {
    if (dataset.name !== name) broken.push(`${name} is called ${dataset.name}`)
    const parent = name.slice(0, Math.max(0, name.lastIndexOf('/')))
    if (parent === '' ? !state.zpools[name] : !state.datasets[parent]) broken.push(`${name} has no parent`)
    claim(dataset.guid, name)
    for (const [short, snapshot] of Object.entries(dataset.snapshots))
      claim(snapshot.guid, `${name}@${short}`)
    if (dataset.origin === null) continue
    const [source = '', short = ''] = dataset.origin.split('@')
    if (!state.datasets[source]?.snapshots[short])
      broken.push(`${name}: its origin ${dataset.origin} is gone`)
  }
  return broken
}

function brokenContainers(state: MachineState): string[] {
  const broken: string[] = []
  const guids = new Set(Object.values(state.datasets).map((dataset) => dataset.guid))
  const pids = new Set<number>()
  for (const [key, ct] of Object.entries(state.containers)) {
    if (!guids.has(ct.dataset)) broken.push(`${key} runs on a dataset that is gone`)
    if (!ct.evidence) continue
    if (ct.evidence.bootId !== state.bootId) broken.push(`${key} runs since an earlier boot`)
    if (pids.has(ct.evidence.initPid)) broken.push(`pid ${ct.evidence.initPid} is not unique`)
    pids.add(ct.evidence.initPid)
  }
  return broken
}
