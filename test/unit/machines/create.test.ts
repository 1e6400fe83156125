/** Creating containers: from each source, failing at each step, and what is undone then. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { IntentKind } from '../../../src/events/types/intents.ts'
import { lifeOf, phaseOf } from '../../../src/machines/life.ts'
import { COMPENSATED } from '../../../src/machines/operation.ts'
import { create, image, remove, type SourceName, sources } from './commands.ts'
import { fail, has, ok, refusal, type Told, world } from './helpers.ts'

/** The intents that a creation from each source asks for, in order. */
const STEPS: Record<SourceName, IntentKind[]> = {
  pool: ['dataset.clone', 'dataset.rename'],
  repositoryTar: [
    'image.fetch',
    'dataset.create',
    'image.unpack',
    'dataset.snapshot',
    'dataset.rename',
    'dataset.clone',
    'dataset.rename',
  ],
  repositoryZfs: [
    'image.fetch',
    'image.receive',
    'dataset.snapshot',
    'dataset.rename',
    'dataset.clone',
    'dataset.rename',
  ],
  fileTar: ['dataset.create', 'image.unpack', 'dataset.rename'],
  fileZfs: ['image.receive', 'dataset.rename'],
  empty: ['dataset.create', 'dataset.rename'],
}
const NAMES = Object.keys(STEPS) as SourceName[]

const intendedIn = (told: Told): string[] =>
  told.lines
    .filter((one) => one.startsWith('ct EffectIntended'))
    .map((one) => one.slice('ct EffectIntended '.length))

/** Runs a creation whose nth step fails, n from 1; everything else succeeds. */
function failingAt(name: SourceName, n: number) {
  const w = world()
  const asked = w.when(create('web', sources[name]))
  let step = 0
  const rest = w.settle(({ compensates }) => (compensates || ++step !== n ? ok : fail(`step ${n} broke`)))
  return { w, told: { events: [...asked.events, ...rest.events], lines: [...asked.lines, ...rest.lines] } }
}

describe('a container is created', () => {
  for (const name of NAMES) {
    test(`from ${name}, by its steps in order`, () => {
      const w = world()
      const asked = w.when(create('web', sources[name]))
      const rest = w.settle()
      assert.deepEqual([...intendedIn(asked), ...intendedIn(rest)], STEPS[name])
      assert.equal(phaseOf(w.get('web')), 'stopped')
      assert.equal(rest.lines.at(-1), 'ct OperationFinished done')
      assert.equal(w.get('web').context.staging, null)
    })
  }

  test('in one commit for each step: the outcome and the next intent stand together', () => {
    const w = world()
    assert.deepEqual(w.when(create('web', sources.empty)).lines, [
      'ct CommandAccepted ct.create',
      'pool UserCreated web',
      'ct CtCreateRequested',
      'ct EffectIntended dataset.create',
    ])
    const first = w.next()
    assert.deepEqual(w.answer(first?.wanted.intent ?? '').lines, [
      'ct EffectSucceeded dataset.create',
      'ct EffectIntended dataset.rename',
    ])
  })

  test('under a staging name that holds the intent, published by the guid that the step reported', () => {
    const w = world()
    const { decision } = w.when(create('web', sources.empty))
    assert.equal(decision.is, 'accepted')
    const made = w.next()?.wanted
    assert.deepEqual(made?.args, { dataset: `staging/${made?.intent}` })
    w.answer(made?.intent ?? '', { is: 'ok', evidence: { guid: '77' } })
    assert.deepEqual(w.next()?.wanted.args, {
      from: `staging/${made?.intent}`,
      to: 'ct/web',
      guid: '77',
      orExisting: false,
    })
    w.settle()
    assert.equal(w.get('web').context.dataset, '77')
  })

  test('by a clone alone when the image of the repository lies on the pool already', () => {
    const w = has(world(), 'first', 'repositoryTar')
    const asked = w.when(create('second', sources.repositoryTar))
    assert.deepEqual([...intendedIn(asked), ...intendedIn(w.settle())], STEPS.pool)
    assert.deepEqual(Object.keys(w.pool().context.images), [image('tar').key])
  })

  test('from the image that somebody else published meanwhile, and its own copy is discarded', () => {
    const w = world()
    w.when(create('web', sources.repositoryTar))
    const told = w.settle(({ kind, args }) =>
      kind === 'dataset.rename' && 'orExisting' in args && args.orExisting
        ? { is: 'ok', evidence: { guid: '99', existing: true } }
        : ok,
    )
    assert.ok(told.lines.includes('ct EffectIntended dataset.destroy'))
    assert.equal(w.pool().context.images[image('tar').key]?.guid, '99')
    assert.equal(phaseOf(w.get('web')), 'stopped')
  })

  test('twice at a time from one new image, which is installed once', () => {
    const w = world()
    w.when(create('a', sources.repositoryTar))
    w.when(create('b', sources.repositoryTar))
    const told = w.settle(({ kind, args }) => {
      const there = w.pool().context.images[image('tar').key]
      const publishes = kind === 'dataset.rename' && 'to' in args && args.to.startsWith('image/')
      return publishes && there ? { is: 'ok', evidence: { guid: there.guid, existing: true } } : ok
    })
    assert.equal(told.lines.filter((one) => one.startsWith('pool ImageInstalled')).length, 1)
    assert.equal(phaseOf(w.get('a')), 'stopped')
    assert.equal(phaseOf(w.get('b')), 'stopped')
  })
})

