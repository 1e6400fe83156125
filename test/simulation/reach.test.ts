/**
 * Nothing that the machines can ask of a host is left out of what is crashed: every transition that asks for an effect,
 * every kind of effect, and its undoing, happens in some verb's run, with or without a step that fails.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setup } from 'xstate'
import { at, type Course, record, send, start } from './crashes.ts'
import { askingOf, everything, reachedBy } from './reach.ts'
import { scene } from './scenes.ts'
import { EVERY_VERB, prepared } from './verbs-all.ts'

const HELPER_KILLED = { do: 'helper-killed' } as const

/** One run of the verb, of which one step fails when a boundary is given. */
async function run({ verb, from }: Course, n: number | null): Promise<Set<string>> {
  const { world, params } = await start(from, verb)
  if (n !== null) world.plan = at(n, HELPER_KILLED)
  await send(world, verb, params)
  if (!verb.closes) await world.settle()
  // A pool whose installation failed at its first step has no log.
  const disk = world.disks.find('tank')
  return disk ? reachedBy(disk.rows()) : new Set()
}

/** Two creations of which the second finds that the image was installed: in-flight.test.ts crashes it. */
async function race(): Promise<Set<string>> {
  const world = await scene()
  const requests = ['first', 'second'].map((id) => world.send('ct.new', { id, distribution: 'debian' }))
  await world.wait(() => requests.every(({ answered }) => answered), 'not answered')
  return reachedBy(world.disks.named('tank').rows())
}

describe('What the machines can ask of a host', () => {
  it('is asked in some run of some verb', async () => {
    const reached = await race()
    for (const verb of EVERY_VERB) {
      const course = await record(verb, await prepared(verb))
      const steps = course.boundaries.filter(({ helper, phase }) => helper && phase === 'before')
      for (const n of [null, ...steps.map((boundary) => boundary.n)])
        for (const name of await run(course, n)) reached.add(name)
    }
    const all = everything()
    assert.deepEqual(
      all.filter((name) => !reached.has(name)),
      [],
      'give each a verb in verbs.ts, verbs-rest.ts or verbs-overtaking.ts',
    )
    assert.deepEqual(
      [...reached].filter((name) => !all.includes(name)),
      [],
      'and the log shows nothing that the machines do not have',
    )
  })

  it('is read off the machines: a transition that is added is one more to reach', () => {
    const machine = setup({ actions: { effect: () => {} } }).createMachine({
      id: 'new',
      initial: 'rests',
      states: {
        rests: { on: { Asked: 'works', Noted: { actions: [] } } },
        works: { entry: 'effect', on: { Done: 'rests', Again: { target: 'works', reenter: true } } },
      },
    })
    assert.deepEqual(
      askingOf(machine).map(({ name }) => name),
      ['new: rests --Asked--> works', 'new: works --Again--> works'],
    )
  })
})
