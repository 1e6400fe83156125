/** The diagrams say what the machines do, and the documentation says what the diagrams say. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { withDiagrams } from '../../../scripts/gen-machines.ts'
import { containerMachine } from '../../../src/machines/container/machine.ts'
import { phaseOf } from '../../../src/machines/life.ts'
import { mermaid } from '../../../src/machines/mermaid.ts'
import { poolMachine } from '../../../src/machines/pool/machine.ts'
import { initial } from '../../../src/machines/step.ts'
import { isPool } from './check.ts'
import { FORMS, meaning, reachable } from './explore.ts'

type Node = { readonly id: string; readonly path: string[]; readonly states: Readonly<Record<string, Node>> }
const within = (node: Node): Node[] => [node, ...Object.values(node.states).flatMap(within)]

test('docs/machines.md holds the diagrams of the present machines', () => {
  const file = fileURLToPath(new URL('../../../docs/machines.md', import.meta.url))
  const document = readFileSync(file, 'utf8')
  assert.equal(document, withDiagrams(document), 'run: node scripts/gen-machines.ts')
})

test('a document without markers is refused', () => {
  assert.throws(() => withDiagrams('# The machines\n'), /lacks the markers of ct/)
})

for (const [name, machine] of [
  ['ct', containerMachine],
  ['pool', poolMachine],
] as const) {
  const diagram = mermaid(name)
  const lines = diagram.split('\n').map((line) => line.trim())
  const titles = new Map(
    lines.flatMap((line) => [...line.matchAll(/^state "(.*)" as (\w+)/g)].map((m) => [m[2], m[1]])),
  )

  describe(`the diagram of ${name}`, () => {
    test('shows every region, every state and every fact', () => {
      const { states } = machine.root
      assert.equal(lines.filter((line) => line === '--').length, Object.keys(states).length - 1)
      for (const node of Object.values(states).flatMap(within))
        assert.ok(titles.has(node.path.join('_')), node.id)
      for (const fact of machine.events) assert.match(diagram, new RegExp(`\\b${fact}\\b`))
    })

    test('has each edge between two states that it shows', () => {
      for (const line of lines) {
        const [, from, to] = /^(\S+) --> (\S+)/.exec(line) ?? []
        for (const end of [from, to]) assert.ok(end === undefined || end === '[*]' || titles.has(end), line)
      }
    })

    test('ends no edge at a composite, which Mermaid cannot lay out', () => {
      const composites = lines.flatMap((line) => [...line.matchAll(/ as (\w+) \{$/g)].map((m) => m[1] ?? ''))
      for (const id of composites)
        assert.ok(!lines.some((line) => line.split(' : ')[0]?.endsWith(`--> ${id}`)), id)
    })

    test('names the intent that a state asks for, as the machine does', () => {
      const start = initial<typeof containerMachine | typeof poolMachine>(machine)
      let asked = 0
      for (const state of reachable(start)) {
        for (const form of FORMS) {
          const fact = form.fact(state)
          const result = fact && meaning(state, fact)
          for (const { kind, compensates } of result?.wanted ?? []) {
            const pruning = kind === 'dataset.destroy' && result && isPool(result.next)
            const isRepair = fact?.type === 'DriftRepairRequested'
            const region = isRepair ? 'drift' : pruning ? 'trash' : 'life'
            const id = `${region}_${phaseOf(result?.next ?? state, region).replaceAll('/', '_')}`
            assert.match(
              titles.get(id) ?? '',
              compensates ? /\(undo\)$/ : new RegExp(`\\(${isRepair ? 'repair' : kind}\\)$`),
            )
            asked++
          }
        }
      }
      assert.ok(asked > 0)
    })
  })
}
