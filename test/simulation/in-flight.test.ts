/** Many operations at once, and one death: each is classified and settled on its own, and whoever awaited it is told. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { EventData } from '../../src/events/types/events.ts'
import type { Accepted } from '../../src/rpc/results.ts'
import { type Boundary, NOTHING, nameOf, type Plan } from './boundary.ts'
import { at } from './crashes.ts'
import { problems } from './invariants.ts'
import { openOf } from './operations.ts'
import { assertWell, count, onHost, running, runs, scene, stateOf } from './scenes.ts'
import { TAR, ZFS } from './verbs.ts'
import { type Request, World, type WorldCopy } from './world.ts'

const opsOf = (world: World): string[] => [...world.daemon.pools.values()].flatMap(openOf)

/** How each operation of the log ended, by its id. */
const endsOf = (world: World): Map<string, EventData<'OperationFinished'>> =>
  new Map(
    [...world.disks.named('tank').rows()].flatMap(({ event }) =>
      event.type === 'OperationFinished' && event.op
        ? [[event.op, event.data as EventData<'OperationFinished'>]]
        : [],
    ),
  )

const KINDS = ['new', 'empty', 'tar', 'zfs', 'start', 'stop', 'freeze', 'thaw', 'restart', 'delete'] as const
const OF_EACH = 10
const names = (kind: string): string[] => Array.from({ length: OF_EACH }, (_, i) => `${kind}${i}`)

/** Ten containers for each kind of work that a container which is there can be asked for. */
async function hundred(): Promise<WorldCopy> {
  const world = await scene()
  for (const kind of KINDS.slice(4))
    for (const id of names(kind)) {
      await world.must('ct.new', { id, distribution: 'busybox' })
      if (kind !== 'start') await world.must('ct.start', { id })
      if (kind === 'thaw') await world.must('ct.freeze', { id })
    }
  await world.settle()
  world.kill()
  return world.copy()
}

function send(world: World, kind: (typeof KINDS)[number], id: string): Request {
  switch (kind) {
    case 'new':
      return world.send('ct.new', { id, distribution: 'debian' })
    case 'empty':
      return world.send('ct.new', { id, distribution: 'x', version: '1', skipImage: true })
    case 'tar':
    case 'zfs':
      return world.send('ct.import', { id, file: kind === 'tar' ? TAR : ZFS })
    case 'start':
      return world.send('ct.start', { id })
    case 'stop':
      return world.send('ct.stop', { id })
    case 'freeze':
      return world.send('ct.freeze', { id })
    case 'thaw':
      return world.send('ct.unfreeze', { id })
    case 'restart':
      return world.send('ct.restart', { id })
    case 'delete':
      return world.send('ct.delete', { id, force: true })
  }
}

/** What changes the host takes its time. */
const slowly = (op: string): number =>
  /^(lxc\.(start|stop|freeze|thaw)|images\.(fetch|unpack|receive)|zfs\.(create|rename|clone))$/.test(op)
    ? 3000
    : 0

describe('A hundred operations in flight, of ten kinds,', () => {
  const WAYS = [
    ['the daemon dies, and their helpers do their work before the next one starts', 'kill', true],
    ['the daemon dies, and their helpers are found at work', 'kill', false],
    ['the host dies', 'power-cut', false],
  ] as const
  for (const [what, how, finish] of WAYS) {
    it(`are all classified and settled when ${what}`, async () => {
      const world = new World({ seed: 11n, from: await hundred(), latency: slowly })
      await world.boot()
      await world.settle()
      const requests = KINDS.flatMap((kind) => names(kind).map((id) => send(world, kind, id)))
      await world.wait(() => opsOf(world).length === 100, 'they do not begin')
      const open = opsOf(world)
      assert.ok(requests.every(({ answered }) => !answered))
      if (how === 'kill') world.kill()
      else world.powerCut()
      if (finish) world.machine.finishHelpers()
      await world.boot()
      const [ready] = [...world.disks.named('tank').rows()]
        .filter(({ event }) => event.type === 'PoolReady')
        .slice(-1)
      assert.deepEqual(
        [ready?.event.data].map((data) => {
          const { settled, inDoubt } = data as EventData<'PoolReady'>
          return { settled, inDoubt }
        }),
        [{ settled: 100, inDoubt: 0 }],
        'the pool is ready when each is classified',
      )
      await world.settle()
      assert.deepEqual(await problems(world), [], world.story.join('\n'))
      const ends = endsOf(world)
      assert.deepEqual(
        open.filter((op) => !ends.has(op)),
        [],
        'each has an end of its own',
      )
      if (how === 'kill') {
        for (const id of [...names('start'), ...names('restart'), ...names('thaw')])
          assert.equal(await stateOf(world, id), 'running')
        for (const id of names('freeze')) assert.equal(await stateOf(world, id), 'frozen')
        for (const id of names('stop')) assert.equal(await stateOf(world, id), 'stopped')
      }
      for (const id of [...names('new'), ...names('empty'), ...names('tar'), ...names('zfs')])
        assert.equal(await stateOf(world, id), 'stopped')
      for (const id of names('delete'))
        assert.equal((await world.call('ct.show', { id })).error?.code, 'E_CT_NOT_FOUND')
    })
  }
})

