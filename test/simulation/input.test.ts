/** What an admin may type, and what a host may be short of: one line that says what is legal, and nothing done. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { MethodInput, MethodName } from '../../src/rpc/methods.ts'
import { NOTHING } from './boundary.ts'
import { problems } from './invariants.ts'
import { assertWell, onHost, running, scene, stateOf, types } from './scenes.ts'
import { summary, textOf } from './summary.ts'
import { TAR, tarImage } from './verbs.ts'
import type { World } from './world.ts'

type Bad = {
  name: string
  method: MethodName
  params: MethodInput<MethodName> | Record<string, unknown>
  kind: string
  says: RegExp
  /** Makes the world as bad as the case needs, and good again. */
  spoil?: (world: World) => () => void
}

const illegal = (name: string, id: string): Bad => ({
  name: `a container named ${name}`,
  method: 'ct.new',
  params: { id, distribution: 'busybox' },
  kind: 'invalid',
  says: /invalid ID, allowed characters: a-z A-Z 0-9 _ - \(at most 100, not starting with -\)/,
})

const archive = (name: string, content: string | object, says: RegExp): Bad => ({
  name: `an image that ${name}`,
  method: 'ct.import',
  params: { file: '/usr/images/bad.tar', id: 'new' },
  kind: 'failed',
  says,
  spoil: (world) => {
    world.machine.putFile('/usr/images/bad.tar', content as never)
    return () => {}
  },
})

const suspended = (world: World): (() => void) => {
  world.machine.setZpool('tank', { health: 'SUSPENDED' })
  return () => world.machine.setZpool('tank', { health: 'ONLINE' })
}
const full = (world: World): (() => void) => {
  const before = world.machine.state.zpools['tank']?.sizeBytes ?? 0
  world.machine.setZpool('tank', { sizeBytes: 1 })
  return () => world.machine.setZpool('tank', { sizeBytes: before })
}
const logFull = (world: World): (() => void) => {
  world.plan = ({ where, phase }) =>
    where === 'log' && phase === 'before' ? { do: 'disk', fault: 'full' } : NOTHING
  return () => {
    world.plan = () => NOTHING
  }
}
const unmountedLogs = (world: World): (() => void) => {
  const log = world.machine.state.datasets['tank/log']
  if (log) log.mounted = false
  return () => {
    if (log) log.mounted = true
  }
}

const NEW = { id: 'new', distribution: 'debian' }

