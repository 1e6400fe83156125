/**
 * A short life of a pool in which every type of event and every kind of effect occurs: two boots, two
 * daemons, two segments. What it writes is kept as a golden log (test/golden) and folded for ever.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import type { Actor } from '../../../src/events/types/actor.ts'
import type { Fact, FactOf } from '../../../src/events/types/events.ts'
import type { StreamId } from '../../../src/events/types/ids.ts'
import { baselineOf } from '../../../src/machines/baseline.ts'
import { exists } from '../../../src/machines/life.ts'
import { type AnyState, text } from './check.ts'
import {
  create,
  exportPool,
  freeze,
  image,
  install,
  kill,
  prune,
  remove,
  restart,
  type SourceName,
  set,
  sources,
  start,
  stop,
  ulid,
  undelete,
  unfreeze,
} from './commands.ts'
import { fail, opened, ready, World } from './helpers.ts'

const BOOTS = ['5b0c1d52-7a57-4c34-9d0f-0a6f3f6b1c11', 'c2a4f1de-6a0e-4f0c-8b8a-1a1f9e0f7d22'] as const
const boot: Actor = { system: 'boot' }
const recovery: Actor = { system: 'recovery' }

const sha256 = (data: string): string => createHash('sha256').update(data).digest('hex')

function session(w: World, bootId: string): void {
  w.bootId = bootId
  const constants = { host: 'node1.example.org', hostId: '00bab10c', pool: 'tank', poolGuid: '15839210391' }
  w.tell('log', {
    type: 'SessionOpened',
    bootId,
    ...constants,
    code: '0.1.0',
    machines: 1,
    format: 1,
    simulated: false,
  })
}

const open = (w: World, previous: FactOf<'PoolOpened'>['previous']): void => {
  w.tell('pool', { type: 'PoolOpened', pool: 'tank', dataset: 'tank', bootId: w.bootId, previous })
}

let made = 0
const named = (ctid: string, source: SourceName | ReturnType<typeof image>, user: string | null = null) => {
  const from = typeof source === 'string' ? sources[source] : ({ from: 'repository', image: source } as const)
  return create(ctid, from, { id: ulid(++made, '01HK'), user })
}

function settled(w: World, ...commands: Parameters<World['when']>[0][]): void {
  for (const command of commands) {
    w.when(command)
    w.settle()
  }
}

const pendingOf = (w: World): string => w.next()?.wanted.intent ?? ''
const evidence = (w: World, initPid: number) => ({ initPid, startTime: 100 * initPid, bootId: w.bootId })

/** Installed, imported, with repositories and settings. */
function installed(w: World): void {
  w.tell('log', { type: 'SegmentOpened', segment: 1, previous: null })
  session(w, BOOTS[0])
  settled(w, install)
  open(w, 'none')
  w.tell('pool', ready)
  w.when({ type: 'repo.add', name: 'testing', url: 'https://images.example.org' })
  w.when({ type: 'repo.set', name: 'testing', enabled: false })
  w.when({ type: 'repo.delete', name: 'testing' })
  w.when({ type: 'pool.set', set: { parallelStart: 4, attrs: { 'org.example:rack': 'b12' } } })
}

/** Containers from every source; one download is retried, one creation fails and is undone. */
function created(w: World): void {
  w.when(named('web', 'repositoryTar'), { key: 'd1b7c1f0-key' })
  const retried = { attempt: 1, class: 'transient', message: 'images.example.org: connection reset' } as const
  w.tell(w.stream('web'), { type: 'EffectRetried', intent: pendingOf(w), ...retried })
  w.settle()
  settled(w, named('db', image('tar')), named('mail', 'repositoryZfs'), named('file', 'fileTar', 'shared'))
  settled(w, named('stream', 'fileZfs', 'shared'), named('empty', 'empty'))
  w.when(named('broken', 'fileTar'))
  w.settle({ 'image.unpack': fail('the archive is truncated') })
  w.when(named('second', image('tar', 'debian-13-next')))
  w.settle(({ kind, args }) => {
    const isImage = kind === 'dataset.rename' && 'to' in args && args.to.startsWith('image/')
    return isImage ? { is: 'ok', evidence: { guid: '990099', existing: true } } : undefined
  })
  w.when(named('web', 'empty'))
  w.tell('pool', { type: 'RefusalsSummed', count: 37, code: 'E_CT_EXISTS', since: 1_763_000_100_000 })
}

