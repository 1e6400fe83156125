/** Back from the trash: the same container with its files, its settings and its history, and nobody else's ids. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Accepted, EventRow, SubjectRow, TrashRow } from '../../src/rpc/results.ts'
import { assertWell, onHost, row, running, scene, types } from './scenes.ts'
import type { World } from './world.ts'

async function deleted(world: World, id = 'web'): Promise<TrashRow> {
  await world.must('ct.delete', { id, force: true })
  await world.settle()
  const { result } = await world.must('trash.list', {})
  const entry = (result as TrashRow[]).findLast(({ ctid }) => ctid === id)
  assert.ok(entry)
  return entry
}

async function withMail(): Promise<World> {
  const world = await scene()
  await running(world, 'web')
  await world.must('ct.set', {
    id: 'web',
    set: { hostname: 'www', autostart: { priority: 1, delay: 0 }, attrs: { 'a:b': 'c' } },
  })
  world.machine.putFile('/tank/ct/web/private/var/mail', 'a letter')
  return world
}

const blocks = (world: World): number[] =>
  Object.values(world.daemon.pools.get('tank')?.states.pool().context.users ?? {}).map(({ map }) => map.first)

describe('ct undelete', () => {
  it('brings back files, settings, user and ids, and the stream goes on', async () => {
    const world = await withMail()
    const before = await row(world, 'web')
    const guid = world.machine.state.datasets['tank/ct/web']?.guid
    const entry = await deleted(world)
    await world.must('ct.undelete', { id: 'web' })
    await assertWell(world)
    const after = await row(world, 'web')
    const changed = ['state', 'init_pid', 'started_at', 'restart_needed']
    const same = (of: object) => Object.entries(of).filter(([name]) => !changed.includes(name))
    assert.deepEqual(same(after), same(before))
    assert.equal(after.state, 'stopped')
    assert.equal(after.stream, entry.stream)
    assert.equal(world.machine.state.datasets['tank/ct/web']?.guid, guid)
    assert.equal(world.machine.state.datasets['tank/ct/web']?.files['private/var/mail'], 'a letter')
    assert.deepEqual((await world.must('trash.list', {})).result, [])
    await world.must('ct.start', { id: 'web' })
    assert.equal(onHost(world, 'web').state, 'running')
    await assertWell(world)
    await deleted(world)
    await world.must('ct.undelete', { id: entry.stream })
    await assertWell(world)
  })

  it('is refused while another container has the id, and takes another one', async () => {
    const world = await withMail()
    const { uid_map } = await row(world, 'web')
    const entry = await deleted(world)
    await running(world, 'web')
    assert.equal((await row(world, 'web')).uid_map, uid_map, 'the new one has the ids of the old one')
    const { error } = await world.call('ct.undelete', { id: 'web' })
    assert.equal(error?.code, 'E_CT_EXISTS')
    assert.match(error?.message ?? '', /--as-id restores this one under another id/)
    const { result } = await world.must('ct.undelete', { id: entry.name, asId: 'old' })
    assert.match((result as Accepted).warnings[0] ?? '', /its host ids .* belong to another container now/)
    await assertWell(world)
    const old = await row(world, 'old')
    assert.notEqual(old.uid_map, uid_map)
    assert.notEqual(old.user, (await row(world, 'web')).user)
    assert.equal(new Set(blocks(world)).size, blocks(world).length)
    await world.must('ct.start', { id: 'old' })
    await assertWell(world)
  })

  it('under another id is still found by the one that it had, and by the new one', async () => {
    const world = await withMail()
    const entry = await deleted(world)
    await world.must('ct.undelete', { id: 'web', asId: 'again' })
    for (const ct of ['web', 'again', entry.stream]) {
      const { result } = await world.must('history.subjects', { ct })
      const [found, ...others] = result as SubjectRow[]
      assert.deepEqual(
        [found?.stream, found?.ctid, found?.deleted_at, others],
        [entry.stream, 'again', null, []],
        ct,
      )
    }
    await world.must('ct.delete', { id: 'again' })
    const { result } = await world.must('event.list', { ct: 'again', types: ['CtUndeleteRequested'] })
    assert.equal((result as EventRow[])[0]?.target, 'again')
  })

  it('gives back a user that the admin shares between containers', async () => {
    const world = await scene()
    await world.must('ct.new', { id: 'one', distribution: 'busybox' })
    await world.must('ct.new', { id: 'two', distribution: 'busybox', user: 'one' })
    await deleted(world, 'two')
    await world.must('ct.undelete', { id: 'two' })
    assert.equal((await row(world, 'two')).user, 'one')
    assert.equal((await row(world, 'two')).uid_map, (await row(world, 'one')).uid_map)
    await assertWell(world)
  })

  it('asks which of several containers that had one id is meant', async () => {
    const world = await withMail()
    const first = await deleted(world)
    await world.must('ct.new', { id: 'web', distribution: 'busybox' })
    const second = await deleted(world)
    const { error } = await world.call('ct.undelete', { id: 'web' })
    assert.equal(error?.code, 'E_TRASH_AMBIGUOUS')
    assert.ok(error?.message.includes(first.name) && error.message.includes(second.name))
    await world.must('ct.undelete', { id: `tank:${first.name}` })
    assert.equal((await row(world, 'web')).hostname, 'www')
    await assertWell(world)
  })

  it('cannot bring back what was pruned, and nothing is pruned that comes back', async () => {
    const world = await withMail()
    await deleted(world)
    world.plan = ({ what, phase }) =>
      what === 'zfs.rename' && phase === 'before' ? { do: 'hang' } : { do: 'nothing' }
    const request = world.send('ct.undelete', { id: 'web' })
    await world.wait(() => request.operation !== null, 'not accepted')
    assert.equal(((await world.must('trash.prune', {})).result as Accepted).result, 'noop')
    world.plan = () => ({ do: 'nothing' })
    world.kill()
    await world.boot()
    await assertWell(world)
    assert.equal((await row(world, 'web')).state, 'stopped')
    await deleted(world)
    await world.must('trash.prune', {})
    const { error } = await world.call('ct.undelete', { id: 'web' })
    assert.equal(error?.code, 'E_TRASH_NOT_FOUND')
    await assertWell(world)
  })

  it('that fails leaves the trash as it was', async () => {
    const world = await withMail()
    const entry = await deleted(world)
    const users = blocks(world)
    world.plan = ({ what, phase }) =>
      what === 'zfs.rename' && phase === 'before'
        ? { do: 'error', code: 'E_FAILED', failure: 'permanent' }
        : { do: 'nothing' }
    const { error } = await world.call('ct.undelete', { id: 'web' })
    assert.equal(error?.kind, 'failed')
    world.plan = () => ({ do: 'nothing' })
    await assertWell(world)
    assert.deepEqual(blocks(world), users)
    assert.deepEqual((await world.must('trash.list', {})).result, [entry])
    await world.must('ct.undelete', { id: 'web' })
    await assertWell(world)
  })

  it('works after the segment with its life was sealed', async () => {
    const world = await withMail()
    const entry = await deleted(world)
    await world.until(world.daemon.pools.get('tank')?.upkeep.seal() ?? Promise.resolve())
    world.kill()
    await world.boot()
    await world.must('ct.undelete', { id: 'web' })
    const after = await row(world, 'web')
    assert.equal(after.hostname, 'www')
    assert.equal(after.stream, entry.stream)
    assert.ok(types(world).includes('TrashRestored'))
    await assertWell(world)
  })
})
