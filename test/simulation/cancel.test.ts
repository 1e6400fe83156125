/**
 * Operations that an admin holds: cancelled at every moment of their lives, they are done or undone and never half;
 * attached to, they end as they would have for whoever gave the command.
 */
import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import type { Accepted, HistoryRow, OpRow } from '../../src/rpc/results.ts'
import { type Boundary, NOTHING, nameOf, type Plan } from './boundary.ts'
import { record, send, start } from './crashes.ts'
import { problems } from './invariants.ts'
import { assertWell, count, running, scene, stateOf } from './scenes.ts'
import { summary, textOf } from './summary.ts'
import { CREATIONS, DELETIONS, prepared, RESTORATIONS, RUNS, type Verb } from './verbs.ts'
import type { Request, World } from './world.ts'

const counts = { cancelled: 0, late: 0, refused: 0 }

/** The operation that the verb's own command began, as soon as it is known. */
function openOp(world: World): string | null {
  for (const { states } of world.daemon.pools.values())
    for (const { context } of [states.pool(), ...states.all()]) if (context.op) return context.op.id
  return null
}

/** One run, cancelled at one boundary; with `death` the daemon dies some boundaries later. */
async function cancelled(
  verb: Verb,
  course: Awaited<ReturnType<typeof record>>,
  at: Boundary,
  death: number | null,
) {
  const { world, params } = await start(course.from, verb)
  let cancel: Request | null = null
  world.plan = ({ n }) => {
    const op = n === at.n ? openOp(world) : null
    if (op !== null) cancel = world.send('op.cancel', { op })
    return death !== null && n === at.n + death ? { do: 'kill' } : NOTHING
  }
  const request = await send(world, verb, params)
  if (world.isUp) await world.settle()
  world.plan = () => NOTHING
  if (!world.isUp) await world.boot()
  await world.settle()
  const found = await problems(world)
  const told = [`${verb.name}, cancelled ${nameOf(at)}`, ...found, ...world.story].join('\n')
  assert.deepEqual(found, [], told)
  const now = textOf(summary(world))
  const halves = verb.name.startsWith('ct restart') || verb.name.startsWith('ct del -f')
  if (!halves) assert.ok([course.before, course.after].map(textOf).includes(now), told)
  const answer = cancel as Request | null
  if (death !== null || !answer) return
  assert.ok(answer.answered, told)
  if (answer.error === null) {
    counts.cancelled += 1
    assert.equal(request.error?.kind, 'failed', told)
    assert.match(request.error?.message ?? '', /cancelled by/)
    if (!halves) assert.equal(now, textOf(course.before), told)
  } else if (answer.error.code === 'E_TOO_LATE') counts.late += 1
  else {
    assert.ok(
      ['E_CANNOT_CANCEL', 'E_OP_OVER'].includes(answer.error.code),
      `${answer.error.message}\n${told}`,
    )
    counts.refused += 1
  }
}

const VERBS = [...CREATIONS, ...RUNS, ...DELETIONS, ...RESTORATIONS]

describe('an operation that is cancelled at any boundary is done or undone, never half', () => {
  for (const verb of VERBS) {
    it(verb.name, async () => {
      const course = await record(verb, await prepared(verb))
      for (const at of course.boundaries) {
        await cancelled(verb, course, at, null)
        await cancelled(verb, course, at, 1 + (at.n % 5))
      }
    })
  }
})

after(() => {
  console.log(`${counts.cancelled} cancelled, ${counts.late} too late, ${counts.refused} refused`)
  assert.ok(counts.cancelled > 50 && counts.late > 0 && counts.refused > 0)
})

