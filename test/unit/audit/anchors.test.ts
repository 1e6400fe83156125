/** Heads kept elsewhere: what they are written as, and what a log must say to each. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { type Anchor, brokenText, firstBad, judge, worst } from '../../../src/audit/anchors.ts'
import { headText, headWords, type KeptHead, parseHead, parseKept } from '../../../src/rpc/heads.ts'

const hash = fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 64, maxLength: 64 })
const seq = fc.integer({ min: 1, max: 1_000_000 })
const END = { seq: 100, hash: 'e'.repeat(64) }
const anchor = (at: number, digits: string): Anchor => ({ seq: at, hash: digits, where: 'somewhere' })

describe('a kept head', () => {
  test('is read again from each of its forms', () => {
    fc.assert(
      fc.property(seq, hash, (n, digits) => {
        const kept: KeptHead = { pool: 'tank', guid: '123', seq: n, hash: digits, time: 5 }
        assert.deepEqual(parseKept(JSON.stringify(kept)), kept)
        const { time: _when, ...head } = kept
        assert.deepEqual(parseKept(`Jan  1 00:00:00 host osctld: ${headWords(kept)}`), head)
        assert.deepEqual(parseKept(` ${headText(kept)} `), { seq: n, hash: digits })
      }),
    )
  })

  test('is nothing else, and nothing else is one', () => {
    fc.assert(fc.property(fc.string(), (text) => assert.equal(parseHead(`x${text}`), null)))
    for (const line of [
      '',
      '{',
      '{"seq":"1"}',
      '{"seq":1,"hash":"short"}',
      '1:ABCDEF0123456789',
      '1:abc',
      'null',
    ])
      assert.equal(parseKept(line), null, line)
  })
})

describe('a log', () => {
  test('fits an anchor whose event it has, known by as many digits as were kept', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 100 }),
        hash,
        fc.integer({ min: 16, max: 64 }),
        (at, there, digits) => {
          assert.equal(judge(END, anchor(at, there.slice(0, digits)), there), null)
        },
      ),
    )
  })

  test('that ends before an anchor has lost its end', () => {
    const broken = judge(END, anchor(142, 'a'.repeat(64)), null)
    assert.equal(broken?.is, 'lost')
    assert.ok(broken)
    assert.equal(firstBad(broken, END), 101)
    assert.match(brokenText(broken, END), /it ends at 100, and its head was once 142 \(somewhere\)/)
  })

  test('with another event in its place is another log', () => {
    const broken = judge(END, anchor(42, 'a'.repeat(64)), 'b'.repeat(64))
    assert.equal(broken?.is, 'replaced')
    assert.ok(broken)
    assert.equal(firstBad(broken, END), 42)
    assert.match(brokenText(broken, END), /event 42 is not the one that stood there/)
  })

  test('is not judged by an empty head, nor by what is damaged there', () => {
    assert.equal(judge(END, anchor(0, '0'.repeat(64)), null), null)
    assert.equal(judge(END, anchor(50, 'a'.repeat(64)), null), null)
  })

  test('of several complaints, another log is worse than a lost end, the first difference and the longest loss count', () => {
    const lost = [110, 142, 120].map((at) => ({ anchor: anchor(at, ''), is: 'lost' as const }))
    const other = [50, 30, 40].map((at) => ({ anchor: anchor(at, ''), is: 'replaced' as const }))
    assert.equal(worst([]), null)
    assert.equal(worst(lost)?.anchor.seq, 142)
    assert.equal(worst([...lost, ...other])?.anchor.seq, 30)
  })
})
