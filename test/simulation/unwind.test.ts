/**
 * Every step of every command fails for good, and the daemon or its host dies at every boundary of what follows: the
 * undoing of what was made. What cannot be told from the log, because the failure was not committed, is tried again.
 */
import { after, describe, it } from 'node:test'
import { type Boundary, nameOf } from './boundary.ts'
import { type Course, record } from './crashes.ts'
import { addCells, type Cells, everyCell, noCells, tableOf } from './matrix.ts'
import { EVERY_VERB, prepared } from './verbs-all.ts'

const rows = new Map<string, Cells>()

/** Where a helper works: it fails there, with its work begun or done. */
const isStep = ({ where, helper }: Boundary): boolean => where === 'host' && helper

async function unwinding(course: Course, boundary: Boundary): Promise<Course | null> {
  const { verb, from, after: whole } = course
  const action =
    boundary.phase === 'before'
      ? ({ do: 'helper-killed' } as const)
      : ({ do: 'error', code: 'E_FAILED', failure: 'permanent' } as const)
  const failing = await record(verb, from, { boundary, action })
  // What goes on after it as it would have without it is crashed in crash.test.ts.
  return failing.boundaries.some(isStep) ? { ...failing, after: whole } : null
}

describe('What was made of a command that failed is undone wherever the daemon or its host dies', () => {
  for (const verb of EVERY_VERB) {
    it(verb.name, async (t) => {
      const course = await record(verb, await prepared(verb))
      const cells = noCells()
      for (const boundary of course.boundaries.filter(isStep)) {
        const failing = await unwinding(course, boundary)
        if (!failing) continue
        await t.test(`failed ${nameOf(boundary)}`, async () => addCells(cells, await everyCell(failing)))
      }
      if (cells.boundaries > 0) rows.set(verb.name, cells)
    })
  }
})

after(() => console.log(tableOf(rows)))