describe('a failed creation', () => {
  for (const name of NAMES) {
    for (const [i, kind] of STEPS[name].entries()) {
      test(`from ${name} at step ${i + 1} (${kind}) undoes what it made, newest first`, () => {
        const { w, told } = failingAt(name, i + 1)
        const made = STEPS[name].slice(0, i + 1).filter((one) => COMPENSATED.includes(one))
        const undone = intendedIn(told).filter((one) => one.endsWith('(undo)'))
        assert.deepEqual(
          undone,
          made.reverse().map((one) => `${one} (undo)`),
        )
        assert.equal(w.byCtid('web'), undefined)
        assert.equal(lifeOf(w.all()[0] ?? w.ct('')), 'gone')
        const finished = told.events.find(({ type }) => type === 'OperationFinished')
        assert.deepEqual(finished?.data, { result: 'undone', error: `step ${i + 1} broke` })
        assert.equal(w.pool().context.users['web'], undefined, 'its id block is kept')
      })
    }
  }

  test('leaves the image that it installed, and the name is free again', () => {
    const { w } = failingAt('repositoryTar', 6)
    assert.deepEqual(Object.keys(w.pool().context.images), [image('tar').key])
    has(w, 'web', 'repositoryTar')
    assert.equal(phaseOf(w.get('web')), 'stopped')
    assert.equal(w.all().length, 2)
  })

  test('goes on undoing when the admin gives one step up', () => {
    const w = world()
    w.when(create('web', sources.repositoryTar))
    let undoing = 0
    const told = w.settle(({ kind, compensates }) => {
      if (!compensates) return kind === 'dataset.clone' ? fail('no space') : ok
      undoing++
      return undoing === 1 ? { is: 'fail', message: 'given up by the operator', by: 'operator' } : ok
    })
    assert.equal(undoing, 2)
    const finished = told.events.find(({ type }) => type === 'OperationFinished')
    assert.deepEqual(finished?.data, { result: 'undone', error: 'no space' })
    assert.equal(lifeOf(w.all()[0] ?? w.ct('')), 'gone')
  })

  test('names the first error, whatever happens while it is undone', () => {
    const w = world()
    w.when(create('web', sources.empty))
    const told = w.settle(({ compensates }) => fail(compensates ? 'busy' : 'no space'))
    const finished = told.events.find(({ type }) => type === 'OperationFinished')
    assert.deepEqual(finished?.data, { result: 'undone', error: 'no space' })
  })
})

