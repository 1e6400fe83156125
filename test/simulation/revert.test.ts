/** Taking back changes: what was is again, and nobody's later change is lost unasked. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { EventData } from '../../src/events/types/events.ts'
import type { MethodInput, MethodName } from '../../src/rpc/methods.ts'
import type { Accepted } from '../../src/rpc/results.ts'
import { Random } from './random.ts'
import { assertWell, scene } from './scenes.ts'
import type { World } from './world.ts'

/** Does it, and says where it stands. */
async function change<M extends MethodName>(
  world: World,
  method: M,
  params: MethodInput<M>,
): Promise<string> {
  const { result } = await world.must(method, params)
  return (result as Accepted).position ?? ''
}

async function town(): Promise<World> {
  const world = await scene()
  await world.must('ct.new', { id: 'web', distribution: 'busybox' })
  return world
}

const settingsOf = (world: World, id = 'web') =>
  world.daemon.pools.get('tank')?.states.byCtid(id)?.context.settings
const configOf = (world: World) => world.daemon.pools.get('tank')?.states.pool().context
const revert = (world: World, what: string, force = false) => world.call('revert', { what, force })
const last = (world: World, type: string): { seq: number; data: unknown } => {
  const row = [...world.disks.named('tank').rows()].findLast(({ event }) => event.type === type)
  return { seq: row?.event.seq ?? 0, data: row?.event.data }
}

