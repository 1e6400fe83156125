/** Each mutant is caught by the test that it names, which is green without it. */
import assert from 'node:assert/strict'
import { availableParallelism } from 'node:os'
import { after, describe, it } from 'node:test'
import { MUTANTS, type Mutant } from './mutants.ts'
import { Tree } from './tree.ts'

/** At once, each in a tree of its own. */
const AT_ONCE = Math.min(4, availableParallelism())
const idle: Tree[] = []
const all: Tree[] = []
after(() => {
  for (const tree of all) tree[Symbol.dispose]()
})

function take(): Tree {
  const free = idle.pop()
  if (free) return free
  const made = new Tree()
  all.push(made)
  return made
}

const controlled = new Set<string>()

/** The unmutated copy is green, else the mutant's red would say nothing. */
async function control(tree: Tree, test: Mutant['test']): Promise<void> {
  const key = `${test.file} ${test.name}`
  if (controlled.has(key)) return
  controlled.add(key)
  const { passed, failed, output } = await tree.run(test)
  assert.ok(
    passed.includes(test.name) && failed.length === 0,
    `not green without a mutant: ${key}\n${output}`,
  )
}

describe('A system without this is caught:', { concurrency: AT_ONCE }, () => {
  for (const mutant of MUTANTS) {
    it(mutant.without, async () => {
      const { test } = mutant
      const tree = take()
      try {
        await control(tree, test)
        const { failed, output } = await tree.with(mutant, () => tree.run(test))
        assert.ok(failed.includes(test.name), `${test.file}: not red: ${test.name}\n${output}`)
      } finally {
        idle.push(tree)
      }
    })
  }
})
