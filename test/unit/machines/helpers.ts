/**
 * A world for tests of the machines: one pool, its containers, and no host. Ids and clock are counted.
 *
 * given  `world()` with a pool that is ready, and `has(w, 'web')` for a container in it;
 * when   `w.when(command)`, `w.settle()` and `w.answer(intent, outcome)` take it further;
 * then   what they return is told in lines such as `ct EffectIntended lxc.start`.
 * Every batch is checked for all that must always hold (`check.ts`).
 */
import assert from 'node:assert/strict'
import type { EffectKind } from '../../../src/effects/effect.ts'
import { effects } from '../../../src/effects/table.ts'
import type { Actor } from '../../../src/events/types/actor.ts'
import type { NewEvent, StoredEvent } from '../../../src/events/types/envelope.ts'
import type { Fact } from '../../../src/events/types/events.ts'
import type { StreamId, Ulid } from '../../../src/events/types/ids.ts'
import type { FailureClass, IntentKind } from '../../../src/events/types/intents.ts'
import { type Advanced, advance, type Draft, type Requested } from '../../../src/machines/advance.ts'
import { type CtState, containerMachine } from '../../../src/machines/container/machine.ts'
import { type CtCommand, decideCt } from '../../../src/machines/decide/container.ts'
import type { DecideView, Decision } from '../../../src/machines/decide/decision.ts'
import { decideDrift } from '../../../src/machines/decide/drift.ts'
import { decidePool } from '../../../src/machines/decide/pool.ts'
import { exists, isGone } from '../../../src/machines/life.ts'
import { type PoolState, poolMachine } from '../../../src/machines/pool/machine.ts'
import { initial } from '../../../src/machines/step.ts'
import { assertSchema, checkBatch, checkPool, type States } from './check.ts'
import {
  admin,
  argsOf,
  type Command,
  create,
  install,
  type SourceName,
  sources,
  start,
  ulid,
} from './commands.ts'

export const BOOT = '5b0c1d52-7a57-4c34-9d0f-0a6f3f6b1c11'

export type Outcome =
  | { readonly is: 'ok'; readonly evidence?: object }
  | {
      readonly is: 'fail'
      readonly message: string
      readonly class?: FailureClass
      readonly by?: 'run' | 'probe' | 'operator'
    }
export const ok: Outcome = { is: 'ok' }
export const fail = (message: string): Outcome => ({ is: 'fail', message, class: 'permanent' })

export type Answer = (wanted: Requested['wanted']) => Outcome | undefined
export type Told = { readonly events: readonly NewEvent[]; readonly lines: readonly string[] }
export type Decided = Told & { readonly decision: Decision }

const isCt = (command: Command): command is CtCommand => command.type.startsWith('ct.')

/** Digits for a guid that a plan does not know yet: equal placeholders give equal guids. */
const digits = (placeholder: string): string =>
  String([...placeholder].reduce((sum, char) => (sum * 31 + char.charCodeAt(0)) % 1_000_000_007, 7))

/** What a plan may expect (`assume`), its placeholders filled in. */
export function assumed(kind: IntentKind, args: unknown, bootId = BOOT): object {
  const { assume } = effects[kind] as unknown as EffectKind<IntentKind>
  const planned = JSON.stringify(assume(args as never))
  const filled = planned
    .replaceAll('<boot id>', bootId)
    .replaceAll(/<sha256[^>]*>/g, 'a'.repeat(64))
    .replaceAll(/"<(?:pid|start time|bytes|entries|devices)[^>]*>"/g, '7')
    .replaceAll(/<[^>]*>/g, (placeholder) => digits(placeholder + JSON.stringify(args)))
  return JSON.parse(filled)
}

/** One event in a line: the stream's kind, the type, and what tells it from others of its type. */
function line({ stream, type, data }: NewEvent): string {
  const d = data as Record<string, unknown>
  const detail = d['kind'] ?? d['command'] ?? d['result'] ?? d['name'] ?? d['outcome'] ?? d['key']
  const undoes = type === 'EffectIntended' && d['compensates'] ? ' (undo)' : ''
  return [stream.split(':')[0], type, ...(typeof detail === 'string' ? [detail] : [])].join(' ') + undoes
}