describe('revert', () => {
  it('puts back what a change of a container overwrote, says what it takes back, and can be taken back', async () => {
    const world = await town()
    await world.must('ct.set', {
      id: 'web',
      set: { hostname: 'first', attrs: { 'a:kept': '1', 'a:gone': '2' } },
    })
    const before = settingsOf(world)
    const set = {
      autostart: { priority: 3, delay: 1 },
      hostname: 'www',
      attrs: { 'a:gone': null, 'a:new': '3' },
    }
    const at = await change(world, 'ct.set', { id: 'web', set })
    const made = settingsOf(world)
    const { seq } = last(world, 'CtConfigSet')
    const { error } = await revert(world, at)
    assert.equal(error, null)
    assert.deepEqual(settingsOf(world), before)
    const inverse = last(world, 'CtConfigSet')
    assert.equal((inverse.data as EventData<'CtConfigSet'>).reverts, seq)
    assert.equal((await revert(world, `tank:${inverse.seq}`)).error, null)
    assert.deepEqual(settingsOf(world), made)
    await assertWell(world)
  })

  it('takes an operation by its id, and a bare position where there is one pool', async () => {
    const world = await town()
    const { result } = await world.must('ct.set', { id: 'web', set: { hostname: 'www' } })
    assert.equal((await revert(world, (result as Accepted).op ?? '')).error, null)
    assert.equal(settingsOf(world)?.hostname, null)
    await world.must('ct.set', { id: 'web', set: { hostname: 'www' } })
    assert.equal((await revert(world, String(last(world, 'CtConfigSet').seq))).error, null)
    assert.equal(settingsOf(world)?.hostname, null)
  })

  it('names the later change that it would undo as well, and does so only when it must', async () => {
    const world = await town()
    const first = await change(world, 'ct.set', { id: 'web', set: { hostname: 'one' } })
    await world.must('ct.set', { id: 'web', set: { autostart: { priority: 1, delay: 0 } } })
    await world.must('ct.set', { id: 'web', set: { hostname: 'two' } })
    const { seq } = last(world, 'CtConfigSet')
    const { error } = await revert(world, first)
    assert.equal(error?.code, 'E_CHANGED_SINCE')
    assert.ok(
      error?.message.includes(`hostname (now "two") was changed again since by tank:${seq}; --force`),
      error?.message,
    )
    assert.equal(settingsOf(world)?.hostname, 'two')
    assert.equal((await revert(world, first, true)).error, null)
    assert.equal(settingsOf(world)?.hostname, null)
    assert.deepEqual(settingsOf(world)?.autostart, { priority: 1, delay: 0 }, 'another setting stays')
    const again = await revert(world, first)
    assert.equal(again.error?.code ?? (again.result as Accepted).result, 'E_CHANGED_SINCE')
  })

  it('does nothing where it is so already', async () => {
    const world = await town()
    const at = await change(world, 'ct.set', { id: 'web', set: { hostname: 'one' } })
    await world.must('ct.set', { id: 'web', set: { hostname: null } })
    const { result, error } = await revert(world, at, true)
    assert.equal(error, null)
    assert.equal((result as Accepted).result, 'noop')
  })

  it('puts back settings of a pool', async () => {
    const world = await town()
    const before = configOf(world)?.config
    const set = { parallelStart: 7, attrs: { 'b:c': 'd' } }
    const at = await change(world, 'pool.set', { name: 'tank', set })
    assert.notDeepEqual(configOf(world)?.config, before)
    assert.equal((await revert(world, at)).error, null)
    assert.deepEqual(configOf(world)?.config, before)
  })

  it('takes back each change of a repository', async () => {
    const world = await town()
    const added = await change(world, 'repo.add', { name: 'mine', url: '/usr/images' })
    const off = await change(world, 'repo.disable', { name: 'mine' })
    const table = configOf(world)?.repositories
    const deleted = await change(world, 'repo.delete', { name: 'mine' })
    assert.equal((await revert(world, deleted)).error, null)
    assert.deepEqual(configOf(world)?.repositories, table, 'its address and that it was disabled come back')
    assert.equal((await revert(world, off)).error, null)
    assert.equal(configOf(world)?.repositories['mine']?.enabled, true)
    assert.equal((await revert(world, added)).error, null)
    assert.equal(configOf(world)?.repositories['mine'], undefined)
    const gone = await revert(world, off, true)
    assert.equal(gone.error?.code, 'E_REPO_NOT_FOUND')
  })

  it('says why not, and what to do instead', async () => {
    const world = await town()
    const created = last(world, 'CtCreateRequested').seq
    const start = await change(world, 'ct.start', { id: 'web' })
    const set = await change(world, 'ct.set', { id: 'web', set: { hostname: 'www' } })
    const refusals: [string, string, RegExp][] = [
      [start, 'E_NO_INVERSE', /CtStartRequested cannot be taken back: osctl ct stop stops it/],
      [`tank:${created}`, 'E_NO_INVERSE', /osctl ct del deletes it/],
      [`tank:${last(world, 'PoolReady').seq}`, 'E_NO_INVERSE', /not a change of configuration/],
      ['tank:1', 'E_NO_INVERSE', /SegmentOpened cannot be taken back: it is not a change of configuration/],
      ['tank:999999', 'E_EVENT_NOT_FOUND', /the log goes from 1 to/],
      ['moon:1', 'E_POOL_NOT_FOUND', /pool not imported/],
      ['yesterday', 'E_POSITION', /not a change: yesterday/],
      ['01KE0000000000000000000000', 'E_OP_NOT_FOUND', /operation not found/],
    ]
    for (const [what, code, says] of refusals) {
      const { error } = await revert(world, what)
      assert.equal(error?.code, code, what)
      assert.match(error?.message ?? '', says)
    }
    await world.must('ct.delete', { id: 'web', force: true })
    assert.equal((await revert(world, set)).error?.kind, 'not-found')
    await assertWell(world)
  })

  it('in a plan, changes nothing', async () => {
    const world = await town()
    const at = await change(world, 'ct.set', { id: 'web', set: { hostname: 'www' } })
    const { result } = await world.must('revert', { what: at, meta: { dryRun: true } })
    const { plan } = result as Accepted
    assert.deepEqual(
      plan?.events.map(({ type }) => type),
      ['CommandAccepted', 'CtConfigSet', 'OperationFinished'],
    )
    assert.equal(settingsOf(world)?.hostname, 'www')
  })

  it('of all changes, newest first, ends where they began', async () => {
    for (let seed = 1n; seed <= 20n; seed++) {
      const world = await town()
      const chance = new Random(seed)
      const before = settingsOf(world)
      const changes: string[] = []
      for (let n = 0; n < 8; n++) {
        const hostname = chance.pick([null, 'a', 'b'])
        const attrs = { [`x:${chance.below(3)}`]: chance.pick([null, '1', '2']) }
        const autostart = chance.pick([null, { priority: chance.below(3), delay: 0 }])
        const set = chance.pick([{ hostname }, { attrs }, { autostart }, { hostname, attrs, autostart }])
        const { result } = await world.must('ct.set', { id: 'web', set })
        if ((result as Accepted).result === 'done') changes.push((result as Accepted).position ?? '')
      }
      for (const what of changes.reverse())
        assert.equal((await revert(world, what)).error, null, `seed ${seed}`)
      assert.deepEqual(settingsOf(world), before, `seed ${seed}`)
    }
  })
})
