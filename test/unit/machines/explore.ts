/**
 * Walks a machine from its first state with one fact of every kind, and tells what each fact means in each
 * state. Facts are given as the daemon gives them: a command's fact follows its CommandAccepted, an intent
 * that is asked for is recorded at once, and an operation that has nothing left to do is finished.
 */
import type { EventType, Fact } from '../../../src/events/types/events.ts'
import { EVENT_TYPES } from '../../../src/events/types/events.ts'
import { canonical } from '../../../src/machines/baseline.ts'
import { phaseOf } from '../../../src/machines/life.ts'
import { nextToUndo } from '../../../src/machines/operation.ts'
import type { Wanted } from '../../../src/machines/step.ts'
import { type AnyState, isPool, stepAny } from './check.ts'
import { admin, type SourceName, sources, ulid } from './commands.ts'
import { assumed, opened, ready } from './helpers.ts'

/** A fact of some type in one of its forms; undefined where the state has nothing that it could be about. */
type Form = { readonly name: string; readonly fact: (state: AnyState) => Fact | undefined }
export type Meaning = { readonly next: AnyState; readonly wanted: readonly Wanted[] }

const OP = ulid(1)
const command = { command: 'x', args: {}, actor: admin, cli: null }
const evidence = { initPid: 2, startTime: 1, bootId: 'boot' }
const stopping = { mode: 'stop', timeoutSeconds: 1 } as const
const pendingOf = (state: AnyState) => state.context.op?.pending ?? null
const runOf = (state: AnyState): string => (isPool(state) ? '' : (state.context.run?.name ?? 'run'))

const identity = (ctid: string) => ({
  id: ulid(2),
  ctid,
  user: ctid,
  group: '/default',
  distribution: 'debian',
  version: '13',
  arch: 'x86_64',
  initCmd: null,
})

function created(from: SourceName): Fact {
  const settings = { autostart: null, hostname: null, attrs: {} }
  return {
    type: 'CtCreateRequested',
    identity: identity('web'),
    settings,
    source: sources[from],
    map: { first: 1_000_000, count: 65_536 },
  }
}

const plain = (fact: Fact, form = ''): Form => ({
  name: `${fact.type}${form && ` (${form})`}`,
  fact: () => fact,
})
const ofRun = (make: (run: string) => Fact, form = ''): Form[] => [
  {
    name: `${make('').type} (${['this run', form].filter(Boolean).join(', ')})`,
    fact: (state) => make(runOf(state)),
  },
  plain(make('an earlier run'), ['an earlier run', form].filter(Boolean).join(', ')),
]
const foreign = `${OP}.99`

/** Facts about the pending intent, and about one that nobody awaits. */
function ofIntent(make: (intent: string, state: AnyState | null) => Fact): Form[] {
  const { type } = make('', null)
  const fact = (state: AnyState): Fact | undefined => {
    const pending = pendingOf(state)
    return pending ? make(pending.intent, state) : undefined
  }
  return [{ name: `${type} (awaited)`, fact }, plain(make(foreign, null), 'not awaited')]
}

const succeeded =
  (extra: object) =>
  (intent: string, state: AnyState | null): Fact => {
    const pending = state && pendingOf(state)
    const kind = pending?.kind ?? 'lxc.start'
    const seen = pending && !pending.compensates ? { ...assumed(kind, pending.args), ...extra } : {}
    return { type: 'EffectSucceeded', intent, kind, evidence: seen as never, by: 'run' }
  }

const existing: Form = {
  name: 'EffectSucceeded (awaited, existing)',
  fact: (state) => {
    const pending = pendingOf(state)
    return pending?.kind === 'dataset.rename'
      ? succeeded({ existing: true })(pending.intent, state)
      : undefined
  },
}

const trashEntry = (name: string): Fact => ({ type: 'TrashAdded', name, guid: '7', ct: ulid(3), ctid: 'old' })
const imageFact: Fact = {
  type: 'ImageInstalled',
  key: 'busybox-1',
  guid: '4242',
  repository: 'default',
  distribution: 'busybox',
  version: '1',
  arch: 'x86_64',
  vendor: 'v',
  variant: 'v',
  sha256: null,
}

/** Each kind of drift that means something of its own: noticed, gone, adopted, and repaired. */
function drifts(): Form[] {
  const found = { dataset: 'tank/ct/other', guid: '9', run: 'other', evidence }
  const names = ['missing', 'renamed', 'running', 'quota']
  return names.flatMap((drift) => [
    // One at a time: they do not know of each other.
    {
      name: `DriftNoticed (${drift})`,
      fact: (state: AnyState): Fact | undefined =>
        state.context.drift ? undefined : { type: 'DriftNoticed', drift, expected: 'a', seen: 'b', found },
    },
    plain({ type: 'DriftGone', drift }, drift),
    plain({ type: 'DriftAdopted', drift, found }, drift),
    plain({ type: 'DriftRepairRequested', drift, kind: 'pool.layout', args: {} }, drift),
  ])
}

