/** Starting, stopping, restarting, freezing; what containers do by themselves; what overtakes what. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Fact } from '../../../src/events/types/events.ts'
import { lifeOf, phaseOf } from '../../../src/machines/life.ts'
import { IllegalFact } from '../../../src/machines/step.ts'
import { create, freeze, kill, remove, restart, set, start, stop, unfreeze } from './commands.ts'
import { BOOT, fail, has, type Outcome, refusal, runs, type World, world } from './helpers.ts'

const evidence = (initPid: number, bootId = BOOT) => ({ initPid, startTime: initPid * 100, bootId })
const state = (w: World) => phaseOf(w.get('web'))
const frozen = (w = runs(world(), 'web')): World => {
  w.when(freeze('web'))
  w.settle()
  return w
}
/** An argument of the pending intent. */
const asked = (w: World, name: string): unknown =>
  Object.entries(w.next()?.wanted.args ?? {}).find(([key]) => key === name)?.[1]
const finish = (w: World, answers: Parameters<World['settle']>[0] = {}) => w.settle(answers).lines.at(-1)
const exited = (target: 'stop' | 'reboot' | 'crash', run = 'web-run'): Fact => ({
  type: 'CtExited',
  run,
  target,
  how: 'hook',
})
const rebooted: Fact = { type: 'CtRebooted', run: 'web-run', evidence: evidence(55) }
const lost: Fact = { type: 'CtLost', run: 'web-run', bootId: BOOT }

describe('start', () => {
  test('asks for lxc.start and records the init that runs', () => {
    const w = has(world(), 'web')
    assert.deepEqual(w.when(start('web')).lines, [
      'ct CommandAccepted ct.start',
      'ct CtStartRequested',
      'ct EffectIntended lxc.start',
    ])
    assert.equal(state(w), 'starting')
    assert.deepEqual(w.settle({ 'lxc.start': { is: 'ok', evidence: evidence(77) } }).lines, [
      'ct EffectSucceeded lxc.start',
      'ct OperationFinished done',
    ])
    assert.deepEqual(w.get('web').context.run?.evidence, evidence(77))
  })

  test('of a running container is nothing to do', () => {
    const { decision, lines } = runs(world(), 'web').when(start('web'))
    assert.equal(decision.is, 'noop')
    assert.deepEqual(lines, ['ct CommandNoop ct.start'])
  })

  test('that fails leaves it stopped', () => {
    const w = has(world(), 'web')
    w.when(start('web'))
    assert.equal(finish(w, { 'lxc.start': fail('container failed to start') }), 'ct OperationFinished failed')
    assert.equal(state(w), 'stopped')
    assert.equal(w.get('web').context.nextRun, null)
  })

  test('of a frozen container is refused, and so it is when a restart is needed', () => {
    const w = frozen()
    const text = 'start not available (state: frozen; possible: stop, unfreeze, del -f, set)'
    assert.equal(refusal(w, start('web')).message, text)
    w.when(set('web', { hostname: 'new' }))
    assert.equal(refusal(w, start('web')).message, text)
    assert.equal(refusal(w, restart('web')).code, 'E_CT_STATE')
  })
})

describe('stop', () => {
  for (const mode of ['stop', 'shutdown', 'kill'] as const) {
    test(`in mode ${mode} asks for just that`, () => {
      const w = runs(world(), 'web')
      w.when(stop('web', mode))
      assert.equal(state(w), 'stopping')
      assert.equal(asked(w, 'mode'), mode)
      assert.equal(finish(w), 'ct OperationFinished done')
      assert.equal(state(w), 'stopped')
      assert.equal(w.get('web').context.lastExit?.target, 'stop')
    })
  }

  test('of a stopped container is nothing to do', () => {
    assert.equal(has(world(), 'web').when(stop('web')).decision.is, 'noop')
  })

  test('of a frozen container kills it, unless only a shutdown will do', () => {
    const w = frozen()
    const text =
      'The container is frozen, unable to shutdown (state: frozen; possible: stop, unfreeze, del -f, set)'
    assert.equal(refusal(w, stop('web', 'shutdown')).message, text)
    w.when(stop('web'))
    assert.equal(asked(w, 'mode'), 'kill')
    finish(w)
    assert.equal(state(w), 'stopped')
  })

  test('that fails leaves it running, or frozen when it was', () => {
    const w = runs(world(), 'web')
    w.when(stop('web', 'shutdown'))
    assert.equal(finish(w, { 'lxc.stop': fail('timed out') }), 'ct OperationFinished failed')
    assert.equal(state(w), 'running')
    assert.equal(w.get('web').context.stop, null)
    frozen(w).when(kill('web'))
    finish(w, { 'lxc.stop': fail('Unable to kill or cleanup') })
    assert.equal(state(w), 'frozen')
  })
})