describe('id blocks', () => {
  const first = (ctid: string, w: ReturnType<typeof world>) => w.get(ctid).context.map?.first

  test('are given in order, freed with the container, and the freed one is given next', () => {
    const w = world()
    for (const ctid of ['a', 'b', 'c']) has(w, ctid)
    assert.deepEqual([first('a', w), first('b', w), first('c', w)], [1_000_000, 1_065_536, 1_131_072])
    w.when(remove('b'))
    w.settle()
    assert.equal(w.pool().context.users['b'], undefined)
    assert.equal(first('d', has(w, 'd')), 1_065_536)
  })

  test('of other pools are left alone, also when they lie askew', () => {
    const w = world()
    w.when(create('a', sources.empty, { foreignBlocks: [{ first: 1_000_100, count: 65_536 }] }))
    assert.equal(first('a', w), 1_131_072)
  })

  test('are shared only between containers whose user was named', () => {
    const w = world()
    w.when(create('a', sources.empty, { user: 'shared' }))
    w.when(create('b', sources.empty, { user: 'shared' }))
    assert.equal(first('a', w), first('b', w))
    w.settle()
    w.when(remove('a'))
    w.settle()
    assert.ok(w.pool().context.users['shared'], 'b still has it')
  })

  test("are not shared with a container that is called as another one's user", () => {
    const w = world()
    w.when(create('a', sources.empty, { user: 'b' }))
    w.when(create('b', sources.empty))
    w.settle()
    assert.notEqual(first('a', w), first('b', w))
    w.when(remove('b'))
    w.settle()
    assert.ok(w.pool().context.users['b'], 'a still has its user')
  })

  test('are not shared with what a renamed user leaves behind', () => {
    const w = has(world(), 'web')
    w.when(create('other', sources.empty, { user: 'web' }))
    w.settle()
    w.when(remove('web'))
    w.settle()
    has(w, 'web')
    assert.notEqual(first('web', w), first('other', w))
  })

  test('of a user that stands alone are used by the container of its name, and stay when it goes', () => {
    const w = world()
    const map = { first: 1_000_000 + 65_536 * 7, count: 65_536 }
    w.tell('pool', { type: 'UserCreated', name: 'web', range: 'default', block: 7, map, standalone: true })
    has(w, 'web')
    assert.deepEqual(w.get('web').context.map, map)
    w.when(remove('web'))
    w.settle()
    assert.ok(w.pool().context.users['web'])
  })

  test('run out with a refusal', () => {
    const w = world()
    const all = { first: 1_000_000, count: 65_536 * 65_520 }
    assert.equal(
      refusal(w, create('web', sources.empty, { foreignBlocks: [all] })).message,
      'no free space found (id range default is full; osctl id-range ls shows it)',
    )
  })
})

describe('a creation is refused', () => {
  test('for a name that is taken, with the text of the original', () => {
    const { code, message } = refusal(has(world(), 'web'), create('web'))
    assert.equal(code, 'E_CT_EXISTS')
    assert.equal(message, 'container tank:web already exists')
  })

  test('for a name that is being created just now', () => {
    const w = world()
    w.when(create('web'))
    assert.equal(refusal(w, create('web')).code, 'E_CT_EXISTS')
  })

  for (const ctid of ['../x', '-rf', 'a'.repeat(200), 'naïve', '', 'a b', 'a/b', 'a\n']) {
    test(`for the name ${JSON.stringify(ctid.slice(0, 12))}`, () => {
      const { kind, message } = refusal(world(), create(ctid))
      assert.equal(kind, 'invalid')
      assert.match(message, /^invalid ID, allowed characters: /)
    })
  }

  test('and leaves nothing but the refusal in the log', () => {
    const w = world()
    const { lines } = w.when(create('../x'))
    assert.deepEqual(lines, ['pool CommandRefused ct.create'])
  })
})