export const FORMS: readonly Form[] = [
  plain({ type: 'CommandAccepted', ...command }),
  plain({ type: 'CommandNoop', ...command, why: '' }),
  plain({ type: 'CommandRefused', ...command, code: 'E', message: '' }),
  plain({ type: 'RefusalsSummed', count: 1, code: 'E', since: 0 }),
  plain({ type: 'OperationFinished', result: 'failed', error: 'superseded' }),
  plain({ type: 'EffectIntended', intent: foreign, kind: 'lxc.start', args: {}, compensates: null }),
  ...ofIntent((intent) => ({ type: 'EffectRetried', intent, attempt: 1, class: 'transient', message: '' })),
  ...ofIntent(succeeded({})),
  existing,
  ...ofIntent((intent, state) => {
    const kind = (state && pendingOf(state)?.kind) ?? 'lxc.start'
    return { type: 'EffectFailed', intent, kind, class: 'permanent', message: 'broke', by: 'run' }
  }),
  ...ofIntent((intent) => ({ type: 'EffectInDoubt', intent, why: 'unknown' })),
  ...ofIntent((intent) => ({ type: 'EffectResumed', intent, why: 'retry' })),
  plain({ type: 'CancelRequested', actor: admin, cli: null }),
  plain({ type: 'EffectFenced', intent: foreign, processes: 0 }),
  plain({ type: 'EffectLate', intent: foreign, outcome: 'EffectSucceeded' }),
  ...(Object.keys(sources) as SourceName[]).map((from) => plain(created(from), from)),
  plain({ type: 'CtConfigSet', set: { hostname: 'new' }, old: {} }),
  plain({ type: 'CtStartRequested', run: 'run', timeoutSeconds: 1 }),
  plain({ type: 'CtStopRequested', ...stopping }),
  plain({ type: 'CtRestartRequested', ...stopping, startTimeoutSeconds: 1, run: 'run' }),
  plain({ type: 'CtFreezeRequested' }),
  plain({ type: 'CtThawRequested' }),
  plain({ type: 'CtDeleteRequested', trash: 'web.x', force: true }),
  plain({
    type: 'CtUndeleteRequested',
    trash: 'web.x',
    guid: '7',
    identity: identity('again'),
    map: { first: 2_000_000, count: 65_536 },
  }),
  ...ofRun((run) => ({ type: 'CtExited', run, target: 'stop', how: 'hook' }), 'stop'),
  ...ofRun((run) => ({ type: 'CtExited', run, target: 'reboot', how: 'hook' }), 'reboot'),
  ...ofRun((run) => ({ type: 'CtRebooted', run, evidence })),
  ...ofRun((run) => ({ type: 'CtAdopted', run, evidence, frozen: false }), 'running'),
  ...ofRun((run) => ({ type: 'CtAdopted', run, evidence, frozen: true }), 'frozen'),
  ...ofRun((run) => ({ type: 'CtLost', run, bootId: 'boot' })),
  ...drifts(),
  plain({ type: 'CtSessionOpened', session: 's', how: 'exec', program: 'ls', actor: admin }),
  plain({ type: 'CtSessionEnded', session: 's', status: 0 }),
  plain({ type: 'PoolInstallRequested', pool: 'tank', dataset: null }),
  plain({ type: 'PoolUninstallRequested' }),
  plain(opened()),
  plain(ready),
  plain({ type: 'PoolExportRequested', force: false, stopContainers: false }),
  plain({ ...opened(), previous: 'daemon-died' } as Fact, 'same boot'),
  plain({ type: 'PoolExportFailed', left: [] }),
  plain({ type: 'PoolClosed' }),
  plain({ type: 'PoolConfigSet', set: { parallelStart: 3 }, old: {} }),
  plain({
    type: 'UserCreated',
    name: 'web',
    range: 'default',
    block: 0,
    map: { first: 1_000_000, count: 65_536 },
    standalone: false,
  }),
  plain({ type: 'UserDeleted', name: 'web' }),
  plain({ type: 'IdRangeCreated', name: 'default', startId: 1_000_000, blockSize: 65_536, blockCount: 9 }),
  plain({ type: 'RepositoryAdded', name: 'other', url: '/r' }),
  plain({ type: 'RepositoryDeleted', name: 'other' }),
  plain({ type: 'RepositorySet', name: 'other', enabled: false }),
  plain(imageFact),
  plain(trashEntry('a')),
  plain({ type: 'TrashPruneRequested', names: [], why: 'age' }, 'nothing'),
  plain({ type: 'TrashPruneRequested', names: ['a'], why: 'age' }, 'one'),
  plain({ type: 'TrashPruneRequested', names: ['a', 'b'], why: 'age' }, 'two'),
  plain({ type: 'TrashRestored', name: 'a' }),
  plain({ type: 'TrashDestroyed', name: 'a' }),
  plain({ type: 'AutostartPlanned', cts: [ulid(2)] }),
  plain({ type: 'AutostartFinished', result: 'done', failed: [], left: [] }),
  plain({ type: 'SegmentOpened', segment: 1, previous: null }),
  plain({
    type: 'LogRecovered',
    reason: '',
    from: { seq: 1, hash: '' },
    damage: [],
    lost: [],
    evidence: null,
  }),
  plain({ type: 'SegmentsPruned', segments: [{ segment: 1, first: 1, last: 1, head: '' }] }),
  plain({ type: 'PoolUpgraded', from: 1, to: 2, needs: '' }),
  plain({
    type: 'HeadKept',
    ...{ pool: 'far', guid: '7', host: null, seq: 1, hash: '', time: 1 },
    actor: { system: 'boot' },
  }),
  plain({ type: 'Baseline', of: 'pool', ver: 1, state: null, stateHash: '' }),
  plain({
    type: 'SessionOpened',
    bootId: 'boot',
    host: 'h',
    hostId: null,
    pool: 'tank',
    poolGuid: null,
    code: '0',
    machines: 1,
    format: 1,
    simulated: false,
  }),
]

