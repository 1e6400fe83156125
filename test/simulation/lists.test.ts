/** Lists answer what was asked for, and no more. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { running, scene } from './scenes.ts'

it('ct.list answers whole rows, or of each the fields that are named', async () => {
  const world = await scene()
  await running(world, 'a', 'b')
  const whole = (await world.must('ct.list', {})).result as Record<string, unknown>[]
  assert.ok(whole.every((row) => Object.keys(row).length > 20))
  const columns = ['id', 'state', 'attrs', 'no such field']
  const some = (await world.must('ct.list', { columns })).result
  assert.deepEqual(some, [
    { id: 'a', state: 'running', attrs: {} },
    { id: 'b', state: 'running', attrs: {} },
  ])
})

it('event.show tells the hash of an event, which for the last one is the head', async () => {
  const world = await scene()
  const [{ head = '' } = {}] = (await world.must('event.verify', {})).result as { head: string }[]
  const [seq, hash] = head.split(':')
  const row = (await world.must('event.show', { position: `tank:${seq}` })).result as { hash?: string }
  assert.equal(row.hash, hash)
})
