/**
 * Settling drift: whether the log can take over what is there, whether what the log says can be put back, and with
 * which effect. Where one of them is impossible the reason says what can be done instead. Nothing that we did not
 * make is ever destroyed, so what is foreign can only be adopted, or taken away by whoever put it there.
 */
import { CTID_PATTERN, ctIdOfStream, type StreamId } from '../../events/types/ids.ts'
import type { IntentRequest } from '../../events/types/intents.ts'
import type { CtState } from '../container/machine.ts'
import { type Drift, isOfDataset } from '../drift.ts'
import { exists, lifeOf } from '../life.ts'
import type { PoolState } from '../pool/machine.ts'
import {
  type Asked,
  accept,
  busyRefusal,
  type DecideView,
  type Decision,
  type Refusal,
  refuse,
} from './decision.ts'

export type DriftCommand = {
  readonly type: 'drift.adopt' | 'drift.repair'
  readonly stream: StreamId
  /** Name of the drift in its stream. */
  readonly drift: string
}

export const ACTIVE_PROPERTY = 'org.vpsadminos.osctl:active'
export const SCOPE_PROPERTY = 'org.vpsadminos.osctl:dataset'
/** What a container's dataset has set; null is not set. `mountpoint` follows from its name. */
export const CT_PROPERTIES: Readonly<Record<string, string | null>> = {
  canmount: 'noauto',
  mountpoint: null,
  readonly: null,
  quota: null,
  refquota: null,
  reservation: null,
  refreservation: null,
}

const RUNS = 'it runs: osctl ct stop'

type Way<T> = { readonly can: true; readonly how: T } | { readonly can: false; readonly why: string }
const no = (why: string): { can: false; why: string } => ({ can: false, why })
const yes = <T>(how: T): { can: true; how: T } => ({ can: true, how })

/** A name relative to `<ds>`, if it is below it and one that an event can hold. */
function relative(pool: PoolState, name: string | undefined): string | null {
  const prefix = `${pool.context.dataset ?? ''}/`
  if (name === undefined || !name.startsWith(prefix)) return null
  const rest = name.slice(prefix.length)
  return /^[a-z0-9][a-z0-9_.:-]*(\/[a-z0-9_][a-z0-9_.:-]*)*$/i.test(rest) ? rest : null
}

/** What a container's drift is in the way of. @pure */
export function hinders(name: string, { found }: Drift, command: string): boolean {
  if (isOfDataset(name)) return ['ct.start', 'ct.restart', 'ct.delete'].includes(command)
  if (name === 'running') return command !== 'ct.set'
  const keepsFromStarting =
    name === 'mountpoint' ||
    (name === 'canmount' && found.value === 'off') ||
    (name === 'readonly' && found.value === 'on')
  return keepsFromStarting && ['ct.start', 'ct.restart'].includes(command)
}

/** Drift that somebody has to see to: it keeps osctl from doing its work. @pure */
export const isSerious = (name: string, drift: Drift): boolean =>
  name.endsWith('missing') || name.includes(':') || hinders(name, drift, 'ct.start')

/** Refuses a command that drift is in the way of. @pure */
export function driftRefusal(ct: CtState, command: string): Refusal | null {
  const [name, drift] = Object.entries(ct.context.drift ?? {}).find(([n, d]) => hinders(n, d, command)) ?? []
  if (name === undefined || drift === undefined) return null
  const id = `${ct.context.identity?.ctid}/${name}`
  const verb = command.replace('ct.', '')
  const message = `${verb} not available (drift ${id}: ${drift.seen}; expected: ${drift.expected}; osctl drift ls says how to settle it)`
  return { code: 'E_DRIFT', kind: 'refused', message }
}

// --- a container's ---------------------------------------------------------------------------------------

/** Can the log take over what is there? @pure */
export function ctAdoption(view: DecideView, ct: CtState, name: string, drift: Drift): Way<null> {
  const { dataset } = drift.found
  if (name === 'mountpoint') return no('osctl finds the files of a container by the name of its dataset')
  if (name === 'canmount' && drift.found.value === 'off')
    return no('a container whose dataset cannot be mounted cannot be started')
  const owner = name === 'replaced' ? ownerOf(view, drift.found.guid) : undefined
  if (owner) return no(`it is the dataset of container ${owner}, which was renamed: repair that`)
  // The run goes on with the files that it was started with, wherever they are.
  if (isOfDataset(name) && ct.context.run !== null) return no(RUNS)
  if (name !== 'renamed') return yes(null)
  const [place, ctid = '', ...more] = (relative(view.pool(), dataset) ?? '').split('/')
  if (place !== 'ct' || more.length > 0 || !CTID_PATTERN.test(ctid))
    return no(
      `it is not in the place of a container (zfs rename puts it below ${view.pool().context.dataset}/ct)`,
    )
  return view.byCtid(ctid) ? no(`container ${ctid} exists`) : yes(null)
}

function ownerOf(view: DecideView, guid: string | undefined): string | undefined {
  if (guid === undefined) return undefined
  for (const ct of view.cts()) if (exists(ct) && ct.context.dataset === guid) return ct.context.identity?.ctid
  return undefined
}

