/**
 * Plans: for every command that the crash tests know, what `--dry-run` says is what then happens, and saying it
 * changes nothing.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { MethodInput, MethodName } from '../../src/rpc/methods.ts'
import type { Plan } from '../../src/rpc/plan.ts'
import type { Accepted } from '../../src/rpc/results.ts'
import { NOTHING } from './boundary.ts'
import { type Bindings, difference } from './likeness.ts'
import { running, scene } from './scenes.ts'
import { prepared, VERBS, type Verb } from './verbs.ts'
import { LEFT } from './verbs-overtaking.ts'
import { World } from './world.ts'

/** The events of every log, the host's included. */
const logsOf = (world: World): string[] =>
  [world.disks.host(), ...[...world.daemon.pools.keys()].map((name) => world.disks.named(name))].flatMap(
    (disk) => [...disk.rows()].map(({ event }) => JSON.stringify(event)),
  )

async function planOf(world: World, method: MethodName, params: MethodInput<MethodName>): Promise<Plan> {
  const before = { machine: structuredClone(world.machine.state), logs: logsOf(world) }
  const { result } = await world.must(method, { ...params, meta: { dryRun: true } } as never)
  assert.deepEqual(world.machine.state, before.machine, 'the plan changed the host')
  assert.deepEqual(logsOf(world), before.logs, 'the plan was recorded')
  const { plan } = result as Accepted
  assert.ok(plan)
  return plan
}

type Happened = { pool: string; stream: string; type: string; data: unknown }

function happened(world: World, pool: string, after: number): Happened[] {
  return [...world.disks.named(pool).rows()]
    .map(({ event }) => event)
    .filter(({ seq }) => seq > after)
    .map(({ stream, type, data }) => ({ pool, stream, type, data }))
}

const headOf = (world: World): number => world.daemon.pools.get('tank')?.journal.head().seq ?? 0

/** Verbs at whose end no daemon serves the pool. */
const settled = (world: World, verb: Verb): Promise<void> => (verb.closes ? world.pass(0) : world.settle())

/** Verbs whose plan is another one than what the model then does, by chance and not by fault. */
const expectsOtherwise = (verb: Verb): boolean => verb.name === 'ct stop, init does not react'

async function compare(verb: Verb): Promise<void> {
  const world = new World({ seed: 7n, from: await prepared(verb) })
  await world.boot()
  await world.settle()
  const plan = await planOf(world, verb.method, verb.params)
  assert.equal(plan.refusal, null)
  const head = headOf(world)
  await world.must(verb.method, verb.params as never)
  await settled(world, verb)
  const all = happened(world, 'tank', head)
  // What goes on in the background has a note in the plan.
  const real = verb.begins ? all.slice(0, plan.events.length) : all
  if (verb.begins) assert.deepEqual(plan.notes.slice(-1), [verb.begins])
  const inOrder = (types: readonly string[]): readonly string[] => (verb.closes ? [...types].sort() : types)
  assert.deepEqual(inOrder(plan.events.map(({ type }) => type)), inOrder(real.map(({ type }) => type)))
  // Containers stop side by side, and are planned one after another.
  if (verb.closes) return
  const known: Bindings = new Map()
  for (const [index, { pool, stream, type, data }] of plan.events.entries()) {
    const found = difference({ pool, stream, type, data }, real[index], known)
    if (expectsOtherwise(verb) && found?.includes('.how:')) continue
    assert.equal(found, null, `event ${index + 1}, ${type}: ${found}`)
  }
  const intents = real
    .filter(({ type }) => type === 'EffectIntended')
    .map(({ data }) => data as { kind: string })
  assert.deepEqual(
    plan.effects.map(({ kind }) => kind),
    intents.map(({ kind }) => kind),
  )
  for (const effect of plan.effects) assert.ok(effect.actions.length > 0, `${effect.kind} does nothing`)
}

describe('what is planned is what then happens', () => {
  for (const verb of [...VERBS, ...LEFT.filter(({ method }) => method !== 'pool.install')]) {
    it(verb.name, () => compare(verb))
  }
})