/** Everything that a running container goes through while its host and the daemon live. */
function lived(w: World): void {
  settled(w, start('web'), start('db'), start('mail'), start('web'))
  w.when(set('web', { autostart: { priority: 10, delay: 5 }, hostname: 'www.example.org' }))
  w.when(set('db', { attrs: { 'org.example:owner': 'alice' } }))
  settled(w, freeze('db'), unfreeze('db'), restart('web'), stop('mail'), start('mail'))
  const session = {
    session: ulid(1, '01HS'),
    how: 'exec',
    program: '/bin/ls',
    actor: { verified: verified },
  } as const
  w.tell(w.stream('web'), { type: 'CtSessionOpened', ...session })
  w.tell(w.stream('web'), { type: 'CtSessionEnded', session: session.session, status: 0 })
  w.tell(w.stream('db'), { type: 'CtExited', run: 'db-run', target: 'reboot', how: 'hook' })
  w.tell(w.stream('db'), { type: 'CtRebooted', run: 'db-run', evidence: evidence(w, 4711) })
  w.when(start('file'))
  const late = pendingOf(w)
  const op = w.get('file').context.op?.id ?? ''
  const request: Fact = { type: 'CancelRequested', actor: { verified }, cli: `osctl op cancel ${op}` }
  w.take([{ stream: w.stream('file'), fact: request, op }])
  w.when(kill('file'))
  w.settle()
  w.answer(late, fail('aborted'))
}
const verified = {
  uid: 0,
  gid: 0,
  pid: 50_001,
  start: 9_100_000,
  loginuid: 1000,
  exe: '/usr/bin/node',
  tty: null,
}

/** The daemon dies in the middle of a start, comes back, and settles what it finds. */
function daemonDied(w: World): void {
  w.when(start('empty'))
  session(w, BOOTS[0])
  open(w, 'daemon-died')
  const stream = w.stream('empty')
  w.tell(stream, { type: 'EffectFenced', intent: pendingOf(w), processes: 2 })
  w.tell(stream, { type: 'EffectInDoubt', intent: pendingOf(w), why: 'the state of empty cannot be told' })
  w.tell(w.stream('web'), { type: 'CtAdopted', run: 'web-again', evidence: evidence(w, 1), frozen: false })
  w.tell(w.stream('mail'), { type: 'CtExited', run: 'mail-run', target: 'crash', how: 'probe' })
  w.tell('pool', { ...ready, type: 'PoolReady', containers: 8, adopted: 1, exited: 1, inDoubt: 1 } as Fact)
  w.tell(stream, { type: 'EffectResumed', intent: pendingOf(w), why: 'op retry' })
  w.settle()
}

/** The log's own: a lost end is given up, an old segment pruned, the format raised, another log's head kept. */
function kept(w: World): void {
  const head = sha256('head')
  w.tell('log', {
    type: 'LogRecovered',
    reason: 'its end is lost: it ends at 7, and its head was once 9',
    from: { seq: 7, hash: head },
    damage: [{ seq: 8, segment: 1, what: 'the hash does not fit the event and the one before' }],
    lost: [{ seq: 9, hash: head }],
    evidence: 'log.damaged-01HF.db',
  })
  w.tell('log', { type: 'SegmentsPruned', segments: [{ segment: 1, first: 1, last: 5, head }] })
  w.tell('log', { type: 'PoolUpgraded', from: 1, to: 2, needs: '0.2.0' })
  const actor = { verified: { uid: 0, gid: 0, pid: 812, start: 1, loginuid: 0, exe: null, tty: null } }
  const far = { pool: 'deep', guid: '77', host: 'node2', seq: 12, hash: head, time: 1_763_000_100_000 }
  w.tell('log', { type: 'HeadKept', ...far, actor })
}

