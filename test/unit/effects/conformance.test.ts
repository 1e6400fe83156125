/**
 * The simulated host behaves as the real one: every script of test/conformance, played here, ends as it ended on real
 * ZFS and LXC (`real.txt`). That it still ends so there is proved by test/vm/conformance.test.ts.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { SCRIPTS } from '../../conformance/scripts.ts'
import { simulatedStage } from '../../conformance/simulated.ts'
import { fromText, play } from '../../conformance/transcript.ts'

const file = join(import.meta.dirname, '../../conformance/real.txt')
const real = fromText(readFileSync(file, 'utf8'))
const simulated = await play(simulatedStage(), SCRIPTS)

describe('A simulated host does what the real one did:', () => {
  for (const { name } of SCRIPTS) it(name, () => assert.deepEqual(simulated[name], real[name]))

  it('and nothing that it did is left out', () => {
    assert.deepEqual(Object.keys(real).sort(), SCRIPTS.map(({ name }) => name).sort())
  })
})
