/** Every call of every command fails, in every way that a host or a disk has. */
import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { nameOf } from './boundary.ts'
import { record } from './crashes.ts'
import { fail, failuresAt } from './failures.ts'
import type { Verb } from './verbs.ts'
import { EVERY_VERB, prepared } from './verbs-all.ts'

const counts = { boundaries: 0, failures: 0 }

async function everyFailure(verb: Verb): Promise<void> {
  const course = await record(verb, await prepared(verb))
  for (const boundary of course.boundaries) {
    counts.boundaries += 1
    for (const failure of failuresAt(boundary)) {
      counts.failures += 1
      const { wrong, story } = await fail(course, boundary, failure)
      const told = [`${verb.name}: ${nameOf(boundary)} ${failure.name}`, ...wrong, ...story].join('\n')
      assert.deepEqual(wrong, [], told)
    }
  }
}

describe('A command is done or undone, and answered, whatever the host or the disk fails at', () => {
  for (const verb of EVERY_VERB) it(verb.name, () => everyFailure(verb))
})

after(() => console.log(`${counts.boundaries} boundaries, ${counts.failures} failures`))
