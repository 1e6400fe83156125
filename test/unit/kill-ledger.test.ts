/** The ledger of kills is what the run would write. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { it } from 'node:test'
import fc from 'fast-check'
import { formatLedger, parseLedger } from '../kill/ledger.ts'

const FILE = join(import.meta.dirname, '../../docs/kills.md')

it('docs/kills.md is what the run would write', { skip: !existsSync(FILE) }, () => {
  const text = readFileSync(FILE, 'utf8')
  assert.equal(formatLedger(parseLedger(text)), text)
})

it('a ledger of kills is read as it was written', () => {
  const count = fc.integer({ min: 0, max: 1e9 })
  const row = fc.record(
    {
      commit: fc.stringMatching(/^[0-9a-f]{7,40}$/),
      seed: fc.bigInt({ min: 0n, max: 2n ** 64n }).map(String),
      kills: count,
      whileStarting: count,
      acknowledged: count,
      failures: count,
      date: fc.constantFrom('2026-01-05', '2027-12-31'),
    },
    { noNullPrototype: true },
  )
  fc.assert(fc.property(fc.array(row), (rows) => assert.deepEqual(parseLedger(formatLedger(rows)), rows)))
  assert.throws(() => parseLedger('no table'), /no table/)
  assert.throws(() => parseLedger(`${formatLedger([])}| x | 1 |\n`), /no row of the ledger: \| x \| 1 \|/)
})
