/** What a container's machine remembers: plain data, replaced and never changed in place. */
import type { CtIdentity, CtSettings, IdBlock, ImageSource } from '../../events/types/config.ts'
import type { EventData, FactOf } from '../../events/types/events.ts'
import type { DatasetEvidence, IntentArgs, IntentRequest, RunEvidence } from '../../events/types/intents.ts'
import { mend, settled, type WithDrift } from '../drift.ts'
import { nextToUndo, type Operation, want } from '../operation.ts'
import type { Seen, Wanted } from '../step.ts'

export type Run = {
  /** Name of this run: in hooks, cgroups and intents. */
  readonly name: string
  readonly evidence: RunEvidence | null
  readonly startedAt: number | null
}

export type CtContext = WithDrift & {
  readonly identity: CtIdentity | null
  readonly settings: CtSettings
  readonly source: ImageSource | null
  readonly map: IdBlock | null
  readonly createdAt: number | null
  /** The dataset being prepared by the present operation. */
  readonly staging: { readonly dataset: string; readonly guid: string } | null
  /** Guid of `ct/<ctid>` once it is published; destroyed by this guid and no other. */
  readonly dataset: string | null
  /** Downloaded archive and installed image of the present creation. */
  readonly archive: { readonly file: string; readonly sha256: string } | null
  readonly image: { readonly key: string; readonly guid: string } | null
  readonly run: Run | null
  /** The run to start with next, asked for by a restart. */
  readonly nextRun: { readonly name: string; readonly timeoutSeconds: number } | null
  readonly stop: EventData<'CtStopRequested'> | null
  /** It was frozen when the present stop began: where a failed stop goes back to. */
  readonly wasFrozen: boolean
  readonly trash: string | null
  /** Boot id at which a running container was lost with its host. */
  readonly lostAt: string | null
  /** It was caught in the middle of a reboot from inside when its host died. */
  readonly lostRebooting: boolean
  readonly lastExit: { readonly target: 'stop' | 'reboot' | 'crash'; readonly t: number } | null
  readonly op: Operation | null
}

export const emptyContext = (): CtContext => ({
  identity: null,
  settings: { autostart: null, hostname: null, attrs: {} },
  source: null,
  map: null,
  createdAt: null,
  staging: null,
  dataset: null,
  archive: null,
  image: null,
  run: null,
  nextRun: null,
  stop: null,
  wasFrozen: false,
  trash: null,
  lostAt: null,
  lostRebooting: false,
  lastExit: null,
  op: null,
})

/** Narrowing without a cast: the caller's state implies that the value is there. */
export function must<T>(value: T | null | undefined, what: string): T {
  if (value === null || value === undefined) throw new Error(`${what} is missing in this state`)
  return value
}

const ref = (c: CtContext) => {
  const { id, ctid } = must(c.identity, 'identity')
  return { id, ctid }
}

/** The intents that a container's states ask for, each made from what the context holds at that moment. */
export const intents = {
  fetch: (c: CtContext) => want(c.op, () => ({ kind: 'image.fetch', args: { image: repositoryImage(c) } })),
  create: (c: CtContext) =>
    want(c.op, (intent) => ({ kind: 'dataset.create', args: { dataset: `staging/${intent}` } })),
  unpack: (c: CtContext) => want(c.op, () => ({ kind: 'image.unpack', args: unpackArgs(c) })),
  receive: (c: CtContext) => want(c.op, (intent) => receiveRequest(c, `staging/${intent}`)),
  snapshot: (c: CtContext) =>
    want(c.op, () => ({ kind: 'dataset.snapshot', args: { ...must(c.staging, 'staging'), name: 'base' } })),
  publishImage: (c: CtContext) => want(c.op, () => publish(c, `image/${repositoryImage(c).key}`, true)),
  discard: (c: CtContext) =>
    want(c.op, () => ({ kind: 'dataset.destroy', args: must(c.staging, 'staging') })),
  clone: (c: CtContext) => want(c.op, (intent) => cloneRequest(c, `staging/${intent}`)),
  publish: (c: CtContext) => want(c.op, () => publish(c, `ct/${ref(c).ctid}`, false)),
  undo: (c: CtContext) => want(c.op, () => undoRequest(c)),
  start: (c: CtContext) =>
    want(c.op, () => {
      const next = must(c.nextRun, 'next run')
      return { kind: 'lxc.start', args: { ...ref(c), run: next.name, timeoutSeconds: next.timeoutSeconds } }
    }),
  stop: (c: CtContext) =>
    want(c.op, () => {
      const run = c.run?.name ?? c.nextRun?.name ?? ''
      const { mode, timeoutSeconds } = must(c.stop, 'stop request')
      return { kind: 'lxc.stop', args: { ...ref(c), run, mode, timeoutSeconds } }
    }),
  freeze: (c: CtContext) =>
    want(c.op, () => ({ kind: 'lxc.freeze', args: { ...ref(c), run: must(c.run, 'run').name } })),
  thaw: (c: CtContext) =>
    want(c.op, () => ({ kind: 'lxc.thaw', args: { ...ref(c), run: must(c.run, 'run').name } })),
  trash: (c: CtContext) =>
    want(c.op, () => ({
      kind: 'dataset.trash',
      args: {
        from: `ct/${ref(c).ctid}`,
        to: `trash/${must(c.trash, 'trash name')}`,
        guid: must(c.dataset, 'dataset'),
      },
    })),
  mend,
} satisfies Record<string, (c: CtContext) => Wanted>

