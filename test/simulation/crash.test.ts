/** Every boundary of every command, every way to die there. */
import { after, describe, it } from 'node:test'
import { record } from './crashes.ts'
import { type Cells, everyCell, tableOf } from './matrix.ts'
import { EVERY_VERB, GROUPS, prepared } from './verbs-all.ts'

const rows = new Map<string, Cells>()

for (const [name, verbs] of GROUPS) {
  describe(`${name} converges wherever the daemon, its helper or its host dies`, () => {
    for (const verb of verbs)
      it(verb.name, async () => {
        rows.set(verb.name, await everyCell(await record(verb, await prepared(verb))))
      })
  })
}

after(() => console.log(`${EVERY_VERB.length} verbs\n${tableOf(rows)}`))
