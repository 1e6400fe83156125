/**
 * What must hold after every batch, whatever the test is about. The world calls this for each one, so that
 * every test of the machines is also a test of these rules.
 */
import assert from 'node:assert/strict'
import { transition } from 'xstate'
import type { NewEvent } from '../../../src/events/types/envelope.ts'
import { eventSchemas } from '../../../src/events/types/events.ts'
import type { StreamId } from '../../../src/events/types/ids.ts'
import { type IntentKind, intentSchemas } from '../../../src/events/types/intents.ts'
import { readFact } from '../../../src/events/types/upcast.ts'
import type { Advanced } from '../../../src/machines/advance.ts'
import { baselineOf, canonical, ctFromBaseline, poolFromBaseline } from '../../../src/machines/baseline.ts'
import { type CtState, containerMachine } from '../../../src/machines/container/machine.ts'
import { lifeOf } from '../../../src/machines/life.ts'
import { type PoolState, poolMachine } from '../../../src/machines/pool/machine.ts'
import { initial, type Seen, type Stepped, step } from '../../../src/machines/step.ts'

export type AnyState = CtState | PoolState
export type States = Map<StreamId, AnyState>

/** States that wait for nothing, as an admin would say: not the list that `advance` works with. */
const WAITING =
  /^(creating|starting|freezing|thawing|stopping|restarting|deleting|undeleting|installing|uninstalling)/
/** Freezes what a state remembers: a machine that changes it in place then throws. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  Object.freeze(value)
  for (const inner of Object.values(value)) deepFreeze(inner)
  return value
}

export const text = (state: AnyState): string => canonical(baselineOf(state))
export const isPool = (state: AnyState): state is PoolState => 'users' in state.context

const unborn = (stream: StreamId): AnyState =>
  stream === 'pool' ? initial(poolMachine) : initial(containerMachine)

export const stepAny = (state: AnyState, seen: Seen): Stepped<AnyState> =>
  isPool(state) ? step(poolMachine, state, seen) : step(containerMachine, state, seen)

/** The fact of an event as replay sees it: read back from JSON, upcast. */
export function seenOf(event: NewEvent): Seen {
  const reading = readFact({ ...event, data: JSON.parse(JSON.stringify(event.data)) })
  assert.ok(reading.ok, reading.ok ? '' : reading.why)
  return { ...reading.fact, meta: { id: event.id, t: event.t, op: event.op ?? null } }
}

export const restored = (state: AnyState): AnyState => {
  const json = JSON.parse(JSON.stringify(baselineOf(state)))
  return isPool(state) ? poolFromBaseline(json) : ctFromBaseline(json)
}

/** Folds one event onto states, as replay does. Streams without a machine are passed over. */
export function fold(states: States, event: NewEvent): void {
  if (event.stream !== 'pool' && !event.stream.startsWith('ct:')) return
  const before = states.get(event.stream) ?? unborn(event.stream)
  if (event.type === 'Baseline') {
    const { state } = JSON.parse(JSON.stringify(event.data))
    states.set(event.stream, event.stream === 'pool' ? poolFromBaseline(state) : ctFromBaseline(state))
    return
  }
  const { state, handled } = stepAny(before, seenOf(event))
  assert.ok(handled, `replay refuses ${event.type} in ${lifeOf(before)}`)
  states.set(event.stream, state)
}

/** `step` and XState's public `transition` must agree in everything. */
export function assertPublic(before: AnyState, seen: Seen): void {
  const ours = stepAny(before, seen)
  const [next, actions] = isPool(before)
    ? transition(poolMachine, before, seen)
    : transition(containerMachine, before, seen)
  assert.equal(ours.handled, next !== before)
  assert.deepEqual(ours.state.value, next.value)
  assert.deepEqual(ours.state.context, next.context)
  assert.deepEqual([...new Set(actions.map((action) => action.type))], actions.length > 0 ? ['effect'] : [])
  assert.deepEqual(
    ours.wanted,
    actions.map((action) => action.params),
  )
}

/** The event's data fits its schema exactly: no unknown member, and nothing that JSON would change. */
export function assertSchema(event: NewEvent): void {
  const data = JSON.parse(JSON.stringify(event.data))
  const parsed: unknown = eventSchemas[event.type].parse(data)
  assert.equal(canonical(parsed), canonical(data), `${event.type} holds more than its schema`)
  if (event.type === 'EffectIntended') {
    const kind: IntentKind = data.kind
    const args: unknown = intentSchemas[kind].args.parse(data.args)
    assert.equal(canonical(args), canonical(data.args), `arguments of ${kind} hold more than their schema`)
  }
  if (event.type === 'EffectSucceeded' && Object.keys(data.evidence).length > 0) {
    const kind: IntentKind = data.kind
    intentSchemas[kind].evidence.parse(data.evidence)
  }
}