describe('restart', () => {
  test('stops and starts with a new run', () => {
    const w = runs(world(), 'web')
    w.when(restart('web', 'second'))
    assert.equal(state(w), 'restarting')
    const { lines } = w.settle()
    assert.deepEqual(lines, [
      'ct EffectSucceeded lxc.stop',
      'ct EffectIntended lxc.start',
      'ct EffectSucceeded lxc.start',
      'ct OperationFinished done',
    ])
    assert.equal(w.get('web').context.run?.name, 'second')
    assert.equal(w.get('web').context.stop, null)
  })

  test('of a stopped container starts it', () => {
    const w = has(world(), 'web')
    w.when(restart('web'))
    finish(w)
    assert.equal(state(w), 'running')
    assert.equal(w.get('web').context.stop, null)
  })

  test('that cannot stop it leaves the first run running, and what needed the restart needs it still', () => {
    const w = runs(world(), 'web')
    w.when(set('web', { hostname: 'new' }))
    w.when(restart('web'))
    finish(w, { 'lxc.stop': fail('timed out') })
    assert.equal(state(w), 'running')
    assert.equal(w.get('web').context.run?.name, 'web-run')
    assert.equal(w.get('web').context.nextRun, null)
    assert.equal(phaseOf(w.get('web'), 'settings'), 'declared/restartNeeded')
  })

  test('that cannot start it again leaves it stopped', () => {
    const w = runs(world(), 'web')
    w.when(restart('web'))
    finish(w, { 'lxc.start': fail('container failed to start') })
    assert.equal(state(w), 'stopped')
  })
})

describe('freeze', () => {
  test('and unfreeze go there and back', () => {
    const w = frozen()
    assert.equal(state(w), 'frozen')
    assert.equal(w.when(freeze('web')).decision.is, 'noop')
    w.when(unfreeze('web'))
    assert.equal(finish(w), 'ct OperationFinished done')
    assert.equal(state(w), 'running')
    assert.equal(w.when(unfreeze('web')).decision.is, 'noop')
  })

  test('that fails changes nothing', () => {
    const w = runs(world(), 'web')
    w.when(freeze('web'))
    finish(w, { 'lxc.freeze': fail('timed out') })
    assert.equal(state(w), 'running')
    frozen(w).when(unfreeze('web'))
    finish(w, { 'lxc.thaw': fail('timed out') })
    assert.equal(state(w), 'frozen')
  })

  test('is refused for a stopped container', () => {
    const w = has(world(), 'web')
    const tail = ' (state: stopped; possible: start, restart, del, set)'
    assert.equal(refusal(w, freeze('web')).message, `container not running${tail}`)
    assert.equal(refusal(w, unfreeze('web')).message, `container not running${tail}`)
  })
})

