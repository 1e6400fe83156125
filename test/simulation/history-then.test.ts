/** `history`, `event ls` and `why` with --at: what was answered then, whatever came after. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { MethodInput, MethodName } from '../../src/rpc/methods.ts'
import { running, scene } from './scenes.ts'
import type { World } from './world.ts'

const QUESTIONS: readonly (readonly [MethodName, MethodInput<MethodName>])[] = [
  ['history.list', {}],
  ['history.list', { ct: 'web' }],
  ['history.list', { failed: true }],
  ['history.subjects', { ct: 'web' }],
  ['event.list', { limit: 30 }],
  ['event.list', { ct: 'web', types: ['Ct*'] }],
  ['ct.why', { id: 'web' }],
  ['ct.why', { id: 'web', column: 'hostname' }],
]

const answers = (world: World, at: object): Promise<unknown[]> =>
  Promise.all(
    QUESTIONS.map(
      async ([method, params]) => (await world.must(method, { ...params, ...at } as never)).result,
    ),
  )

describe('What was done, and why, as it was told then', () => {
  it('is told again, of a container that changed, died, went, and came back under its name', async () => {
    const world = await scene()
    await running(world, 'web')
    await world.must('ct.set', { id: 'web', set: { hostname: 'first' } })
    await world.call('ct.new', { id: 'web', distribution: 'busybox' })
    await world.settle()
    const then: { position: string; time: number; told: unknown[] }[] = []
    const look = async (): Promise<void> => {
      const { seq } = world.daemon.pool('tank').journal.head()
      then.push({ position: `tank:${seq}`, time: world.time.now, told: await answers(world, {}) })
      await world.pass(60_000)
    }
    await look()
    await world.must('ct.set', { id: 'web', set: { hostname: 'second' } })
    await world.must('ct.stop', { id: 'web' })
    await look()
    await world.must('ct.delete', { id: 'web' })
    await world.must('ct.new', { id: 'web', distribution: 'busybox' })
    await look()
    world.powerCut()
    await world.boot()
    await world.settle()
    for (const { position, time, told } of then) {
      assert.deepEqual(await answers(world, { at: { position } }), told, position)
      assert.deepEqual(await answers(world, { at: { time } }), told, position)
    }
  })

  it('is of the end that the log came to, though it was sealed last and nobody had asked (seed 95737)', async () => {
    const world = await scene()
    const { journal } = world.daemon.pool('tank')
    await world.until(journal.seal(() => new Promise(() => {})))
    await world.until(journal.close())
    assert.equal(journal.head().seq, [...world.disks.named('tank').rows()].length)
  })

  it('is nothing of a pool whose log began later, and is refused in one line', async () => {
    const world = await scene()
    const { result } = await world.must('history.list', { at: { time: 1 } })
    assert.deepEqual(result, [])
    const { error } = await world.call('history.list', { at: { position: 'other:1' } })
    assert.equal(error?.kind, 'not-found')
  })
})
