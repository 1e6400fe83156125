/** What a container's own events say of its start. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type Plan, standing } from '../../../src/audit/autostart.ts'
import type { StoredEvent } from '../../../src/events/types/envelope.ts'
import { AUTOSTART_ATTEMPTS } from '../../../src/machines/decide/autostart.ts'

const plan: Plan = { id: 'PLAN', seq: 1, time: 0, cts: ['CT'], off: false }
const alice = { verified: { uid: 1000, gid: 0, pid: 1, start: null, loginuid: 1000, exe: null, tty: null } }

type Told = Partial<Pick<StoredEvent, 'op' | 'by'>> & { type: StoredEvent['type']; data?: object }
const told = (...events: Told[]): StoredEvent[] =>
  events.map(
    (event, i) =>
      ({
        stream: 'ct:CT',
        id: `E${i}`,
        seq: 2 + i,
        ver: i,
        v: 1,
        t: i,
        m: i,
        s: 1,
        data: {},
        ...event,
      }) as never,
  )
const accepted = (op: string, by?: string, command = 'ct start'): Told => ({
  type: 'CommandAccepted',
  op,
  ...(by ? { by } : {}),
  data: { actor: by ? { system: 'autostart' } : alice, command },
})
const finished = (op: string, result: string, error: string | null = null): Told => ({
  type: 'OperationFinished',
  op,
  data: { result, error },
})
const attempt = (n: number): Told[] => [
  accepted(`op${n}`, 'PLAN'),
  finished(`op${n}`, 'failed', `failure ${n}`),
]
const is = (...events: Told[]) => {
  const now = standing(plan, told(...events))
  return [now.is, now.attempts, now.why]
}

describe('a container of a plan', () => {
  it('waits, starts, runs', () => {
    assert.deepEqual(is(), ['waiting', 0, null])
    assert.deepEqual(is(accepted('op', 'PLAN')), ['starting', 1, null])
    assert.deepEqual(is(accepted('op', 'PLAN'), finished('op', 'done')), ['started', 1, null])
  })

  it('is tried so often, by whichever daemon, and then given up', () => {
    for (let n = 1; n < AUTOSTART_ATTEMPTS; n++) {
      const tried = Array.from({ length: n }, (_, i) => attempt(i)).flat()
      assert.deepEqual(is(...tried), ['waiting', n, `failure ${n - 1}`])
    }
    const all = Array.from({ length: AUTOSTART_ATTEMPTS }, (_, i) => attempt(i)).flat()
    assert.deepEqual(is(...all), ['failed', AUTOSTART_ATTEMPTS, `failure ${AUTOSTART_ATTEMPTS - 1}`])
    const refused: Told = { type: 'CommandRefused', by: 'PLAN', data: { message: 'busy' } }
    assert.deepEqual(is(refused), ['waiting', 1, 'busy'])
    assert.deepEqual(is(...Array.from({ length: AUTOSTART_ATTEMPTS }, () => refused)), ['failed', 5, 'busy'])
  })

  it('is left out when somebody else has it in hand', () => {
    for (const command of ['ct start', 'ct stop', 'ct restart', 'ct del'])
      assert.deepEqual(is(accepted('op', undefined, command)), [
        'skipped',
        0,
        `uid 1000 gave the command: ${command}`,
      ])
    assert.deepEqual(is(accepted('op', undefined, 'ct set')), ['waiting', 0, null])
    const refused: Told = { type: 'CommandRefused', data: { actor: alice, command: 'ct stop', message: '' } }
    assert.deepEqual(is(refused), ['waiting', 0, null])
    const unset: Told = { type: 'CtConfigSet', data: { set: { autostart: null } } }
    assert.deepEqual(is(unset), ['skipped', 0, 'its autostart was taken away'])
    assert.deepEqual(is({ type: 'CtConfigSet', data: { set: { hostname: 'x' } } }), ['waiting', 0, null])
    const cancel: Told = { type: 'CancelRequested', op: 'op', data: { actor: alice } }
    const cancelled = [accepted('op', 'PLAN'), cancel, finished('op', 'failed', 'cancelled')]
    assert.deepEqual(is(...cancelled), ['skipped', 1, 'uid 1000 cancelled its start'])
    assert.deepEqual(is(accepted('op', 'PLAN'), cancel, finished('op', 'done')), ['started', 1, null])
  })

  it('in doubt is not tried again, until it is settled', () => {
    const doubt: Told = { type: 'EffectInDoubt', op: 'op', data: { why: 'unclear' } }
    assert.deepEqual(is(accepted('op', 'PLAN'), doubt), ['failed', 1, 'in doubt: unclear'])
    assert.deepEqual(is(accepted('op', 'PLAN'), doubt, { type: 'EffectResumed', op: 'op' }), [
      'starting',
      1,
      null,
    ])
    assert.deepEqual(is(accepted('op', 'PLAN'), doubt, finished('op', 'done')), ['started', 1, null])
  })

  it('that a plan before this one was starting has started', () => {
    const started: Told = { type: 'EffectSucceeded', op: 'old', data: { kind: 'lxc.start' } }
    assert.deepEqual(is(started, finished('old', 'done')), ['started', 0, null])
  })

  it('never goes back from what is final, whatever its plan is told after it', () => {
    const any = fc.array(fc.constantFrom(...attempt(1), accepted('x'), finished('x', 'done')), {
      maxLength: 6,
    })
    fc.assert(
      fc.property(any, (more) => {
        const started = [accepted('op', 'PLAN'), finished('op', 'done')]
        const plain = more.filter(({ by }) => by === undefined)
        assert.equal(is(...started, ...plain)[0], 'started')
        assert.equal(is(accepted('op', undefined, 'ct stop'), ...plain)[0], 'skipped')
      }),
    )
  })
})
