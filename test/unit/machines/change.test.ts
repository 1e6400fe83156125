/** Settings, deletion, and operations that are in doubt, retried or resolved. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Fact } from '../../../src/events/types/events.ts'
import { lifeOf, phaseOf } from '../../../src/machines/life.ts'
import { IllegalFact } from '../../../src/machines/step.ts'
import { create, freeze, kill, prune, remove, set, sources, start, stop } from './commands.ts'
import { fail, has, ok, refusal, runs, type World, world } from './helpers.ts'

const state = (w: World) => phaseOf(w.get('web'))
const settings = (w: World) => phaseOf(w.get('web'), 'settings')
const intentOf = (w: World): string => w.next()?.wanted.intent ?? ''

describe('set', () => {
  test('is done at once, and records what was before', () => {
    const w = has(world(), 'web')
    w.when(set('web', { hostname: 'one', attrs: { 'org.example:a': '1' } }))
    const { lines, events } = w.when(set('web', { hostname: 'two', attrs: { 'org.example:a': null } }))
    assert.deepEqual(lines, ['ct CommandAccepted ct.set', 'ct CtConfigSet', 'ct OperationFinished done'])
    assert.deepEqual(events[1]?.data, {
      set: { hostname: 'two', attrs: { 'org.example:a': null } },
      old: { hostname: 'one', attrs: { 'org.example:a': '1' } },
    })
    assert.deepEqual(w.get('web').context.settings, { autostart: null, hostname: 'two', attrs: {} })
  })

  test('of what is so already is nothing to do', () => {
    const w = has(world(), 'web')
    const same = { autostart: { priority: 10, delay: 5 }, hostname: 'web', attrs: { 'org.example:a': '1' } }
    assert.equal(w.when(set('web', same)).decision.is, 'accepted')
    assert.equal(w.when(set('web', same)).decision.is, 'noop')
    assert.equal(w.when(set('web', { attrs: { 'org.example:none': null } })).decision.is, 'noop')
    assert.equal(w.when(set('web', {})).decision.is, 'noop')
    assert.equal(w.when(set('web', { autostart: { priority: 11, delay: 5 } })).decision.is, 'accepted')
    assert.equal(w.when(set('web', { autostart: null })).decision.is, 'accepted')
  })

  test('of a running container asks for a restart, of a stopped one it does not', () => {
    const w = runs(has(world(), 'idle'), 'web')
    w.when(set('idle', { hostname: 'new' }))
    assert.equal(phaseOf(w.get('idle'), 'settings'), 'declared/inSync')
    w.when(set('web', { hostname: 'new' }))
    assert.equal(settings(w), 'declared/restartNeeded')
    w.when(set('web', { hostname: 'newer' }))
    assert.equal(settings(w), 'declared/restartNeeded')
    w.when(stop('web'))
    w.settle()
    assert.equal(settings(w), 'declared/inSync')
  })

  test('waits for an operation under way', () => {
    const w = world()
    w.when(create('web'))
    assert.equal(refusal(w, set('web', { hostname: 'new' })).code, 'E_BUSY')
  })
})

describe('delete', () => {
  test('of a stopped container puts its dataset into the trash and frees its user', () => {
    const w = has(world(), 'web')
    const guid = w.get('web').context.dataset
    assert.equal(w.when(remove('web')).lines.at(-1), 'ct EffectIntended dataset.trash')
    const op = w.get('web').context.op?.id
    assert.deepEqual(w.next()?.wanted.args, { from: 'ct/web', to: `trash/web.${op}`, guid })
    assert.deepEqual(w.settle().lines, [
      'ct EffectSucceeded dataset.trash',
      `pool TrashAdded web.${op}`,
      'pool UserDeleted web',
      'ct OperationFinished done',
    ])
    assert.equal(w.byCtid('web'), undefined)
    assert.equal(w.pool().context.trash[`web.${op}`]?.guid, guid)
  })

  test('of a running or frozen container is refused without force', () => {
    const w = runs(world(), 'web')
    assert.equal(
      refusal(w, remove('web')).message,
      'the container is running, use -f to stop and delete it (state: running; possible: stop, restart, freeze, del -f, set)',
    )
    w.when(freeze('web'))
    w.settle()
    assert.equal(refusal(w, remove('web')).code, 'E_CT_RUNNING')
  })

  test('with force kills it first', () => {
    const w = runs(world(), 'web')
    w.when(remove('web', true))
    assert.equal(state(w), 'deleting/stopping')
    w.answer(intentOf(w))
    assert.equal(state(w), 'deleting/trashing')
    assert.equal(w.settle().lines.at(-1), 'ct OperationFinished done')
    assert.equal(lifeOf(w.all()[0] ?? w.ct('')), 'gone')
  })

  test('that cannot kill it leaves it as it was, to be killed and deleted later', () => {
    for (const wasFrozen of [false, true]) {
      const w = runs(world(), 'web')
      if (wasFrozen) w.when(freeze('web'))
      w.settle()
      w.when(remove('web', true))
      w.settle({ 'lxc.stop': fail('Unable to kill or cleanup') })
      assert.equal(state(w), wasFrozen ? 'frozen' : 'running')
      w.when(remove('web', true))
      w.settle()
      assert.equal(w.byCtid('web'), undefined)
    }
  })

  test('that cannot reach the trash leaves it stopped, with its user', () => {
    const w = runs(world(), 'web')
    w.when(remove('web', true))
    const told = w.settle({ 'dataset.trash': fail('dataset is busy') })
    assert.equal(told.lines.at(-1), 'ct OperationFinished failed')
    assert.equal(state(w), 'stopped')
    assert.ok(w.pool().context.users['web'])
    assert.deepEqual(w.pool().context.trash, {})
  })

  test('and create again under one name are two histories', () => {
    const w = has(world(), 'web')
    w.when(remove('web'))
    w.settle()
    has(w, 'web')
    assert.deepEqual(w.all().map(lifeOf), ['gone', 'stopped'])
    w.when(remove('web'))
    w.settle()
    assert.equal(Object.keys(w.pool().context.trash).length, 2)
  })

  test('is forgotten by the pool once the trash is emptied', () => {
    const w = has(world(), 'web')
    w.when(remove('web'))
    w.settle()
    w.when(prune(Object.keys(w.pool().context.trash)))
    w.settle()
    assert.deepEqual(w.pool().context.trash, {})
    assert.equal(refusal(w, start('web')).message, 'container not found')
  })
})

describe('an intent in doubt', () => {
  const doubtful = (): World => {
    const w = world()
    w.when(create('web', sources.fileTar))
    w.answer(intentOf(w))
    w.tell(w.stream('web'), {
      type: 'EffectInDoubt',
      intent: intentOf(w),
      why: 'its cgroup cannot be emptied',
    })
    return w
  }

  test('holds the container and says so', () => {
    const w = doubtful()
    assert.equal(phaseOf(w.get('web'), 'op'), 'inDoubt')
    const { message } = refusal(w, start('web'))
    assert.match(
      message,
      /^container tank:web is held by 'ct.create, in doubt since: its cgroup cannot be emptied' \(see osctl op show /,
    )
  })

  test('is resumed by retry and goes on where it was', () => {
    const w = doubtful()
    w.tell(w.stream('web'), { type: 'EffectResumed', intent: intentOf(w), why: 'op retry' })
    assert.equal(phaseOf(w.get('web'), 'op'), 'working')
    assert.equal(w.get('web').context.op?.pending?.inDoubt, null)
    w.settle()
    assert.equal(state(w), 'stopped')
  })

  test('is resolved as done by the operator, and the next step follows', () => {
    const w = doubtful()
    const evidence = { entries: 1, bytes: 2, skippedDevices: 0 }
    const fact: Fact = {
      type: 'EffectSucceeded',
      intent: intentOf(w),
      kind: 'image.unpack',
      evidence,
      by: 'operator',
    }
    assert.deepEqual(w.tell(w.stream('web'), fact).lines, [
      'ct EffectSucceeded image.unpack',
      'ct EffectIntended dataset.rename',
    ])
  })

  test('is resolved as failed by the operator, and the creation is undone', () => {
    const w = doubtful()
    const fact: Fact = {
      type: 'EffectFailed',
      intent: intentOf(w),
      kind: 'image.unpack',
      class: 'permanent',
      message: 'given up',
      by: 'operator',
    }
    assert.equal(w.tell(w.stream('web'), fact).lines.at(-1), 'ct EffectIntended dataset.create (undo)')
    w.pending.clear()
  })

  test('may be doubted again for another reason', () => {
    const w = doubtful()
    w.tell(w.stream('web'), { type: 'EffectInDoubt', intent: intentOf(w), why: 'no answer from the host' })
    assert.equal(w.get('web').context.op?.pending?.inDoubt, 'no answer from the host')
  })

  test('of a compensation is settled in the same ways', () => {
    const w = world()
    w.when(create('web', sources.empty))
    w.answer(intentOf(w))
    w.answer(intentOf(w), fail('the name is taken'))
    w.tell(w.stream('web'), { type: 'EffectInDoubt', intent: intentOf(w), why: 'busy' })
    w.tell(w.stream('web'), { type: 'EffectResumed', intent: intentOf(w), why: 'op retry' })
    assert.equal(w.settle().lines.at(-1), 'ct OperationFinished undone')
  })

  test('counts attempts, keeps the intent open, and records the fence', () => {
    const w = has(world(), 'web')
    w.when(start('web'))
    const intent = intentOf(w)
    w.tell(w.stream('web'), { type: 'EffectFenced', intent, processes: 2 })
    w.tell(w.stream('web'), {
      type: 'EffectRetried',
      intent,
      attempt: 1,
      class: 'transient',
      message: 'busy',
    })
    w.tell(w.stream('web'), {
      type: 'EffectRetried',
      intent,
      attempt: 2,
      class: 'transient',
      message: 'busy',
    })
    assert.equal(w.get('web').context.op?.pending?.attempts, 3)
    w.settle()
    assert.equal(state(w), 'running')
  })

  test('is never settled by facts about another intent', () => {
    const w = doubtful()
    const foreign = `${intentOf(w).split('.')[0]}.9`
    const facts: Fact[] = [
      { type: 'EffectSucceeded', intent: foreign, kind: 'image.unpack', evidence: {}, by: 'run' },
      {
        type: 'EffectFailed',
        intent: foreign,
        kind: 'image.unpack',
        class: 'permanent',
        message: '',
        by: 'run',
      },
      { type: 'EffectResumed', intent: foreign, why: '' },
      { type: 'EffectInDoubt', intent: foreign, why: '' },
      { type: 'EffectRetried', intent: foreign, attempt: 1, class: 'transient', message: '' },
    ]
    for (const fact of facts) assert.throws(() => w.tell(w.stream('web'), fact), IllegalFact, fact.type)
  })

  test('takes no second intent', () => {
    const w = has(world(), 'web')
    w.when(start('web'))
    const intent = `${w.get('web').context.op?.id}.2`
    const second: Fact = { type: 'EffectIntended', intent, kind: 'lxc.stop', args: {}, compensates: null }
    assert.throws(() => w.tell(w.stream('web'), second), IllegalFact)
  })

  test('takes no second operation', () => {
    const w = doubtful()
    const { drafts } = w.decide(create('other'))
    const [first] = drafts
    assert.ok(first)
    assert.throws(() => w.take([{ ...first, stream: w.stream('web') }]), IllegalFact)
    assert.equal(refusal(w, kill('web')).code, 'E_BUSY')
  })
})

test('a batch that is refused leaves the world as it was', () => {
  const w = has(world(), 'web')
  const events = w.events.length
  const before = w.get('web')
  assert.throws(
    () =>
      w.tell(
        w.stream('web'),
        { type: 'CtConfigSet', set: { hostname: 'new' }, old: {} },
        { type: 'CtThawRequested' },
      ),
    IllegalFact,
  )
  assert.equal(w.events.length, events)
  assert.equal(w.get('web'), before)
})

test('one operation follows another without a trace of the first', () => {
  const w = has(world(), 'web')
  for (let i = 0; i < 3; i++) {
    w.when(start('web', `run${i}`))
    assert.equal(w.settle(() => ok).lines.at(-1), 'ct OperationFinished done')
    w.when(kill('web'))
    w.settle()
  }
  const { op, run, nextRun, stop: asked, staging } = w.get('web').context
  assert.deepEqual(
    { op, run, nextRun, asked, staging },
    { op: null, run: null, nextRun: null, asked: null, staging: null },
  )
})