/** The first call of the host for a container of this name ends so. */
const failing =
  (what: string, subject: string): Plan =>
  (boundary) =>
    boundary.what === what && boundary.phase === 'before' && boundary.subject.includes(subject)
      ? { do: 'error', code: 'E_FAILED', failure: 'permanent' }
      : NOTHING

describe('Two in-flight operations of one kind recover independently:', () => {
  it('one is done although the other fails', async () => {
    const world = await scene({ latency: () => 400 })
    await running(world, 'good', 'bad')
    for (const id of ['good', 'bad']) await world.must('ct.stop', { id })
    const ops = ['good', 'bad'].map((id) => world.send('ct.start', { id }))
    await world.wait(() => ops.every(({ operation }) => operation !== null), 'not accepted')
    world.kill()
    world.plan = failing('lxc.start', 'bad')
    await world.boot()
    await assertWell(world)
    const results = ops.map(({ operation }) => endsOf(world).get(operation ?? '')?.result)
    assert.deepEqual(results, ['done', 'failed'])
    assert.deepEqual([runs(world, 'good'), runs(world, 'bad')], [true, false])
  })

  it('one that is in doubt leaves the other to be settled, and its container to its commands', async () => {
    const world = await scene({ latency: () => 400 })
    await running(world, 'good', 'bad')
    const { id } = onHost(world, 'bad')
    const ops = ['good', 'bad'].map((ctid) => world.send('ct.freeze', { id: ctid }))
    await world.wait(() => ops.every(({ operation }) => operation !== null), 'not accepted')
    const intent = world.daemon.pool('tank').states.ct(id).context.op?.pending?.intent ?? '?'
    world.kill()
    world.plan = ({ what, phase, subject }) =>
      what === 'host.fence' && phase === 'before' && subject === intent
        ? { do: 'error', code: 'E_TIMEOUT', failure: 'transient' }
        : NOTHING
    await world.boot()
    await world.settle()
    assert.equal(await stateOf(world, 'good'), 'frozen')
    await world.must('ct.unfreeze', { id: 'good' })
    const busy = await world.call('ct.stop', { id: 'bad' })
    assert.match(busy.error?.message ?? '', /in doubt|held by/)
    world.plan = () => NOTHING
    await world.must('op.retry', { op: ops[1]?.operation ?? '' })
    assert.equal(await stateOf(world, 'bad'), 'frozen')
    await assertWell(world)
  })

  it('two creations that install the same image die at any boundary from the second installation on', async () => {
    const world = await scene()
    await world.settle()
    world.kill()
    const from = world.copy()
    const race = async (plan: Plan): Promise<{ world: World; met: readonly Boundary[] }> => {
      const again = new World({ seed: 5n, from })
      await again.boot()
      await again.settle()
      again.recording = []
      again.plan = plan
      const requests = ['first', 'second'].map((id) => again.send('ct.new', { id, distribution: 'debian' }))
      await again.wait(() => requests.every(({ answered }) => answered), 'not answered')
      return { world: again, met: again.recording }
    }
    const whole = await race(() => NOTHING)
    assert.equal(count(whole.world, 'ImageInstalled'), 1, 'the second one finds it there')
    const published = whole.met.filter(({ what, phase }) => what === 'zfs.rename' && phase === 'before')[1]
    const rest = whole.met.filter(({ n }) => n >= (published?.n ?? 0))
    assert.ok(rest.length >= 30, `${rest.length} boundaries`)
    for (const boundary of rest) {
      for (const how of ['kill', 'power-cut'] as const) {
        const died = (await race(at(boundary.n, { do: how, orphan: true }))).world
        died.plan = () => NOTHING
        await died.boot()
        await died.settle()
        const told = `${how} ${nameOf(boundary)}\n${died.story.join('\n')}`
        assert.deepEqual(await problems(died), [], told)
        for (const id of ['first', 'second']) assert.equal(await stateOf(died, id), 'stopped', told)
        assert.equal(count(died, 'ImageInstalled'), 1, told)
      }
    }
  })
})