const CASES: readonly Bad[] = [
  {
    name: 'an unknown container',
    method: 'ct.start',
    params: { id: 'nobody' },
    kind: 'not-found',
    says: /^container not found$/,
  },
  {
    name: 'a container of an unknown pool',
    method: 'ct.start',
    params: { id: 'moon:a' },
    kind: 'not-found',
    says: /pool not imported: moon/,
  },
  illegal('../x', '../x'),
  illegal('-rf', '-rf'),
  illegal('with 200 characters', 'x'.repeat(200)),
  illegal('ünïcödé', 'ünïcödé'),
  illegal('with a newline', 'a\nb'),
  {
    name: 'a name that is taken',
    method: 'ct.new',
    params: { id: 'stopped', distribution: 'busybox' },
    kind: 'refused',
    says: /tank:stopped already exists/,
  },
  {
    name: 'no distribution',
    method: 'ct.new',
    params: { id: 'new' },
    kind: 'invalid',
    says: /provide distribution/,
  },
  {
    name: 'an unknown distribution',
    method: 'ct.new',
    params: { id: 'new', distribution: 'plan9' },
    kind: 'not-found',
    says: /image not found.*repo images ls/,
  },
  {
    name: 'an unknown repository',
    method: 'ct.new',
    params: { ...NEW, repository: 'moon' },
    kind: 'not-found',
    says: /repository not found: moon \(there are: default\)/,
  },
  {
    name: 'an unknown user',
    method: 'ct.new',
    params: { ...NEW, user: 'moon' },
    kind: 'not-found',
    says: /user not found: moon/,
  },
  {
    name: 'the deletion of what runs',
    method: 'ct.delete',
    params: { id: 'running' },
    kind: 'refused',
    says: /running, use -f/,
  },
  {
    name: 'a restart of what is frozen',
    method: 'ct.restart',
    params: { id: 'frozen' },
    kind: 'refused',
    says: /./,
  },
  {
    name: 'a shutdown of what is frozen',
    method: 'ct.stop',
    params: { id: 'frozen', mode: 'shutdown' },
    kind: 'refused',
    says: /frozen/,
  },
  {
    name: 'a freeze of what is stopped',
    method: 'ct.freeze',
    params: { id: 'stopped' },
    kind: 'refused',
    says: /not running/,
  },
  {
    name: 'an illegal host name',
    method: 'ct.set',
    params: { id: 'stopped', set: { hostname: '-x y' } },
    kind: 'invalid',
    says: /host name of letters/,
  },
  {
    name: 'a parameter that nobody knows',
    method: 'ct.start',
    params: { id: 'stopped', force: true },
    kind: 'invalid',
    says: /unknown parameter 'force'/,
  },
  {
    name: 'a method that nobody knows',
    method: 'ct.fly' as MethodName,
    params: {},
    kind: 'invalid',
    says: /unknown method 'ct.fly' \(known: /,
  },
  {
    name: 'a pool that is not there',
    method: 'pool.install',
    params: { name: 'moon' },
    kind: 'not-found',
    says: /pool not found: moon/,
  },
  {
    name: 'a second installation',
    method: 'pool.install',
    params: { name: 'tank' },
    kind: 'refused',
    says: /already imported/,
  },
  {
    name: 'a repository with a password',
    method: 'repo.add',
    params: { name: 'x', url: 'https://a:b@c/' },
    kind: 'invalid',
    says: /must not carry a user name/,
  },
  {
    name: 'an operation that is over',
    method: 'op.retry',
    params: { op: 'x' },
    kind: 'not-found',
    says: /no open operation/,
  },
  {
    name: 'a position beyond the end',
    method: 'event.show',
    params: { position: 'tank:99999' },
    kind: 'not-found',
    says: /the log goes from 1 to/,
  },
  {
    name: 'an image file that is not there',
    method: 'ct.import',
    params: { file: '/nowhere.tar', id: 'new' },
    kind: 'failed',
    says: /No such file/,
  },
  archive('is none', 'hello', /not an image/),
  archive('is truncated', { ...tarImage, truncated: true }, /bad.tar/),
  archive('leaves the root by ..', { ...tarImage, rootfs: { '../etc/passwd': '' } }, /leaves the root/),
  archive(
    'leaves the root through a symlink',
    { ...tarImage, rootfs: { a: '-> /etc', 'a/passwd': '' } },
    /symlink/,
  ),
  { name: 'a full pool', method: 'ct.new', params: NEW, kind: 'failed', says: /out of space/, spoil: full },
  {
    name: 'a full pool, for an image file',
    method: 'ct.import',
    params: { id: 'new', file: TAR },
    kind: 'failed',
    says: /out of space/,
    spoil: full,
  },
  {
    name: 'a full log',
    method: 'ct.new',
    params: NEW,
    kind: 'unavailable',
    says: /takes no changes: no space left/,
    spoil: logFull,
  },
  {
    name: 'an unmounted log dataset',
    method: 'ct.start',
    params: { id: 'stopped' },
    kind: 'failed',
    says: /log dataset tank\/log is not mounted/,
    spoil: unmountedLogs,
  },
]

async function town(): Promise<World> {
  const world = await scene()
  await running(world, 'running', 'frozen')
  await world.must('ct.freeze', { id: 'frozen' })
  await world.must('ct.new', { id: 'stopped', distribution: 'busybox' })
  await world.settle()
  return world
}

describe('The daemon answers in one line, and nothing is half made, for', () => {
  for (const { name, method, params, kind, says, spoil } of CASES) {
    it(name, async () => {
      const world = await town()
      const before = textOf(summary(world))
      const mend = spoil?.(world)
      const { error, answered } = await world.call(method, params as never)
      assert.ok(answered, 'not answered')
      assert.equal(error?.kind, kind, error?.message)
      assert.match(error?.message ?? '', says)
      assert.ok(!error?.message.includes('\n') && !/^\s+at /m.test(error?.message ?? ''), error?.message)
      mend?.()
      await assertWell(world)
      assert.equal(textOf(summary(world)), before)
      await world.must('ct.start', { id: 'stopped' })
      await assertWell(world)
    })
  }
})

describe('A disk that vanished', () => {
  it('leaves an operation in doubt that goes on when it is back', async () => {
    const world = await town()
    const mend = suspended(world)
    const { error } = await world.call('ct.new', NEW)
    assert.ok(error && ['failed', 'in-doubt'].includes(error.kind), error?.message)
    assert.equal(await stateOf(world, 'running'), 'running')
    mend()
    for (const pool of world.daemon.pools.values()) {
      for (const { context } of pool.journal.states.all()) {
        if (context.op?.pending?.inDoubt) await world.must('op.retry', { op: context.op.id })
      }
    }
    await assertWell(world)
    await world.must('ct.new', NEW)
    await assertWell(world)
  })

  it('under the log refuses changes and answers reads', async () => {
    const world = await town()
    world.plan = ({ where, phase }) =>
      where === 'log' && phase === 'before' ? { do: 'disk', fault: 'io' } : NOTHING
    const { error } = await world.call('ct.start', { id: 'stopped' })
    assert.equal(error?.kind, 'unavailable')
    assert.match(error?.message ?? '', /takes no changes: the disk failed/)
    await world.must('ct.list', {})
    world.plan = () => NOTHING
    await world.must('ct.start', { id: 'stopped' })
    await assertWell(world)
  })

  it('under a start is told, and the outcome is recorded when it is back', async () => {
    const world = await town()
    let starting = false
    world.plan = ({ what, where, phase }) => {
      if (what === 'lxc.start') starting = true
      return starting && where === 'log' && phase === 'before' ? { do: 'disk', fault: 'full' } : NOTHING
    }
    const start = world.send('ct.start', { id: 'stopped' })
    await world.pass(60_000)
    assert.ok(!start.answered)
    world.plan = () => NOTHING
    await world.wait(() => start.answered, 'not answered')
    assert.equal(start.error, null)
    await assertWell(world)
  })
})

describe('What is so already', () => {
  for (const [name, method, id] of [
    ['a start of what runs', 'ct.start', 'running'],
    ['a stop of what is stopped', 'ct.stop', 'stopped'],
    ['a freeze of what is frozen', 'ct.freeze', 'frozen'],
    ['an unfreeze of what runs', 'ct.unfreeze', 'running'],
  ] as const) {
    it(`is no error and does nothing: ${name}, also when it is sent twice`, async () => {
      const world = await town()
      const pid = onHost(world, 'running').evidence?.initPid
      for (let i = 0; i < 2; i++) {
        const { result } = await world.must(method, { id, meta: { key: 'same-key-of-a-noop' } })
        assert.equal((result as { result: string }).result, 'noop')
      }
      assert.equal(types(world).filter((type) => type === 'CommandNoop').length, 1)
      assert.equal(onHost(world, 'running').evidence?.initPid, pid)
      assert.deepEqual(await problems(world), [])
    })
  }
})

describe('A client that repeats what is refused', () => {
  it('writes twenty refusals a minute, and then their number', async () => {
    const world = await town()
    const before = types(world).length
    for (let i = 0; i < 500; i++) await world.call('ct.delete', { id: 'running' })
    await world.pass(61_000)
    await world.call('ct.delete', { id: 'running' })
    assert.ok(types(world).length - before <= 23, `${types(world).length - before} events`)
    assert.equal(types(world).filter((type) => type === 'RefusalsSummed').length, 1)
    await assertWell(world)
  })
})
