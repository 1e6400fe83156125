/** The ledger of simulated lives is what it says: every row parses, and no life is counted twice. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { added, type Entry, formatLedger, overlapOf, parseLedger } from '../simulation/ledger.ts'

const FILE = join(import.meta.dirname, '../../docs/simulation-ledger.md')

const entry = (more: Partial<Entry> = {}): Entry => ({
  commit: 'abcdef0',
  first: 1n,
  seeds: 10,
  commands: 550,
  crashes: 25,
  failures: 0,
  date: '2026-01-05',
  failed: [],
  ...more,
})

describe('docs/simulation-ledger.md', () => {
  const text = readFileSync(FILE, 'utf8')
  const entries = parseLedger(text)

  it('is what the run would write', () => assert.equal(formatLedger(entries), text))
  it('counts no life of one commit twice', () => assert.equal(overlapOf(entries), null))
  it('has lives of at least 50 commands and a crash each', () => {
    for (const { commit, first, seeds, commands, crashes, failures } of entries) {
      const which = `${commit}, seeds from ${first}`
      // One that failed ended there.
      assert.ok(commands >= 50 * (seeds - failures), `${which}: ${commands} commands`)
      assert.ok(crashes >= seeds - failures, `${which}: ${crashes} crashes`)
    }
  })
})

describe('a ledger', () => {
  it('is read as it was written', () => {
    const name = fc.stringMatching(/^[0-9a-f]{7,12}$/)
    const made = fc.record(
      {
        commit: name,
        first: fc.bigInt({ min: 0n, max: 2n ** 63n }),
        seeds: fc.nat(),
        commands: fc.nat(),
        crashes: fc.nat(),
        failures: fc.nat(),
        date: fc.constantFrom('2026-01-05', '2031-12-31'),
        failed: fc.array(fc.nat().map(String), { maxLength: 10 }),
      },
      { noNullPrototype: true },
    )
    fc.assert(
      fc.property(fc.array(made), (entries) => {
        assert.deepEqual(parseLedger(formatLedger(entries)), entries)
      }),
    )
  })

  it('refuses lives of one commit that it has, and takes them of another', () => {
    const one = [entry()]
    assert.throws(() => added(one, entry({ first: 10n })), /seeds 1 to 10 of abcdef0 are in the ledger/)
    assert.throws(() => added(one, entry({ commit: 'abcdef0123', first: 0n, seeds: 2 })), /already/)
    assert.equal(added(one, entry({ commit: '1234567' })).length, 2)
    assert.equal(added(one, entry({ first: 0n, seeds: 1 })).length, 2)
  })

  it('joins what follows', () => {
    const [joined, ...rest] = added([entry()], entry({ first: 11n, failures: 1, failed: ['12'] }))
    assert.deepEqual(rest, [])
    assert.deepEqual(joined, entry({ seeds: 20, commands: 1100, crashes: 50, failures: 1, failed: ['12'] }))
  })

  it('names the line that is no row', () => {
    const text = formatLedger([entry()]).replace('| abcdef0 |', '| what |')
    assert.throws(() => parseLedger(text), /line 11 of the ledger is no row: \| what/)
    assert.throws(() => parseLedger('nothing'), /no table/)
  })
})
