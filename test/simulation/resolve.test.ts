/** An admin's word settles an operation in doubt, where the host does not say otherwise. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { NOTHING } from './boundary.ts'
import { problems } from './invariants.ts'
import { scene } from './scenes.ts'
import { TAR } from './verbs.ts'

/** An import of which neither the effect nor its undo came through. */
async function doubtfulImport() {
  const world = await scene()
  world.plan = ({ what, phase }) =>
    phase === 'before' && ['images.unpack', 'zfs.destroy'].includes(what)
      ? { do: 'error', code: 'E_FAILED', failure: 'permanent' }
      : NOTHING
  const { error } = await world.call('ct.import', { file: TAR, id: 'web' })
  world.plan = () => NOTHING
  assert.equal(error?.kind, 'in-doubt', error?.message)
  const [name] = Object.keys(world.machine.state.datasets).filter((dataset) => dataset.includes('/staging/'))
  assert.ok(name)
  return { world, op: error?.op ?? '', destroyByHand: () => delete world.machine.state.datasets[name] }
}

it('an undo is not resolved as done while what it was to remove is there', async () => {
  const { world, op, destroyByHand } = await doubtfulImport()
  const refused = await world.call('op.resolve', { op, as: 'done' })
  assert.equal(refused.error?.code, 'E_NOT_DONE')
  assert.match(refused.error?.message ?? '', /still there|is not complete/)
  destroyByHand()
  await world.must('op.resolve', { op, as: 'done' })
  await world.settle()
  assert.deepEqual(await problems(world), [])
})

it('of two words on one operation the first one settles it, and the second is refused (seed 23678)', async () => {
  const { world, op, destroyByHand } = await doubtfulImport()
  destroyByHand()
  const answers = await Promise.all([
    world.call('op.resolve', { op, as: 'done' }),
    world.call('op.resolve', { op, as: 'done' }),
  ])
  const [refused, ...others] = answers.flatMap(({ error }) => (error ? [error] : []))
  assert.equal(refused?.code, 'E_OP_SETTLED')
  assert.deepEqual(others, [])
  await world.settle()
  assert.deepEqual(await problems(world), [])
})
