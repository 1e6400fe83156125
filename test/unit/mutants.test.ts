/** The mutants fit the code as it is now, and stand in docs/GUARANTEES.md. The layer `mutation` runs them. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { it } from 'node:test'
import { MUTANTS } from '../mutation/mutants.ts'
import { mutated, TOP } from '../mutation/tree.ts'

it('every mutant fits the code that it changes', () => {
  for (const mutant of MUTANTS) assert.ok(mutated(mutant).size > 0, mutant.without)
})

it('a mutant whose code has moved says that it has to be renewed', () => {
  const edits = [{ file: 'package.json', from: 'no such text', to: '' }]
  assert.throws(() => mutated({ without: 'x', edits }), /has to be renewed .*stands 0 times in package\.json/)
})

it('docs/GUARANTEES.md has a row for each mutant, with the test that catches it', () => {
  const text = readFileSync(join(TOP, 'docs/GUARANTEES.md'), 'utf8')
  const rows = MUTANTS.map(({ without, test }) => `| ${without} | ${test.name} | \`${test.file}\` |`)
  const told = text.split('\n').filter((line) => /^\| .* \| .* \| `test\/\S+` \|$/.test(line))
  assert.deepEqual(told, rows)
})
