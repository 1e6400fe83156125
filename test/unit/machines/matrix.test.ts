/**
 * The whole table, state × fact, of each machine, as a committed file: a change of a drawing shows there in
 * review. `UPDATE_MATRIX=1 node --test test/unit/machines/matrix.test.ts` writes the files anew.
 */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { containerMachine } from '../../../src/machines/container/machine.ts'
import { phaseOf } from '../../../src/machines/life.ts'
import { poolMachine } from '../../../src/machines/pool/machine.ts'
import { initial } from '../../../src/machines/step.ts'
import { type AnyState, isPool } from './check.ts'
import { FORMS, missingForms, REGIONS, reachable, words } from './explore.ts'

type Table = Map<string, Map<string, Map<string, Set<string>>>>

/** State → form → meaning → the other regions' states in which it means that. */
function tableOf(states: readonly AnyState[]): Table {
  const table: Table = new Map()
  for (const state of states) {
    const life = isPool(state) ? `${phaseOf(state)}, trash ${phaseOf(state, 'trash')}` : phaseOf(state)
    const rows = table.get(life) ?? new Map<string, Map<string, Set<string>>>()
    table.set(life, rows)
    const rest = REGIONS(state)
      .filter((name) => !['life', 'trash', 'entities'].includes(name))
      .map((name) => phaseOf(state, name).split('/').at(-1))
    for (const form of FORMS) {
      const fact = form.fact(state)
      const means = fact ? words(state, fact) : 'not possible'
      const meanings = rows.get(form.name) ?? new Map<string, Set<string>>()
      rows.set(form.name, meanings)
      meanings.set(means, (meanings.get(means) ?? new Set()).add(rest.join('+')))
    }
  }
  return table
}

/** Facts that no state takes: they belong to another stream. */
const strangers = (table: Table): string[] =>
  FORMS.map(({ name }) => name).filter((name) =>
    [...table.values()].every((rows) =>
      [...(rows.get(name)?.keys() ?? [])].every((means) => /^(refused|not possible)$/.test(means)),
    ),
  )

function row(name: string, meanings: Map<string, Set<string>>): string[] {
  const sorted = [...meanings].filter(([means]) => means !== 'not possible' || meanings.size === 1).sort()
  const [only] = sorted
  if (sorted.length === 1 && only) return [`  ${name.padEnd(42)}${only[0]}`]
  return sorted.map(([means, when]) => `  ${name.padEnd(42)}${means}   [${[...when].sort().join(' ')}]`)
}

function written(states: readonly AnyState[]): string {
  const table = tableOf(states)
  const never = strangers(table)
  const head = [
    'What every fact means in every state. Written by matrix.test.ts; not edited by hand.',
    '',
    'noted: kept for the record. taken: remembered, the state stays. not possible: nothing it could be about.',
    'In brackets: the states of the other regions (settings, operation) in which a fact means that.',
    '',
    'Refused in every state:',
    ...never.map((name) => `  ${name}`),
  ]
  const sections = [...table]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([life, rows]) => {
      const lines = [...rows]
        .filter(([name]) => !never.includes(name))
        .flatMap(([name, meanings]) => row(name, meanings))
      return ['', life, ...lines].join('\n')
    })
  return `${[...head, ...sections].join('\n')}\n`
}

/** Leaves of a region of a machine, as paths. */
type Node = { readonly states: Readonly<Record<string, Node>> }
const leaves = (node: Node, path = ''): string[] =>
  Object.entries(node.states).flatMap(([name, inner]) => {
    const here = path === '' ? name : `${path}/${name}`
    return Object.keys(inner.states).length === 0 ? [here] : leaves(inner, here)
  })

test('every type of event has a form in the exploration', () => {
  assert.deepEqual(missingForms(), [])
})

for (const [name, machine] of [
  ['ct', containerMachine],
  ['pool', poolMachine],
] as const) {
  describe(`the ${name} machine`, () => {
    const states = reachable(initial<typeof containerMachine | typeof poolMachine>(machine))

    test('has no state that cannot be reached', () => {
      for (const [region, node] of Object.entries(machine.root.states)) {
        const seen = new Set(states.map((state) => phaseOf(state, region)))
        const drawn = Object.keys(node.states).length === 0 ? [] : leaves(node)
        assert.deepEqual(
          drawn.filter((path) => !seen.has(path)),
          [],
          region,
        )
      }
    })

    test('means by every fact in every state what the committed table says', () => {
      const file = fileURLToPath(new URL(`${name}.matrix.txt`, import.meta.url))
      const now = written(states)
      if (process.env['UPDATE_MATRIX']) writeFileSync(file, now)
      assert.equal(now, readFileSync(file, 'utf8'), 'run with UPDATE_MATRIX=1 and review the difference')
    })
  })
}
