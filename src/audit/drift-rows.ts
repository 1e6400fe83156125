/** Drift as an admin reads it: rows of `drift ls`, and findings of `healthcheck`. */
import type { CtState } from '../machines/container/machine.ts'
import type { DecideView } from '../machines/decide/decision.ts'
import { ctAdoption, ctRepair, isSerious, poolAdoption, poolRepair } from '../machines/decide/drift.ts'
import type { Drift } from '../machines/drift.ts'
import { ctidOf, type States, streamOfCt } from '../machines/fold.ts'
import type { DriftRow, HealthRow } from '../rpc/host-rows.ts'
import type { At, Finding } from './drift.ts'
import { commandText } from './zfs-change-rows.ts'

type View = At & { readonly name: string; readonly states: States & DecideView }

export const driftId = (
  { dataset, name: pool }: { dataset: string; name: string },
  ct: CtState | null,
  drift: string,
): string =>
  ct ? `${ctidOf(ct)}/${drift}` : `${drift.includes(':') && !drift.includes('/') ? pool : dataset}/${drift}`

/** Rows of `drift ls`. @pure */
export function driftRows(pool: Omit<View, 'pool'>): DriftRow[] {
  const view: View = { ...pool, name: pool.name, dataset: pool.dataset, states: pool.states, pool: pool.name }
  const { states } = view
  const rows = Object.entries(states.pool().context.drift ?? {}).map(([name, drift]) =>
    rowOf(view, null, name, drift),
  )
  for (const ct of states.cts())
    for (const [name, drift] of Object.entries(ct.context.drift ?? {}))
      rows.push(rowOf(view, ct, name, drift))
  return rows
}

function rowOf(view: View, ct: CtState | null, name: string, drift: Drift): DriftRow {
  const { states } = view
  const adopt = ct ? ctAdoption(states, ct, name, drift) : poolAdoption(name)
  const repair = ct ? ctRepair(states, ct, name, drift) : poolRepair(states.pool(), name, drift)
  const ways = [...(adopt.can ? ['adopt'] : []), ...(repair.can ? ['repair'] : [])]
  return {
    pool: view.name,
    id: driftId(view, ct, name),
    subject: ct ? ctidOf(ct) : subjectOf(view, name),
    kind: name.includes('/') ? (name.split('/').at(-1) ?? name) : name,
    expected: drift.expected,
    seen: drift.seen,
    since: drift.since,
    by: drift.found.by ? commandText(drift.found.by) : null,
    settle: ways.join(', ') || 'by hand',
    adopt: adopt.can ? null : adopt.why,
    repair: repair.can ? null : repair.why,
    stream: ct ? streamOfCt(ct) : 'pool',
    level: isSerious(name, drift) ? 'error' : 'warning',
  }
}

const subjectOf = (view: At, name: string): string =>
  name.includes('/') ? `${view.dataset}/${name.split('/').slice(0, -1).join('/')}` : view.pool

/** A finding, recorded or not, as `healthcheck` says it. @pure */
export function driftHealth(
  pool: { name: string; dataset: string },
  ct: CtState | null,
  finding: Finding,
): HealthRow {
  const { drift, expected, seen } = finding
  const at = { dataset: pool.dataset, name: pool.name }
  return {
    pool: pool.name,
    entity: ct ? 'container' : 'dataset',
    id: ct ? ctidOf(ct) : subjectOf({ ...at, pool: pool.name }, drift),
    problem: `drift ${driftId(at, ct, drift)}: ${seen}; expected: ${expected}`,
    level: isSerious(drift, { ...finding, since: 0 }) ? 'error' : 'warning',
  }
}
