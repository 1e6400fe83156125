/** The machines' tables against those of the effects: what is undone can be undone, what is assumed fits. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isNone } from '../../../src/effects/effect.ts'
import { effects } from '../../../src/effects/table.ts'
import { EVENT_TYPES } from '../../../src/events/types/events.ts'
import { INTENT_KINDS, type IntentKind, intentSchemas } from '../../../src/events/types/intents.ts'
import { logEventSchemas } from '../../../src/events/types/log-events.ts'
import { containerMachine } from '../../../src/machines/container/machine.ts'
import { COMPENSATED } from '../../../src/machines/operation.ts'
import { poolMachine } from '../../../src/machines/pool/machine.ts'
import { create, type SourceName, sources } from './commands.ts'
import { assumed, world } from './helpers.ts'
import { story } from './story.ts'

/** Kinds that could be undone and are not by a failed creation, and why. */
const NOT_COMPENSATED: Partial<Record<IntentKind, string>> = {
  'dataset.snapshot': 'goes with the staging dataset that it lies on',
  'dataset.rename': 'the last step of a creation; an image that was published stays for the next one',
  'dataset.trash': 'not a step of a creation',
  'lxc.start': 'not a step of a creation',
  'lxc.freeze': 'not a step of a creation',
  'lxc.thaw': 'not a step of a creation',
  'pool.mark': 'not a step of a creation',
}

test('every kind that a failed creation undoes has an undo', () => {
  for (const kind of COMPENSATED) assert.ok(!isNone(effects[kind].undo), kind)
})

test('every kind that has an undo is undone, or it is said why not', () => {
  const undoable = INTENT_KINDS.filter((kind) => !isNone(effects[kind].undo))
  assert.deepEqual(
    undoable.filter((kind) => !COMPENSATED.includes(kind)).sort(),
    Object.keys(NOT_COMPENSATED).sort(),
  )
})

test('every step of a creation that makes a dataset is undone', () => {
  for (const name of Object.keys(sources) as SourceName[]) {
    const w = world()
    w.when(create('web', sources[name]))
    w.settle(({ kind, args, intent }) => {
      const makes = 'dataset' in args && args.dataset === `staging/${intent}`
      assert.equal(makes, COMPENSATED.includes(kind), kind)
      return undefined
    })
  }
})

test('what a plan assumes of each kind is evidence by its schema', () => {
  const asked = new Set<IntentKind>()
  for (const { type, data } of story().events) {
    if (type !== 'EffectIntended') continue
    const { kind, args } = data as { kind: IntentKind; args: unknown }
    intentSchemas[kind].evidence.parse(assumed(kind, args))
    asked.add(kind)
  }
  assert.deepEqual([...asked].sort(), [...INTENT_KINDS].sort())
})

test('every fact of the catalogue is a fact of some machine, or of the log itself', () => {
  const drawn = new Set<string>([...containerMachine.events, ...poolMachine.events])
  assert.deepEqual(
    EVENT_TYPES.filter((type) => !drawn.has(type)),
    ['SessionOpened', 'SegmentOpened', 'Baseline', ...Object.keys(logEventSchemas)],
  )
})

test('names of states stand in no event but a baseline', () => {
  const names = [
    'inSync',
    'restartNeeded',
    'inDoubt',
    'imagePreparing',
    'layingOut',
    'stopping',
    'undeclared',
  ]
  for (const event of story().events) {
    if (event.type === 'Baseline' || event.type === 'CommandRefused') continue
    for (const name of names)
      assert.ok(!JSON.stringify(event).includes(`:"${name}`), `${event.type} says ${name}`)
  }
})
