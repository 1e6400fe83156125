/** Every boundary of every command, every way to die there. */
import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { nameOf } from './boundary.ts'
import { crash, record, waysAt } from './crashes.ts'
import { CREATIONS, DELETIONS, OTHERS, prepared, RESTORATIONS, RUNS, type Verb } from './verbs.ts'

const counts = { boundaries: 0, crashes: 0 }

async function everyCrash(verb: Verb): Promise<void> {
  const course = await record(verb, await prepared(verb))
  assert.ok(course.boundaries.length > 0, 'no boundary was met')
  for (const boundary of course.boundaries) {
    counts.boundaries += 1
    for (const way of waysAt(boundary)) {
      counts.crashes += 1
      const { wrong, story } = await crash(course, boundary, way)
      const told = [`${verb.name}, ${way.name} ${nameOf(boundary)}`, ...wrong, ...story].join('\n')
      assert.deepEqual(wrong, [], told)
    }
  }
}

const groups: readonly (readonly [string, readonly Verb[]])[] = [
  ['A creation', CREATIONS],
  ['A run', RUNS],
  ['A deletion', DELETIONS],
  ['A restoration', RESTORATIONS],
  ['Another change', OTHERS],
]

for (const [name, verbs] of groups) {
  describe(`${name} converges wherever the daemon or its host dies`, () => {
    for (const verb of verbs) it(verb.name, () => everyCrash(verb))
  })
}

after(() => console.log(`${counts.boundaries} boundaries, ${counts.crashes} crashes`))