/** Every type has a form. */
export const missingForms = (): EventType[] => {
  const named = new Set(FORMS.map(({ name }) => name.split(' ')[0]))
  return EVENT_TYPES.filter((type) => !named.has(type))
}

const isRequest = ({ type }: Fact): boolean =>
  (type.endsWith('Requested') && type !== 'CancelRequested') || type.endsWith('ConfigSet')
const WAITS =
  /^(creating|starting|freezing|thawing|stopping|restarting|deleting|undeleting|installing|uninstalling|exporting)/

let steps = 0
const taken = (state: AnyState, fact: Fact): Meaning | undefined => {
  const {
    state: next,
    wanted,
    handled,
  } = stepAny(state, { ...fact, meta: { id: ulid(++steps, '01HE'), t: 1, op: OP } })
  return handled ? { next, wanted } : undefined
}

function finished(state: AnyState): AnyState {
  const { op } = state.context
  if (!op || op.pending || WAITS.test(phaseOf(state))) return state
  return taken(state, { type: 'OperationFinished', result: 'done', error: null })?.next ?? state
}

/** What a fact means in a state; undefined when the machine refuses it. */
export function meaning(state: AnyState, fact: Fact): Meaning | undefined {
  let before = state
  if (fact.type === 'CtStopRequested' && before.context.op) {
    before =
      taken(before, { type: 'OperationFinished', result: 'failed', error: 'superseded' })?.next ?? before
  }
  if (isRequest(fact) && !before.context.op) {
    before = taken(before, { type: 'CommandAccepted', ...command })?.next ?? before
  }
  const first = taken(before, fact)
  if (!first) return undefined
  let { next } = first
  for (const { intent, kind, args, compensates } of first.wanted) {
    const intended = {
      type: 'EffectIntended',
      intent,
      kind,
      args: args as never,
      compensates: compensates ?? null,
    } as const
    const recorded = taken(next, intended)
    if (!recorded) return undefined
    next = recorded.next
  }
  return { next: fact.type === 'CommandAccepted' ? next : finished(next), wanted: first.wanted }
}

export const REGIONS = (state: AnyState): string[] =>
  isPool(state) ? ['life', 'entities', 'trash', 'drift', 'op'] : ['life', 'settings', 'drift', 'op']
const flags = (state: AnyState): unknown => {
  const { op } = state.context
  const common = [
    op === null,
    op?.pending?.kind,
    op?.pending?.compensates != null,
    nextToUndo(op)?.kind,
    op?.pending?.inDoubt,
    Object.keys(state.context.drift ?? {}),
  ]
  if (isPool(state)) return [common, state.context.pruning.length]
  const { source, run, nextRun, wasFrozen } = state.context
  return [
    common,
    source?.from,
    source && JSON.stringify(source).includes('"zfs"'),
    run !== null,
    nextRun !== null,
    wasFrozen,
  ]
}
const key = (state: AnyState): string =>
  canonical([REGIONS(state).map((name) => phaseOf(state, name)), flags(state)])

/**
 * Every state that can be reached, apart from what does not matter to any guard. A state between the facts
 * of one batch (an operation that has not asked for anything yet, an operation cut short) is not one.
 */
export function reachable(start: AnyState): AnyState[] {
  const found = new Map<string, AnyState>([[key(start), start]])
  for (const state of found.values()) {
    for (const form of FORMS) {
      const fact = form.fact(state)
      if (!fact || ['CommandAccepted', 'OperationFinished', 'EffectIntended'].includes(fact.type)) continue
      const next = meaning(state, fact)?.next
      if (next && !found.has(key(next))) found.set(key(next), next)
    }
  }
  return [...found.values()]
}

/** The meaning in words: what changes in which region, and which intent is asked for. */
export function words(state: AnyState, fact: Fact): string {
  const result = meaning(state, fact)
  if (!result) return 'refused'
  const { next, wanted } = result
  const changes = REGIONS(state)
    .filter((name) => phaseOf(state, name) !== phaseOf(next, name))
    .map((name) => (name === 'life' ? `→ ${phaseOf(next)}` : `${name} → ${phaseOf(next, name)}`))
  const asks = wanted.map(({ kind, compensates }) => `asks for ${compensates ? `the undo of ${kind}` : kind}`)
  if (changes.length + asks.length > 0) return [...changes, ...asks].join(', ')
  return canonical(state.context) === canonical(next.context) ? 'noted' : 'taken'
}