describe('the plan of a pool that is not imported', () => {
  const exported = async (): Promise<World> => {
    const world = await scene()
    await running(world, 'web', 'auto')
    await world.must('ct.set', { id: 'auto', set: { autostart: { priority: 1, delay: 0 } } })
    await world.must('pool.export', { name: 'tank', force: true })
    return world
  }
  const compared = async (
    world: World,
    method: MethodName,
    params: MethodInput<MethodName>,
  ): Promise<Plan> => {
    const rows = () => [...world.disks.named('tank').rows()].map(({ event }) => event)
    const before = rows().length
    const plan = await planOf(world, method, params)
    assert.equal(rows().length, before)
    await world.must(method, params as never)
    const real = rows().slice(before)
    const known: Bindings = new Map()
    for (const [index, { stream, type, data }] of plan.events.entries()) {
      const { stream: onStream, type: ofType, data: with_ } = real[index] ?? {}
      assert.equal(
        difference({ stream, type, data }, { stream: onStream, type: ofType, data: with_ }, known),
        null,
      )
    }
    return plan
  }

  it('is read off its log: an import, and what would start by itself', async () => {
    const world = await exported()
    const plan = await compared(world, 'pool.import', { name: 'tank' })
    assert.deepEqual(plan.notes, ['then start by themselves, at most 8 at a time: auto'])
    assert.ok(plan.derived.some(({ text }) => text.includes('/run/osctl/pools/tank')))
  })

  it('an uninstallation', async () => {
    const plan = await compared(await exported(), 'pool.uninstall', { name: 'tank' })
    assert.ok(plan.effects[0]?.actions.some(({ argv }) => argv?.includes('org.vpsadminos.osctl:active=no')))
  })

  it('and the refusals of what cannot be done to it', async () => {
    const world = await exported()
    assert.equal((await planOf(world, 'pool.install', { name: 'tank' })).refusal?.code, 'E_POOL_EXISTS')
    assert.equal((await planOf(world, 'pool.import', { name: 'moon' })).refusal?.code, 'E_POOL_NOT_FOUND')
    assert.equal((await planOf(world, 'pool.export', { name: 'tank' })).refusal?.code, 'E_POOL_NOT_FOUND')
    await world.must('pool.import', { name: 'tank' })
    await world.settle()
    assert.equal((await planOf(world, 'pool.uninstall', { name: 'tank' })).refusal?.code, 'E_POOL_IMPORTED')
    assert.equal((await planOf(world, 'pool.export', { name: 'tank' })).refusal?.code, 'E_POOL_RUNNING')
    const shutdown = await planOf(world, 'shutdown', {})
    assert.equal(shutdown.result, 'done')
    assert.ok(shutdown.effects.some(({ kind, target }) => kind === 'lxc.stop' && target === 'auto'))
  })
})

describe('the plan of what settles an operation in doubt', () => {
  const inDoubt = async (): Promise<{ world: World; op: string }> => {
    const world = await scene()
    await world.must('ct.new', { id: 'web', distribution: 'busybox' })
    let hasFailed = false
    world.plan = ({ what, phase }) => {
      if (phase !== 'before') return NOTHING
      if (what === 'lxc.start') hasFailed = true
      if (what === 'lxc.start') return { do: 'error', code: 'E_FAILED', failure: 'permanent' }
      return hasFailed && what === 'lxc.inspect' ? { do: 'fail' } : NOTHING
    }
    const { error } = await world.call('ct.start', { id: 'web' })
    world.plan = () => NOTHING
    assert.equal(error?.kind, 'in-doubt', error?.message)
    return { world, op: error?.op ?? '' }
  }

  it('probes the host now, and goes on to the end', async () => {
    const { world, op } = await inDoubt()
    const plan = await planOf(world, 'op.retry', { op })
    assert.deepEqual(
      plan.events.map(({ type }) => type),
      ['EffectResumed', 'EffectSucceeded', 'OperationFinished'],
    )
    assert.deepEqual(
      plan.effects.map(({ kind }) => kind),
      ['lxc.start'],
    )
    assert.match(plan.notes[0] ?? '', /killed first/)
    const head = headOf(world)
    await world.must('op.retry', { op })
    assert.deepEqual(
      happened(world, 'tank', head).map(({ type }) => type),
      plan.events.map(({ type }) => type),
    )
  })

  it('tells the end that an admin says', async () => {
    const { world, op } = await inDoubt()
    const plan = await planOf(world, 'op.resolve', { op, as: 'failed' })
    assert.deepEqual(
      plan.events.map(({ type }) => type),
      ['EffectFailed', 'OperationFinished'],
    )
    assert.equal((await planOf(world, 'op.resolve', { op, as: 'done' })).refusal?.code, 'E_NOT_DONE')
    assert.equal((await planOf(world, 'op.retry', { op: 'nobody' })).refusal?.code, 'E_OP_NOT_FOUND')
  })
})