describe('op cancel', () => {
  it('stops a download that hangs, and the container is as if it had never been asked for', async () => {
    const world = await scene()
    world.plan = ({ what, phase }) =>
      what === 'images.fetch' && phase === 'before' ? { do: 'hang' } : NOTHING
    const request = world.send('ct.new', { id: 'web', distribution: 'debian' })
    await world.wait(() => request.operation !== null, 'not accepted')
    await world.pass(1000)
    await world.must('op.cancel', { op: request.operation ?? '' })
    await world.wait(() => request.answered, 'not answered')
    assert.match(request.error?.message ?? '', /^cancelled by uid 1000$/)
    await assertWell(world)
    assert.equal((await world.call('ct.show', { id: 'web' })).error?.kind, 'not-found')
  })

  for (const [what, distribution] of [
    ['images.fetch', 'debian'],
    ['images.unpack', 'debian'],
    ['zfs.clone', 'busybox'],
  ] as const) {
    it(`in the middle of ${what} is remembered by the daemon after the one that was asked`, async () => {
      const world = await scene()
      await world.must('ct.new', { id: 'other', distribution: 'busybox' })
      world.plan = ({ what: at, phase }) => (at === what && phase === 'before' ? { do: 'hang' } : NOTHING)
      const request = world.send('ct.new', { id: 'web', distribution })
      await world.wait(() => request.operation !== null, 'not accepted')
      await world.pass(1000)
      const op = request.operation ?? ''
      const killAtFence: Plan = ({ what: at }) => (at === 'host.fence' ? { do: 'kill' } : NOTHING)
      if (what !== 'zfs.clone') world.plan = killAtFence
      world.send('op.cancel', { op, meta: { noWait: true, cli: `osctl op cancel ${op}` } })
      await world.pass(1000)
      if (what === 'zfs.clone') world.kill()
      assert.ok(!world.isUp)
      assert.equal(count(world, 'CancelRequested'), 1)
      world.plan = () => NOTHING
      await world.boot()
      await assertWell(world)
      const { result } = await world.must('op.show', { op })
      const { state, problem } = result as OpRow
      assert.deepEqual([state, problem], ['undone', 'cancelled by uid 1000'], world.story.join('\n'))
      assert.equal((await world.call('ct.show', { id: 'web' })).error?.kind, 'not-found')
      const rows = (await world.must('history.list', { actors: ['uid 1000'] })).result as HistoryRow[]
      assert.equal(rows.filter(({ command }) => command === `osctl op cancel ${op}`).length, 1)
    })
  }

  it('says so while it cannot be stopped yet', async () => {
    const world = await scene()
    await world.must('ct.new', { id: 'other', distribution: 'busybox' })
    world.plan = ({ what, phase }) => (what === 'zfs.clone' && phase === 'before' ? { do: 'hang' } : NOTHING)
    const request = world.send('ct.new', { id: 'web', distribution: 'busybox' })
    await world.pass(1000)
    const op = request.operation ?? ''
    await world.must('op.cancel', { op, meta: { noWait: true } })
    const { state, problem } = (await world.must('op.show', { op })).result as OpRow
    assert.deepEqual([state, problem], ['running', 'cancelled by uid 1000: it goes no further'])
    world.plan = () => NOTHING
    world.machine.fence(`${op}.1`)
    await assertWell(world)
  })

  it('names the step that forbids it, and knows what is over', async () => {
    const world = await scene()
    await running(world, 'web')
    world.plan = ({ what, phase }) => (what === 'lxc.stop' && phase === 'before' ? { do: 'hang' } : NOTHING)
    const stop = world.send('ct.stop', { id: 'web' })
    await world.wait(() => stop.operation !== null, 'not accepted')
    await world.pass(100)
    const op = stop.operation ?? ''
    const { error } = await world.call('op.cancel', { op })
    assert.equal(error?.code, 'E_CANNOT_CANCEL')
    assert.match(
      error?.message ?? '',
      /^step 1, lxc\.stop, cannot be cancelled: .*ct stop --kill ends it at once$/,
    )
    world.plan = () => NOTHING
    await world.must('ct.stop', { id: 'web', mode: 'kill' })
    assert.equal((await world.call('op.cancel', { op })).error?.code, 'E_OP_OVER')
    assert.equal((await world.call('op.cancel', { op: 'nobody' })).error?.code, 'E_OP_NOT_FOUND')
    await assertWell(world)
  })

  it('has a plan', async () => {
    const world = await scene()
    world.plan = ({ what, phase }) =>
      what === 'images.unpack' && phase === 'before' ? { do: 'hang' } : NOTHING
    const request = world.send('ct.new', { id: 'web', distribution: 'debian' })
    await world.pass(1000)
    const { result } = await world.must('op.cancel', { op: request.operation ?? '', meta: { dryRun: true } })
    assert.deepEqual(
      (result as Accepted).plan?.effects.map(({ kind }) => kind),
      ['undo of dataset.create'],
    )
    assert.ok(!request.answered)
  })
})

describe('op attach', () => {
  it('ends as the command does, for as many as attach', async () => {
    const world = await scene()
    await running(world, 'web')
    world.plan = ({ what, phase }) => (what === 'lxc.freeze' && phase === 'before' ? { do: 'hang' } : NOTHING)
    const request = world.send('ct.freeze', { id: 'web', meta: { noWait: true } })
    await world.wait(() => request.answered, 'not accepted')
    assert.equal((request.result as Accepted).result, 'accepted')
    const op = (request.result as Accepted).op ?? ''
    const attached = [world.send('op.attach', { op }), world.send('op.attach', { op })]
    await world.pass(1000)
    assert.ok(attached.every(({ answered, operation }) => !answered && operation === op))
    world.machine.finishHelpers()
    world.plan = () => NOTHING
    world.kill()
    await world.boot()
    const late = await world.must('op.attach', { op })
    assert.equal((late.result as Accepted).result, 'done')
    assert.equal(await stateOf(world, 'web'), 'frozen')
    await assertWell(world)
  })

  it('reports a failure that is over, and what there is not', async () => {
    const world = await scene()
    world.plan = ({ what, phase }) =>
      what === 'images.unpack' && phase === 'before'
        ? { do: 'error', code: 'E_BAD_IMAGE', failure: 'permanent' }
        : NOTHING
    const { error } = await world.call('ct.new', { id: 'web', distribution: 'debian' })
    assert.equal(error?.kind, 'failed')
    const again = await world.call('op.attach', { op: error?.op ?? '' })
    assert.equal(again.error?.kind, 'failed')
    assert.equal(again.error?.message, error?.message)
    assert.equal((await world.call('op.attach', { op: 'nobody' })).error?.code, 'E_OP_NOT_FOUND')
  })
})

describe('--no-wait', () => {
  it('answers as soon as work on a pool is accepted, and the work goes on', async () => {
    const world = await scene()
    await running(world, 'web')
    const refused = await world.call('pool.export', { name: 'tank', meta: { noWait: true } })
    assert.equal(refused.error?.code, 'E_POOL_RUNNING')
    const exported = await world.must('pool.export', { name: 'tank', force: true, meta: { noWait: true } })
    assert.equal((exported.result as Accepted).result, 'accepted')
    assert.ok((exported.result as Accepted).op)
    await world.wait(() => !world.daemon.pools.has('tank'), 'not exported')
    assert.equal(count(world, 'PoolClosed'), 1)
    const imported = await world.must('pool.import', { name: 'tank', meta: { noWait: true } })
    assert.equal((imported.result as Accepted).result, 'accepted')
    await assertWell(world)
  })
})
