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

it('lists are in the order of names, also after a replay, whose states have another (seed 81466)', async () => {
  const world = await scene()
  for (const name of ['two', 'one']) {
    await world.must('witness.add', { name, target: `syslog:${name}` })
    await world.must('repo.add', { name, url: '/usr/images' })
  }
  const names = async (method: 'witness.list' | 'repo.list'): Promise<string[]> =>
    ((await world.must(method, {})).result as { name: string }[]).map(({ name }) => name)
  for (let boots = 0; boots < 2; boots++) {
    assert.deepEqual(await names('witness.list'), ['one', 'two'])
    assert.deepEqual(await names('repo.list'), ['default', 'one', 'two'])
    world.kill()
    await world.boot()
  }
})

it('a log that is closed tells where it ended, whoever asked last (seed 95737)', async () => {
  const world = await scene()
  const journal = world.daemon.pools.get('tank')?.journal
  assert.ok(journal)
  journal.head()
  await world.must('pool.set', { name: 'tank', set: { parallelStop: 3 } })
  const last = world.disks.named('tank').open()?.rows.at(-1)?.event.seq
  await world.until(journal.close())
  assert.equal(journal.head().seq, last)
})