describe('kill overtakes', () => {
  const busy: [string, (w: World) => unknown][] = [
    ['starting', (w) => has(w, 'web').when(start('web'))],
    ['stopping', (w) => runs(w, 'web').when(stop('web'))],
    ['restarting', (w) => runs(w, 'web').when(restart('web'))],
    ['freezing', (w) => runs(w, 'web').when(freeze('web'))],
    ['thawing', (w) => frozen(runs(w, 'web')).when(unfreeze('web'))],
  ]
  for (const [phase, given] of busy) {
    test(`${phase}: the old operation ends as failed, its late outcome is without consequence`, () => {
      const w = world()
      given(w)
      assert.equal(state(w), phase)
      const late = w.next()?.wanted
      const told = w.when(kill('web'))
      assert.deepEqual(told.lines, [
        'ct OperationFinished failed',
        'ct CommandAccepted ct.stop',
        'ct CtStopRequested',
        'ct EffectIntended lxc.stop',
      ])
      assert.deepEqual(told.events[0]?.data, { result: 'failed', error: "superseded by 'osctl ct stop web'" })
      assert.equal(told.events[0]?.op, late?.intent.split('.')[0])
      assert.equal(told.events[1]?.op, w.get('web').context.op?.id)
      const before = w.get('web').context
      assert.deepEqual(w.answer(late?.intent ?? '').lines, ['ct EffectLate EffectSucceeded'])
      assert.deepEqual(w.get('web').context, before)
      assert.equal(finish(w), 'ct OperationFinished done')
      assert.equal(state(w), 'stopped')
      assert.equal(w.get('web').context.nextRun, null)
    })

    test(`${phase}: an outcome of the old operation that is not marked as late is illegal`, () => {
      const w = world()
      given(w)
      const late = w.next()?.wanted
      assert.ok(late)
      w.when(kill('web'))
      const outcome: Fact = {
        type: 'EffectSucceeded',
        intent: late.intent,
        kind: late.kind,
        evidence: {},
        by: 'run',
      }
      assert.throws(() => w.tell(w.stream('web'), outcome), IllegalFact)
    })

    test(`${phase}: and when the kill fails, the container can be killed again`, () => {
      const w = world()
      given(w)
      w.when(kill('web'))
      finish(w, { 'lxc.stop': fail('Unable to kill or cleanup') })
      w.when(kill('web'))
      assert.equal(asked(w, 'run'), 'web-run')
      finish(w)
      assert.equal(state(w), 'stopped')
    })
  }

  test('even an operation that is in doubt', () => {
    const w = has(world(), 'web')
    w.when(start('web'))
    const intent = w.next()?.wanted.intent ?? ''
    w.tell(w.stream('web'), { type: 'EffectInDoubt', intent, why: 'no answer' })
    w.when(kill('web'))
    assert.equal(finish(w), 'ct OperationFinished done')
  })

  test('nothing where no run can be: creating and deleting', () => {
    const w = world()
    w.when(create('web'))
    const { code, message } = refusal(w, kill('web'))
    assert.equal(code, 'E_BUSY')
    assert.match(message, / \(state: creating\/cloning; possible: nothing until the operation ends\)$/)
    w.settle()
    w.when(remove('web'))
    assert.equal(refusal(w, kill('web')).code, 'E_BUSY')
  })

  test('but a plain stop waits like any other command', () => {
    const w = has(world(), 'web')
    w.when(start('web'))
    const { code, message } = refusal(w, stop('web'))
    assert.equal(code, 'E_BUSY')
    assert.match(
      message,
      /^container tank:web is held by 'ct.start' \(osctl op show 01HF\w+\) \(state: starting; possible: stop --kill\)$/,
    )
  })
})