function repositoryImage(c: CtContext) {
  if (c.source?.from !== 'repository') throw new Error('the source is not a repository')
  return c.source.image
}

function unpackArgs(c: CtContext): IntentArgs<'image.unpack'> {
  const staging = must(c.staging, 'staging')
  const map = must(c.map, 'id map')
  if (c.source?.from === 'file') return { file: c.source.file.path, sha256: null, ...staging, map }
  return { ...must(c.archive, 'archive'), ...staging, map }
}

function receiveRequest(c: CtContext, dataset: string): IntentRequest {
  if (c.source?.from === 'file') {
    const { path, datasets, snapshots } = c.source.file
    return {
      kind: 'image.receive',
      args: { file: path, sha256: null, dataset, contents: { datasets, snapshots } },
    }
  }
  return { kind: 'image.receive', args: { ...must(c.archive, 'archive'), dataset, contents: null } }
}

function cloneRequest(c: CtContext, dataset: string): IntentRequest {
  const image = c.source?.from === 'pool' ? c.source : must(c.image, 'image')
  return { kind: 'dataset.clone', args: { snapshot: `image/${image.key}@base`, origin: image.guid, dataset } }
}

function publish(c: CtContext, to: string, orExisting: boolean): IntentRequest {
  const { dataset, guid } = must(c.staging, 'staging')
  return { kind: 'dataset.rename', args: { from: dataset, to, guid, orExisting } }
}

function undoRequest(c: CtContext): IntentRequest {
  const step = must(nextToUndo(c.op), 'step to undo')
  return { kind: step.kind, args: step.args, compensates: step.intent } as IntentRequest
}

/** Name of a run that nobody gave one. */
const BY_HAND = 'by-hand'

/** What a container is after an admin took over what is there. @pure */
export function takenOver(c: CtContext, { drift, found }: FactOf<'DriftAdopted'>): Partial<CtContext> {
  const rest = settled(c, drift)
  if (drift === 'replaced') return { ...rest, dataset: must(found.guid, 'guid') }
  if (drift === 'renamed') {
    const ctid = must(found.dataset, 'dataset').split('/').at(-1) ?? ''
    return { ...rest, identity: { ...must(c.identity, 'identity'), ctid } }
  }
  if (drift === 'missing') return { ...rest, dataset: null, run: null }
  if (drift === 'running') {
    const run = { name: found.run ?? BY_HAND, evidence: found.evidence ?? null, startedAt: null }
    return { ...rest, run, lastExit: null }
  }
  return { ...rest, adopted: { ...c.adopted, [drift]: found } }
}

/** Applies `ct set`: null removes an attribute. */
export function withSettings(settings: CtSettings, set: EventData<'CtConfigSet'>['set']): CtSettings {
  const attrs: Record<string, string> = { ...settings.attrs }
  for (const [name, value] of Object.entries(set.attrs ?? {})) {
    if (value === null) delete attrs[name]
    else attrs[name] = value
  }
  return {
    autostart: set.autostart === undefined ? settings.autostart : set.autostart,
    hostname: set.hostname === undefined ? settings.hostname : set.hostname,
    attrs,
  }
}

/** The dataset that a finished step made becomes the one being prepared. */
export function stagedBy(c: CtContext, fact: FactOf<'EffectSucceeded'> & Seen): CtContext['staging'] {
  const { dataset } = must(c.op?.pending, 'pending intent').args as { dataset: string }
  return { dataset, guid: (fact.evidence as DatasetEvidence).guid }
}