describe('An operation awaited after it failed reports the failure', () => {
  const UNPACK = failing('images.unpack', '')

  /** A creation that failed; the daemon was restarted since. */
  async function failed(how: 'kill' | 'power-cut' | 'stop'): Promise<{ world: World; request: Request }> {
    const world = await scene()
    world.plan = UNPACK
    const request = await world.call('ct.new', { ...NEW, meta: { key: KEY } })
    assert.equal(request.error?.kind, 'failed')
    world.plan = () => NOTHING
    if (how === 'stop') await world.stop()
    else if (how === 'kill') world.kill()
    else world.powerCut()
    await world.boot()
    return { world, request }
  }
  const NEW = { id: 'web', distribution: 'debian' }
  const KEY = 'the-key-of-a-failure'

  for (const how of ['kill', 'power-cut', 'stop'] as const) {
    it(`to op attach, also by a daemon after a ${how}`, async () => {
      const { world, request } = await failed(how)
      const attached = await world.call('op.attach', { op: request.operation ?? '' })
      assert.equal(attached.error?.kind, 'failed')
      assert.equal(attached.error?.message, request.error?.message)
      await assertWell(world)
    })

    it(`to the same command with the same key, also after a ${how}, and nothing is done again`, async () => {
      const { world, request } = await failed(how)
      const accepted = count(world, 'CommandAccepted')
      const again = await world.call('ct.new', { ...NEW, meta: { key: KEY } })
      assert.deepEqual(
        [again.error?.kind, again.error?.message, again.error?.op],
        ['failed', request.error?.message, request.operation],
      )
      assert.equal(count(world, 'CommandAccepted'), accepted)
      await world.must('ct.new', NEW)
      await assertWell(world)
    })
  }

  it('to one who attaches while it goes on, and to the key, when it fails in the next daemon', async () => {
    const world = await scene({ latency: () => 400 })
    const request = world.send('ct.new', { ...NEW, meta: { key: KEY } })
    await world.wait(() => request.operation !== null, 'not accepted')
    world.kill()
    world.plan = UNPACK
    await world.boot()
    const op = request.operation ?? ''
    const attached = world.send('op.attach', { op })
    const again = world.send('ct.new', { ...NEW, meta: { key: KEY } })
    await world.wait(() => attached.answered && again.answered, 'not answered')
    for (const { error } of [attached, again]) {
      assert.equal(error?.kind, 'failed')
      assert.match(error?.message ?? '', /injected E_FAILED/)
    }
    const later = (await world.call('op.attach', { op })).error
    assert.equal(later?.message, attached.error?.message)
    await assertWell(world)
  })

  it('and one that was done is told as done', async () => {
    const world = await scene()
    const { operation } = await world.must('ct.new', { ...NEW, meta: { key: KEY } })
    world.kill()
    await world.boot()
    const { result } = await world.must('op.attach', { op: operation ?? '' })
    assert.equal((result as Accepted).result, 'done')
    const again = await world.must('ct.new', { ...NEW, meta: { key: KEY } })
    assert.equal(again.operation ?? (again.result as Accepted).op, operation)
  })
})
