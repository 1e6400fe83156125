/** Who did what, asked of the daemon: filters, names that were used twice, several pools. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { EventRow, HistoryRow, SubjectRow } from '../../src/rpc/results.ts'
import { NOTHING } from './boundary.ts'
import { inside, row, running, scene } from './scenes.ts'
import type { World } from './world.ts'

const history = async (world: World, params: object = {}): Promise<HistoryRow[]> =>
  (await world.must('history.list', params)).result as HistoryRow[]
const events = async (world: World, params: object = {}): Promise<EventRow[]> =>
  (await world.must('event.list', params)).result as EventRow[]
const told = (rows: readonly HistoryRow[]): string[] =>
  rows.map(({ command, result }) => `${command}: ${result}`)

async function reused(): Promise<{ world: World; first: string }> {
  const world = await scene()
  await running(world, 'web')
  const { stream } = await row(world, 'web')
  inside(world, 'web', 'crash')
  await world.settle()
  await world.must('ct.delete', { id: 'web' })
  return { world, first: stream }
}

describe('History', () => {
  it('of a container that is gone is found by its old id and by its own', async () => {
    const { world, first } = await reused()
    const byName = await history(world, { ct: 'web' })
    assert.deepEqual(told(byName), ['ct new web: done', 'ct start web: done', 'died: -', 'ct del web: done'])
    assert.deepEqual(
      byName.map(({ target }) => target),
      ['web', 'web', 'web', 'web'],
    )
    assert.deepEqual(await history(world, { ct: first }), byName)
    assert.deepEqual(await history(world, { ct: `tank:${first}` }), byName)
    const { error } = await world.call('history.list', { ct: 'never' })
    assert.equal(error?.code, 'E_CT_NOT_FOUND')
  })

  it('of a name that two containers had holds both, and tells which they are', async () => {
    const { world, first } = await reused()
    await world.must('ct.new', { id: 'web', distribution: 'busybox' })
    const second = (await row(world, 'web')).stream
    const rows = await history(world, { ct: 'web' })
    assert.deepEqual([...new Set(rows.map(({ stream }) => stream))], [`ct:${first}`, `ct:${second}`])
    const subjects = (await world.must('history.subjects', { ct: 'web' })).result as SubjectRow[]
    assert.deepEqual(
      subjects.map(({ stream, ctid, deleted_at }) => [stream, ctid, deleted_at === null]),
      [
        [first, 'web', false],
        [second, 'web', true],
      ],
    )
    assert.deepEqual(told(await history(world, { ct: second })), ['ct new web: done'])
  })

  it('by user holds the containers that have or had it', async () => {
    const { world, first } = await reused()
    await running(world, 'other')
    const rows = await history(world, { user: 'web' })
    assert.deepEqual([...new Set(rows.map(({ stream }) => stream))], [`ct:${first}`])
    assert.equal((await world.call('history.list', { user: 'nobody' })).error?.code, 'E_USER_NOT_FOUND')
  })

  it('of failures holds what was refused, failed, in doubt, and who died, and nothing else', async () => {
    const { world } = await reused()
    await world.call('ct.start', { id: 'nothing' })
    world.plan = ({ what, phase }) =>
      what === 'lxc.start' && phase === 'before'
        ? { do: 'error', code: 'E_FAILED', failure: 'permanent' }
        : NOTHING
    await world.must('ct.new', { id: 'b', distribution: 'busybox' })
    await world.call('ct.start', { id: 'b' })
    world.plan = () => NOTHING
    const rows = await history(world, { failed: true })
    assert.deepEqual(told(rows), ['died: -', 'ct start nothing: refused', 'ct start b: failed'])
    assert.ok(rows.at(-1)?.error)
  })

  it('by actor, time and operation holds what fulfils them all, the newest within the limit', async () => {
    const world = await scene()
    await running(world, 'a')
    const noon = world.time.now
    await world.pass(1000)
    await world.must('ct.stop', {
      id: 'a',
      meta: { sudoUser: 'alice', sshClient: '10.0.0.5', reason: 'ticket 7' },
    })
    await world.must('ct.start', { id: 'a', meta: { sudoUser: 'bob' } })
    for (const actors of [['alice'], ['10.0.0.5'], ['alice from 10.0.0.5']]) {
      const [only, ...others] = await history(world, { actors })
      assert.deepEqual([only?.command, only?.reason, others.length], ['ct stop a', 'ticket 7', 0])
    }
    assert.deepEqual(told(await history(world, { actors: ['alice', 'bob'], limit: 1 })), ['ct start a: done'])
    assert.ok(
      (await history(world, { actors: ['system'] })).every(({ actor }) => actor.startsWith('system:')),
    )
    const later = await history(world, { since: noon + 1 })
    assert.deepEqual(told(later), ['ct stop a: done', 'ct start a: done'])
    assert.deepEqual(await history(world, { op: later[0]?.op }), later.slice(0, 1))
    const all = await history(world)
    assert.deepEqual(await history(world, { until: noon }), all.slice(0, -2))
    assert.equal((await world.call('history.list', { since: noon, until: noon - 1 })).error?.code, 'E_TIME')
  })

  it('tells who went inside, and how it ended', async () => {
    const world = await scene()
    await running(world, 'a')
    const { session } = (await world.must('ct.exec', { id: 'a', program: 'sh' })).result as {
      session: string
    }
    await world.must('ct.session-ended', { session, status: 3 })
    assert.deepEqual(told(await history(world, { ct: 'a' })).at(-1), 'ct exec: sh: exit 3')
  })

  it('of two pools is in the order in which it happened, also when the wall clock jumped', async () => {
    const world = await scene({ pools: ['tank', 'dozer'] })
    let shiftMs = 0
    Object.assign(world.daemon.ports.clock, { wall: () => world.time.now + shiftMs })
    for (const [n, pool] of ['tank', 'dozer', 'tank', 'dozer'].entries()) {
      shiftMs = n % 2 ? -3_600_000 : 0
      await world.pass(10)
      await world.must('ct.new', { id: `c${n}`, pool, distribution: 'busybox' })
    }
    const made = (await history(world)).filter(({ command }) => command.startsWith('ct new'))
    assert.deepEqual(
      made.map(({ target }) => target),
      ['c0', 'c1', 'c2', 'c3'],
    )
    assert.ok((made[1]?.time ?? 0) < (made[0]?.time ?? 0))
  })
})

describe('Events', () => {
  it('are filtered by stream, type, time and sequence, with patterns for types', async () => {
    const { world, first } = await reused()
    const exited = await events(world, { types: ['ctex*', 'CtLost'] })
    assert.deepEqual(
      exited.map(({ type, target }) => [type, target]),
      [['CtExited', 'web']],
    )
    const ct = await events(world, { stream: first.toLowerCase() })
    assert.deepEqual(ct, await events(world, { ct: 'web' }))
    const [from, to] = [ct[2]?.position ?? '', ct[5]?.position ?? '']
    const part = await events(world, { from, to })
    assert.deepEqual([part[0]?.position, part.at(-1)?.position], [from, to])
    assert.deepEqual(await events(world, { from, to, reverse: true }), part.toReversed())
    assert.equal((await world.call('event.list', { types: ['Nonsense'] })).error?.code, 'E_EVENT_TYPE')
    assert.equal((await world.call('event.list', { stream: 'x' })).error?.code, 'E_STREAM')
  })

  it('a bare sequence number is a position only with one pool', async () => {
    const world = await scene({ pools: ['tank', 'dozer'] })
    const { error } = await world.call('event.list', { from: '3' })
    assert.match(error?.message ?? '', /several pools are imported: write POOL:3 \(tank, dozer\)/)
    assert.equal((await events(world, { from: '3', pools: ['dozer'] }))[0]?.position, 'dozer:3')
    assert.equal((await events(world, { from: 'tank:3' }))[0]?.position, 'tank:3')
    const both = await events(world)
    assert.deepEqual(new Set(both.map(({ pool }) => pool)), new Set(['tank', 'dozer']))
  })
})
