import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { LIMITS, PATIENCE_MS, patienceAfter, pressing } from '../../../src/daemon/admission.ts'

const SECOND = 1_000_000
const NONE = { cpu: 0, memory: 0, io: 0 }

describe('the pressure between two looks', () => {
  const after = (waited: Partial<typeof NONE>, us = SECOND) =>
    pressing(
      { mono: 5 * SECOND, pressure: NONE },
      { mono: 5 * SECOND + us, pressure: { ...NONE, ...waited } },
    )

  it('admits a host whose tasks wait little, and names what they wait for', () => {
    assert.equal(after({}), null)
    assert.equal(after({ cpu: 0.5 * SECOND, memory: 0.1 * SECOND, io: 0.5 * SECOND }), null)
    assert.equal(after({ cpu: 0.75 * SECOND }), 'cpu pressure 75 %')
    assert.equal(after({ memory: 0.3 * SECOND }), 'memory pressure 30 %')
    assert.equal(after({ io: 2 * SECOND }), 'io pressure 100 %')
  })

  it('is not known of a host that does not tell, and not yet after a pause', () => {
    assert.equal(pressing({ mono: 0, pressure: null }, { mono: SECOND, pressure: NONE }), null)
    assert.equal(pressing({ mono: 0, pressure: NONE }, { mono: SECOND, pressure: null }), null)
    assert.notEqual(after({}, 60 * SECOND), null)
    assert.notEqual(after({}, 0), null)
  })

  it('holds back exactly above the limits', () => {
    const share = fc.double({ min: 0, max: 1, noNaN: true })
    fc.assert(
      fc.property(share, share, share, (cpu, memory, io) => {
        const isAbove = cpu > LIMITS.cpu || memory > LIMITS.memory || io > LIMITS.io
        const now = { cpu: cpu * SECOND, memory: memory * SECOND, io: io * SECOND }
        assert.equal(after(now) !== null, isAbove)
      }),
    )
  })
})

it('a start is held back for five seconds at most, or for the delay of the one before it, and again for each beside it', () => {
  assert.equal(patienceAfter(0, 0), PATIENCE_MS)
  assert.equal(patienceAfter(5, 0), PATIENCE_MS)
  assert.equal(patienceAfter(30, 0), 30_000)
  assert.equal(patienceAfter(0, 2), 3 * PATIENCE_MS)
})