/** Destroys name only what lies in staging or in the trash; what a creation undoes lies in staging. */
function assertOwnGround(event: NewEvent): void {
  if (event.type !== 'EffectIntended') return
  const { kind, args, compensates } = JSON.parse(JSON.stringify(event.data))
  if (kind === 'dataset.destroy')
    assert.match(args.dataset, event.stream === 'pool' ? /^trash\// : /^staging\//)
  if (compensates) assert.match(args.dataset, /^staging\//)
  if (compensates) assert.ok(args.dataset.startsWith(`staging/${event.op}.`), 'another operation is undone')
}

function assertOperation(state: AnyState): void {
  const { op } = state.context
  const life = lifeOf(state)
  const atWork =
    WAITING.test(life) || (isPool(state) && (state.context.pruning.length > 0 || life === 'exporting'))
  if (op && !op.pending)
    assert.ok(atWork && life === 'exporting', `operation ${op.command} never ends in ${life}`)
  if (!op && !isPool(state)) assert.ok(!WAITING.test(life), `${life} without an operation`)
  if (isPool(state)) return
  const { run, identity, dataset } = state.context
  if (['running', 'rebooting', 'freezing', 'frozen', 'thawing'].includes(life))
    assert.ok(run, `${life} without a run`)
  if (['absent', 'creating', 'undeleting', 'stopped', 'gone'].includes(life))
    assert.equal(run, null, `${life} with a run`)
  if (!['absent', 'creating', 'undeleting', 'gone'].includes(life))
    assert.ok(identity && dataset, `${life} without a dataset`)
}

/** Folds a batch from the states before it, checking each transition. */
export function checkBatch(before: States, batch: Advanced): void {
  const states = new Map(before)
  const intended: string[] = []
  for (const event of batch.events) {
    assertSchema(event)
    assertOwnGround(event)
    if (event.stream !== 'pool' && !event.stream.startsWith('ct:')) continue
    const state = states.get(event.stream) ?? unborn(event.stream)
    deepFreeze(state.context)
    const seen = deepFreeze(seenOf(event))
    if (event.type === 'EffectIntended') {
      assert.equal(state.context.op?.pending ?? null, null, 'a second intent while one is pending')
      intended.push(JSON.parse(JSON.stringify(event.data)).intent)
    }
    assertPublic(state, seen)
    const restoredNext = stepAny(restored(state), seen).state
    fold(states, event)
    assert.equal(
      text(restoredNext),
      text(states.get(event.stream) ?? state),
      'a restored state goes another way',
    )
  }
  assert.deepEqual(
    intended,
    batch.requested.map(({ wanted }) => wanted.intent),
    'intents asked for and recorded differ',
  )
  for (const [stream, state] of batch.states) {
    const replayed = states.get(stream)
    assert.ok(replayed)
    assert.equal(text(replayed), text(state), `replay of ${stream} differs`)
    assertOperation(state)
  }
}

/** What holds between a pool and its containers. */
export function checkPool(pool: PoolState, cts: readonly CtState[]): void {
  const { users, idRanges, trash } = pool.context
  const alive = cts.filter((ct) => !['absent', 'gone'].includes(lifeOf(ct)))
  const blocks = Object.values(users)
    .map(({ map }) => map)
    .sort((a, b) => a.first - b.first)
  for (const [i, block] of blocks.entries()) {
    const next = blocks[i + 1]
    if (next) assert.ok(block.first + block.count <= next.first, 'two users hold overlapping ids')
  }
  const names = alive.map((ct) => ct.context.identity?.ctid)
  assert.equal(new Set(names).size, names.length, 'two living containers have one name')
  for (const ct of alive) {
    const user = users[ct.context.identity?.user ?? '']
    assert.ok(user, `the user of ${ct.context.identity?.ctid} is gone`)
    assert.deepEqual(user.map, ct.context.map, 'a container and its user have different ids')
    const range = idRanges[user.range]
    assert.ok(range && user.map.first === range.startId + user.block * range.blockSize)
  }
  const wanted = new Set(alive.map((ct) => ct.context.identity?.user))
  for (const [name, user] of Object.entries(users)) {
    assert.ok(user.standalone || wanted.has(name), `user ${name} outlived its last container`)
  }
  for (const [name, entry] of Object.entries(trash)) {
    const ct = cts.find((one) => one.context.identity?.id === entry.ct)
    assert.ok(
      ct && ['gone', 'undeleting'].includes(lifeOf(ct)),
      `trash holds ${name}, whose container is not gone`,
    )
  }
}