describe('a plan', () => {
  it('says why the command would be refused, and that is recorded nowhere', async () => {
    const world = await scene()
    await running(world, 'web')
    const plan = await planOf(world, 'ct.delete', { id: 'web' })
    const { error } = await world.call('ct.delete', { id: 'web' })
    assert.equal(plan.result, null)
    assert.equal(plan.refusal?.message, error?.message)
    assert.equal(plan.refusal?.code, error?.code)
    assert.deepEqual(plan.refusal?.possible, error?.possible)
    assert.deepEqual(
      plan.events.map(({ type }) => type),
      ['CommandRefused'],
    )
    assert.deepEqual(plan.effects, [])
    const unknown = await planOf(world, 'ct.start', { id: 'nobody' })
    assert.equal(unknown.refusal?.kind, 'not-found')
    const noImage = await planOf(world, 'ct.new', { id: 'new', distribution: 'plan9' })
    assert.equal(noImage.refusal?.kind, 'not-found')
    assert.match(noImage.refusal?.message ?? '', /image not found/)
  })

  it('of what is so already has no effects', async () => {
    const world = await scene()
    await running(world, 'web')
    const plan = await planOf(world, 'ct.start', { id: 'web' })
    assert.equal(plan.result, 'no change')
    assert.deepEqual(plan.effects, [])
    assert.deepEqual(plan.notes, ['the container is running'])
  })

  it('of a command whose key was used says so, and takes no key itself', async () => {
    const world = await scene()
    const meta = { key: 'the-key-of-it', dryRun: true }
    const params = { id: 'web', distribution: 'busybox' }
    assert.equal((await planOf(world, 'ct.new', params)).result, 'done')
    await world.must('ct.new', { ...params, meta })
    const { operation } = await world.must('ct.new', { ...params, meta: { key: 'the-key-of-it' } })
    const { result } = await world.must('ct.new', { ...params, meta })
    const { plan } = result as Accepted
    assert.equal(plan?.result, 'known')
    assert.ok(plan?.notes[0]?.includes(operation ?? '?'))
  })

  it('tells the way that it expects where the way forks, and what a failure would undo', async () => {
    const world = await scene()
    const fresh = await planOf(world, 'ct.new', { id: 'web', distribution: 'debian' })
    assert.match(fresh.branches[0]?.expected ?? '', /^no: it is fetched/)
    const publish = fresh.effects.find(({ branches }) => branches.length > 0)
    assert.equal(publish?.kind, 'dataset.rename')
    assert.match(publish?.branches[0]?.otherwise ?? '', /^yes: dataset\.destroy, dataset\.clone/)
    assert.match(fresh.effects.at(-1)?.fails ?? '', /steps \d, \d undone, the container is gone$/)
    await world.must('ct.new', { id: 'other', distribution: 'debian' })
    const again = await planOf(world, 'ct.new', { id: 'web', distribution: 'debian' })
    assert.match(again.branches[0]?.expected ?? '', /^yes: it is cloned/)
    assert.deepEqual(
      again.effects.map(({ kind }) => kind),
      ['dataset.clone', 'dataset.rename'],
    )
  })

  it('of a kill names the operation that it would give up', async () => {
    const world = await scene()
    await running(world, 'web')
    world.plan = ({ what, phase }) => (what === 'lxc.stop' && phase === 'before' ? { do: 'hang' } : NOTHING)
    const stop = world.send('ct.stop', { id: 'web' })
    await world.wait(() => stop.operation !== null, 'not accepted')
    const plan = await planOf(world, 'ct.stop', { id: 'web', mode: 'kill' })
    assert.ok(plan.notes[0]?.includes(stop.operation ?? '?'), plan.notes[0])
  })

  it('is refused for what has none, instead of doing it', async () => {
    const world = await scene()
    await running(world, 'web')
    const { error } = await world.call('ct.exec', { id: 'web', program: 'sh', meta: { dryRun: true } })
    assert.equal(error?.code, 'E_NO_PLAN')
  })
})