/** Changed by hand: a quota that goes away, one that is repaired, one that is adopted. */
function changedByHand(w: World): void {
  const stream = w.stream('mail')
  const fact = (drift: string): Fact => ({
    type: 'DriftNoticed',
    drift,
    expected: `${drift}=not set`,
    seen: `${drift}=1000`,
    found: { value: '1000' },
  })
  w.tell(stream, fact('quota'))
  w.tell(stream, { type: 'DriftGone', drift: 'quota' })
  w.tell(stream, fact('refquota'), fact('reservation'))
  w.when({ type: 'drift.repair', stream, drift: 'refquota' })
  w.settle()
  w.when({ type: 'drift.adopt', stream, drift: 'reservation' })
}

/** A new segment opens with the whole state of every living stream. */
function sealed(w: World): void {
  const last = w.events.length
  const head = sha256(JSON.stringify(w.events.at(-1)))
  w.record('log', { type: 'SegmentOpened', segment: 2, previous: { segment: 1, first: 1, last, head } })
  for (const [stream, state] of [...w.states]) {
    if (stream !== 'pool' && !exists(w.ct(stream.slice(3)))) continue
    w.record(stream, baselineFact(w, stream, state))
  }
}

function baselineFact(w: World, stream: StreamId, state: AnyState): Fact {
  const baseline = JSON.parse(JSON.stringify(baselineOf(state)))
  return {
    type: 'Baseline',
    of: stream,
    ver: w.version(stream),
    state: baseline,
    stateHash: sha256(text(state)),
  }
}

/** The host dies, boots again, and starts what starts by itself. */
function hostDied(w: World): void {
  session(w, BOOTS[1])
  open(w, 'host-died')
  for (const ctid of ['web', 'db', 'empty']) {
    const run = w.get(ctid).context.run?.name ?? ''
    w.tell(w.stream(ctid), { type: 'CtLost', run, bootId: w.bootId })
  }
  w.tell('pool', { ...ready, type: 'PoolReady', containers: 8, lost: 3 } as Fact)
  w.tell('pool', { type: 'AutostartPlanned', cts: [w.get('web').context.identity?.id ?? ''] })
  w.when(start('web', 'web-boot'), { actor: boot })
  w.settle()
  w.when(start('db', 'db-boot'), { actor: recovery })
  w.settle({ 'lxc.start': fail('container failed to start') })
  w.tell('pool', { type: 'AutostartFinished', result: 'done', failed: [], left: [] })
  w.tell('pool', { type: 'AutostartPlanned', cts: [], off: true })
}

/** Deleted, pruned, exported, uninstalled. */
function ended(w: World): void {
  settled(w, remove('mail'), undelete('mail', 'post'), remove('post'), remove('web', true))
  const names = Object.keys(w.pool().context.trash)
  w.when(prune(names), { actor: { system: 'trash' } })
  w.settle(({ args }) =>
    'dataset' in args && args.dataset === `trash/${names[1]}` ? fail('dataset is busy') : undefined,
  )
  w.when(exportPool())
  const left = [{ ct: w.get('db').context.identity?.id ?? '', why: 'it does not die' }]
  w.tell('pool', { type: 'OperationFinished', result: 'failed', error: 'did not stop: db' })
  w.tell('pool', { type: 'PoolExportFailed', left })
  const { decision } = w.when(exportPool())
  assert.equal(decision.is, 'accepted')
  const op = w.pool().context.op?.id ?? ''
  w.take([
    { stream: 'pool', fact: { type: 'OperationFinished', result: 'done', error: null }, op },
    { stream: 'pool', fact: { type: 'PoolClosed' } },
  ])
  settled(w, { type: 'pool.uninstall' }, install)
  w.tell('pool', opened(BOOTS[1]))
  w.tell('pool', { type: 'PoolClosed' })
}

export function story(): World {
  made = 0
  const w = new World()
  for (const chapter of [installed, created, lived, daemonDied, sealed, kept, changedByHand, hostDied, ended])
    chapter(w)
  return w
}
