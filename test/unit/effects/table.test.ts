import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isNone } from '../../../src/effects/effect.ts'
import { rehearsalOf } from '../../../src/effects/linux/rehearsal/index.ts'
import { effects } from '../../../src/effects/table.ts'
import { INTENT_KINDS, type IntentKind } from '../../../src/events/types/intents.ts'
import { essenceOf, newLab } from './lab.ts'
import { scenarios } from './scenarios.ts'

describe('the table of effects', () => {
  it('has exactly the kinds that an intent can have', () => {
    assert.deepEqual(Object.keys(effects).sort(), [...INTENT_KINDS].sort())
  })

  for (const kind of INTENT_KINDS) {
    it(`has all six parts for ${kind}`, () => {
      const effect = effects[kind]
      assert.equal(effect.kind, kind)
      assert.equal(typeof effect.run, 'function')
      assert.ok(['idempotent', 'restart', 'once'].includes(effect.idempotence))
      for (const part of [effect.probe, effect.undo]) {
        if (isNone(part)) assert.ok(part.none.length > 20, 'an absent part says why')
        else assert.equal(typeof part, 'function')
      }
      assert.equal(isNone(effect.probe), false, 'a kind without probe is never retried')
      assert.ok(effect.attempts >= 1)
      if (isNone(effect.cancel))
        assert.ok(effect.cancel.none.length > 20, 'what cannot be cancelled says why')
      else assert.ok(['before', 'during'].includes(effect.cancel))
    })

    it(`says in a plan what ${kind} would do and what it would give`, async () => {
      const check = async <K extends IntentKind>(name: K): Promise<void> => {
        const lab = await newLab({ laidOut: scenarios[name].bare !== true })
        const args = await scenarios[name].prepare(lab)
        const before = essenceOf(lab)
        const { host, take } = rehearsalOf(lab.host(), { pool: 'tank', dataset: 'tank' })
        await effects[name].run(args, { ...lab.context(lab.host()), host: { ...lab.host(), ...host } })
        const actions = take()
        assert.ok(actions.length > 0)
        for (const { text } of actions) assert.equal(text.includes('undefined'), false, text)
        assert.deepEqual(essenceOf(lab), before, 'a rehearsal changed the host')
        const assumed = Object.keys(effects[name].assume(args)).sort()
        const evidence = await effects[name].run(args, lab.context(lab.host()))
        assert.deepEqual(assumed, Object.keys(evidence).sort())
        const lane = effects[name].lane(args)
        assert.ok(lane === null || lane.length > 0)
      }
      await check(kind)
    })
  }

  it('names in a plan the step that a guid comes from', () => {
    const assumed = effects['dataset.create'].assume({ dataset: 'staging/01J000000000000000000000AA.3' })
    assert.equal(assumed.guid, '<guid of step 3>')
  })
})