describe('by itself a container', () => {
  for (const target of ['stop', 'crash'] as const) {
    test(`ends (${target}) and is stopped`, () => {
      const w = runs(world(), 'web')
      assert.deepEqual(w.tell(w.stream('web'), exited(target)).lines, ['ct CtExited'])
      assert.equal(state(w), 'stopped')
      assert.equal(w.get('web').context.lastExit?.target, target)
    })
  }

  test('reboots: the same run with a new init', () => {
    const w = runs(world(), 'web')
    w.tell(w.stream('web'), exited('reboot'))
    assert.equal(state(w), 'rebooting')
    w.tell(w.stream('web'), rebooted)
    assert.equal(state(w), 'running')
    assert.equal(w.get('web').context.run?.name, 'web-run')
    assert.equal(w.get('web').context.run?.evidence?.initPid, 55)
  })

  test('reboots and runs what it was started with: new settings go on needing a restart', () => {
    const w = runs(world(), 'web')
    w.when(set('web', { hostname: 'new' }))
    w.tell(w.stream('web'), exited('reboot'))
    w.tell(w.stream('web'), rebooted)
    assert.equal(phaseOf(w.get('web'), 'settings'), 'declared/restartNeeded')
  })

  test('can be stopped, killed and deleted while it reboots', () => {
    const given = [stop('web'), kill('web'), remove('web', true)]
    for (const command of given) {
      const w = runs(world(), 'web')
      w.tell(w.stream('web'), exited('reboot'))
      w.when(command)
      assert.equal(finish(w), 'ct OperationFinished done')
    }
  })

  test('that begins to reboot when it was just frozen is rebooting', () => {
    const w = frozen()
    w.tell(w.stream('web'), exited('reboot'))
    assert.equal(state(w), 'rebooting')
  })

  test('is not stopped by news of an earlier run', () => {
    const w = runs(world(), 'web')
    const old: Fact[] = [
      exited('stop', 'old'),
      { ...rebooted, run: 'old' },
      { type: 'CtLost', run: 'old', bootId: BOOT },
      { type: 'CtAdopted', run: 'old', evidence: evidence(3), frozen: false },
    ]
    for (const fact of old) assert.throws(() => w.tell(w.stream('web'), fact), IllegalFact, fact.type)
    assert.equal(state(w), 'running')
  })
})

describe('after the daemon or the host died', () => {
  test('a running container is adopted, also when it was frozen or thawed meanwhile', () => {
    const w = runs(world(), 'web')
    const adopted = (frozenNow: boolean): Fact => ({
      type: 'CtAdopted',
      run: 'web-run',
      evidence: evidence(9),
      frozen: frozenNow,
    })
    w.tell(w.stream('web'), adopted(false))
    assert.equal(state(w), 'running')
    assert.equal(w.get('web').context.run?.evidence?.initPid, 9)
    w.tell(w.stream('web'), adopted(true))
    assert.equal(state(w), 'frozen')
    w.tell(w.stream('web'), adopted(true))
    assert.equal(state(w), 'frozen')
    w.tell(w.stream('web'), adopted(false))
    assert.equal(state(w), 'running')
  })

  const resting: [string, (w: World) => unknown, boolean][] = [
    ['running', () => {}, false],
    ['frozen', (w) => frozen(w), false],
    ['rebooting', (w) => w.tell(w.stream('web'), exited('reboot')), true],
  ]
  for (const [phase, given, rebooting] of resting) {
    test(`a container lost while ${phase} is stopped, and it is remembered ${rebooting ? 'as rebooting' : 'when'}`, () => {
      const w = runs(world(), 'web')
      given(w)
      w.tell(w.stream('web'), lost)
      assert.equal(lifeOf(w.get('web')), 'stopped')
      assert.equal(w.get('web').context.lostAt, BOOT)
      assert.equal(w.get('web').context.lostRebooting, rebooting)
      w.when(start('web'))
      assert.equal(w.get('web').context.lostAt, null)
      assert.equal(w.get('web').context.lostRebooting, false)
    })
  }

  test('what the next start uses is no longer a restart to come', () => {
    const w = runs(world(), 'web')
    w.when(set('web', { hostname: 'new' }))
    w.tell(w.stream('web'), lost)
    assert.equal(phaseOf(w.get('web'), 'settings'), 'declared/inSync')
  })

  const interrupted: [string, (w: World) => unknown, Outcome, string][] = [
    ['starting', (w) => has(w, 'web').when(start('web')), fail('interrupted'), 'stopped'],
    ['stopping', (w) => runs(w, 'web').when(stop('web')), { is: 'ok', evidence: { how: 'gone' } }, 'stopped'],
    ['freezing', (w) => runs(w, 'web').when(freeze('web')), fail('web is not running'), 'running'],
  ]
  for (const [phase, given, outcome, then] of interrupted) {
    test(`an intent interrupted while ${phase} is settled before anything else can be said`, () => {
      const w = world()
      given(w)
      assert.throws(() => w.tell(w.stream('web'), lost), IllegalFact)
      w.answer(w.next()?.wanted.intent ?? '', outcome)
      assert.equal(state(w), then)
      if (then === 'running') w.tell(w.stream('web'), lost)
      assert.equal(state(w), 'stopped')
    })
  }
})