/** With which effect is put back what the log says? @pure */
export function ctRepair(view: DecideView, ct: CtState, name: string, drift: Drift): Way<IntentRequest> {
  const { identity, dataset: guid, run } = ct.context
  if (!identity || guid === null) return no('it is gone')
  const { id, ctid } = identity
  const own = `ct/${ctid}`
  const { found } = drift
  if (name === 'missing')
    return no(
      'nothing on the pool holds its files: put a copy in its place (zfs receive) and adopt that, or adopt the loss',
    )
  if (name === 'replaced')
    return no(
      `another dataset has its name: rename that away first (zfs rename ${view.pool().context.dataset}/${own} …)`,
    )
  if (name === 'renamed') {
    const from = relative(view.pool(), found.dataset)
    if (from === null)
      return no(
        `it is outside of ${view.pool().context.dataset}: zfs rename ${found.dataset} ${view.pool().context.dataset}/${own}`,
      )
    if (run !== null) return no(RUNS)
    return yes({ kind: 'dataset.rename', args: { from, to: own, guid, orExisting: false } })
  }
  if (name === 'rolledback')
    return no(
      'what was written since the snapshot is gone: bring it back from elsewhere, and adopt what is there',
    )
  if (name === 'running')
    return yes({
      kind: 'lxc.stop',
      args: { id, ctid, run: found.run ?? '', mode: 'stop', timeoutSeconds: 60 },
    })
  return yes({
    kind: 'dataset.set',
    args: { dataset: own, guid, set: { [name]: CT_PROPERTIES[name] ?? null } },
  })
}

// --- a pool's --------------------------------------------------------------------------------------------

const PARTS = /^(?:(.+)\/)?(missing|renamed|replaced|foreign)$/

/** @pure */
export function poolAdoption(name: string): Way<null> {
  const [, subject = '', what] = PARTS.exec(name) ?? []
  if (what === undefined)
    return no('a pool without this mark is not imported: osctl pool uninstall gives it up')
  if (what === 'foreign') return yes(null)
  if (what === 'renamed') return no('osctl knows it by its name')
  return /^(image|trash)\//.test(subject) ? yes(null) : no('osctl needs it')
}

/** Puts back the properties by which an import finds a pool of ours. @pure */
export function marking({ context }: PoolState): IntentRequest {
  const scoped = context.dataset === context.pool ? null : context.dataset
  return { kind: 'pool.mark', args: { active: true, dataset: scoped } }
}

/** @pure */
export function poolRepair(pool: PoolState, name: string, { found }: Drift): Way<IntentRequest> {
  const { context } = pool
  const [, subject = '', what] = PARTS.exec(name) ?? []
  if (what === undefined) return yes(marking(pool))
  const full = `${context.dataset}/${subject}`
  if (what === 'foreign')
    return no(`osctl takes nothing away that it did not make: zfs rename or zfs destroy ${full} does`)
  const isKept = /^(image|trash)\//.test(subject)
  if (what === 'renamed') {
    const from = relative(pool, found.dataset)
    if (from === null) return no(`it is outside of ${context.dataset}: zfs rename ${found.dataset} ${full}`)
    return yes({
      kind: 'dataset.rename',
      args: { from, to: subject, guid: found.guid ?? '0', orExisting: false },
    })
  }
  if (isKept && what === 'missing') return no('nothing on the pool holds it any more: adopt the loss')
  if (isKept) return no(`another dataset has its name (zfs rename ${full} … frees it), or adopt the loss`)
  return yes({ kind: 'pool.layout', args: {} })
}

// --- the commands ----------------------------------------------------------------------------------------

const refusal = (code: string, message: string, kind: Refusal['kind'] = 'refused'): Refusal => ({
  code,
  kind,
  message,
})

/** @pure */
export function decideDrift(
  view: DecideView,
  { type, stream, drift: name }: DriftCommand,
  asked: Asked,
): Decision {
  const pool = view.pool()
  const ct = stream === 'pool' ? null : view.ct(ctIdOfStream(stream))
  const { context } = ct ?? pool
  const drift = context.drift?.[name]
  if (!['active', 'importing'].includes(lifeOf(pool)))
    return refuse('pool', asked, refusal('E_POOL_DISABLED', `the pool is disabled (state: ${lifeOf(pool)})`))
  if (context.op && ct) return refuse(stream, asked, busyRefusal(pool.context.pool ?? '', ct))
  if (context.op)
    return refuse(
      stream,
      asked,
      refusal(
        'E_BUSY',
        `pool ${pool.context.pool} is held by '${context.op.command}' (osctl op show ${context.op.id})`,
      ),
    )
  if (!drift)
    return refuse(
      stream,
      asked,
      refusal('E_DRIFT_NOT_FOUND', `no such drift: ${name} (osctl drift ls)`, 'not-found'),
    )
  if (type === 'drift.adopt') {
    const way = ct ? ctAdoption(view, ct, name, drift) : poolAdoption(name)
    if (!way.can) return refuse(stream, asked, refusal('E_DRIFT_ADOPT', `it cannot be adopted: ${way.why}`))
    const was = name === 'renamed' && ct?.context.identity?.ctid
    const found = was ? { ...drift.found, was } : drift.found
    return accept(stream, asked, [{ type: 'DriftAdopted', drift: name, found }])
  }
  const way = ct ? ctRepair(view, ct, name, drift) : poolRepair(pool, name, drift)
  if (!way.can) return refuse(stream, asked, refusal('E_DRIFT_REPAIR', `it cannot be repaired: ${way.why}`))
  const { kind, args } = way.how
  return accept(stream, asked, [{ type: 'DriftRepairRequested', drift: name, kind, args: args as never }])
}