export class World implements DecideView {
  readonly events: StoredEvent[] = []
  readonly states: States = new Map()
  readonly pending = new Map<string, Requested>()
  readonly abandoned = new Map<string, Requested>()
  #ids = 0
  #t = 1_763_000_000_000
  #m = 90_000_000
  #session = 0
  readonly #versions = new Map<StreamId, number>()
  bootId = BOOT

  readonly mint = {
    id: (): string => ulid(++this.#ids),
    wall: (): number => (this.#t += 137),
    mono: (): number => (this.#m += 137_042),
  }

  pool(): PoolState {
    return (this.states.get('pool') as PoolState | undefined) ?? initial(poolMachine)
  }

  ct(id: Ulid): CtState {
    return (this.states.get(`ct:${id}`) as CtState | undefined) ?? initial(containerMachine)
  }

  /** Every container that ever was. */
  all(): CtState[] {
    const streams = [...this.states.keys()].filter((stream) => stream.startsWith('ct:'))
    return streams.map((stream) => this.ct(stream.slice(3)))
  }

  cts(): CtState[] {
    return this.all().filter((ct) => !isGone(ct))
  }

  byCtid(ctid: string): CtState | undefined {
    return this.cts().find((ct) => exists(ct) && ct.context.identity?.ctid === ctid)
  }

  /** The living container of this name. */
  get(ctid: string): CtState {
    const ct = this.byCtid(ctid)
    assert.ok(ct, `no container ${ctid}`)
    return ct
  }

  stream(ctid: string): StreamId {
    return `ct:${this.get(ctid).context.identity?.id ?? ''}`
  }

  decide(command: Command, options: { actor?: Actor; key?: string } = {}): Decision {
    const words = command.type.replace('.', ' ')
    const asked = {
      op: this.mint.id(),
      actor: options.actor ?? admin,
      cli: 'ctid' in command ? `osctl ${words} ${command.ctid}` : `osctl ${words}`,
      key: options.key,
      command: command.type,
      args: argsOf(command),
    }
    if ('drift' in command) return decideDrift(this, command, asked)
    return isCt(command) ? decideCt(this, command, asked) : decidePool(this, command, asked)
  }

  /** Decides a command and takes what was decided through the machines. */
  when(command: Command, options: { actor?: Actor; key?: string } = {}): Decided {
    const decision = this.decide(command, options)
    return { ...this.take(decision.drafts), decision }
  }

  /** Facts of one batch. Throws IllegalFact, and is then as it was. */
  take(drafts: readonly Draft[]): Told {
    const batch = advance(this, drafts, this.mint)
    checkBatch(this.states, batch)
    this.#adopt(batch)
    checkPool(this.pool(), this.all())
    return { events: batch.events, lines: batch.events.map(line) }
  }

  tell(stream: StreamId, ...facts: Fact[]): Told {
    return this.take(facts.map((fact) => ({ stream, fact })))
  }

  /** An event that the log writes by itself, past the machines. */
  record(stream: StreamId, { type, ...data }: Fact): void {
    const event = { stream, id: this.mint.id(), type, v: 1, t: this.mint.wall(), m: this.mint.mono(), data }
    assertSchema(event)
    this.#store(event)
  }

  /** The outcome of an intent; of one that nobody awaits any more it is recorded as late. */
  answer(intent: string, outcome: Outcome = ok): Told {
    const requested = this.pending.get(intent)
    const known = requested ?? this.abandoned.get(intent)
    assert.ok(known, `no intent ${intent}`)
    this.pending.delete(intent)
    this.abandoned.delete(intent)
    const { kind, args, compensates } = known.wanted
    const evidence = compensates
      ? {}
      : { ...assumed(kind, args, this.bootId), ...(outcome.is === 'ok' ? outcome.evidence : {}) }
    const fact: Fact =
      outcome.is === 'ok'
        ? { type: 'EffectSucceeded', intent, kind, evidence: evidence as never, by: 'run' }
        : {
            type: 'EffectFailed',
            intent,
            kind,
            class: outcome.class ?? 'permanent',
            message: outcome.message,
            by: outcome.by ?? 'run',
          }
    return this.tell(known.stream, requested ? fact : { type: 'EffectLate', intent, outcome: fact.type })
  }

  /** Answers every pending intent until none is left: as the answers say, else as a plan may expect. */
  settle(answers: Answer | Partial<Record<IntentKind, Outcome>> = {}): Told {
    const events: NewEvent[] = []
    for (let requested = this.next(); requested; requested = this.next()) {
      const { wanted } = requested
      const given =
        typeof answers === 'function' ? answers(wanted) : wanted.compensates ? ok : answers[wanted.kind]
      events.push(...this.answer(wanted.intent, given ?? ok).events)
    }
    return { events, lines: events.map(line) }
  }

  /** The oldest pending intent. */
  next(): Requested | undefined {
    return this.pending.values().next().value
  }

  #store(event: NewEvent): void {
    const seq = this.events.length + 1
    const ver = this.version(event.stream) + 1
    this.#versions.set(event.stream, ver)
    if (event.type === 'SessionOpened') this.#session = seq
    this.events.push({ ...event, seq, ver, s: this.#session })
  }

  version(stream: StreamId): number {
    return this.#versions.get(stream) ?? 0
  }

  /** A world of its own with the same past: states are never changed in place. */
  clone(): World {
    const copy = new World()
    copy.events.push(...this.events)
    for (const [stream, state] of this.states) copy.states.set(stream, state)
    for (const [stream, version] of this.#versions) copy.#versions.set(stream, version)
    for (const [intent, requested] of this.pending) copy.pending.set(intent, requested)
    for (const [intent, requested] of this.abandoned) copy.abandoned.set(intent, requested)
    copy.#ids = this.#ids
    copy.#t = this.#t
    copy.#m = this.#m
    copy.#session = this.#session
    copy.bootId = this.bootId
    return copy
  }

  #adopt(batch: Advanced): void {
    for (const event of batch.events) this.#store(event)
    for (const [stream, state] of batch.states) this.states.set(stream, state)
    for (const requested of batch.requested) this.pending.set(requested.wanted.intent, requested)
    for (const { op } of batch.finished) {
      for (const [intent, requested] of this.pending) {
        if (!intent.startsWith(`${op}.`)) continue
        this.pending.delete(intent)
        this.abandoned.set(intent, requested)
      }
    }
  }
}

export const opened = (bootId = BOOT): Fact => ({
  type: 'PoolOpened',
  pool: 'tank',
  dataset: 'tank',
  bootId,
  previous: 'none',
})
export const ready: Fact = {
  type: 'PoolReady',
  containers: 0,
  adopted: 0,
  lost: 0,
  exited: 0,
  settled: 0,
  inDoubt: 0,
}

const imported = new World()
imported.when(install)
imported.settle()
imported.tell('pool', opened())
imported.tell('pool', ready)

/** A pool that is installed, imported and ready. */
export const world = (): World => imported.clone()

/** A world that has a container, stopped. */
export function has(w: World, ctid: string, source: SourceName = 'pool'): World {
  w.when(create(ctid, sources[source]))
  w.settle()
  return w
}

/** A world that has a container, running. */
export function runs(w: World, ctid: string): World {
  has(w, ctid).when(start(ctid))
  w.settle()
  return w
}

export const ref = (ctid: string, run = `${ctid}-run`) => ({ ctid, run })

/** The refusal of a command, which must be one. */
export function refusal(w: World, command: Command) {
  const { decision } = w.when(command)
  assert.equal(decision.is, 'refused', `${command.type} was not refused`)
  assert.ok(decision.is === 'refused')
  return decision.refusal
}
