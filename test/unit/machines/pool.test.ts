/** Pools: install, import, export, uninstall, settings, repositories, trash; and what refuses. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Fact } from '../../../src/events/types/events.ts'
import type { PoolCommand } from '../../../src/machines/decide/pool.ts'
import { lifeOf, phaseOf } from '../../../src/machines/life.ts'
import { IllegalFact } from '../../../src/machines/step.ts'
import { create, exportPool, install, prune, remove, sources, start, stop } from './commands.ts'
import { fail, has, ok, opened, ready, refusal, runs, World, world } from './helpers.ts'

const uninstall: PoolCommand = { type: 'pool.uninstall' }
const add = (name: string): PoolCommand => ({ type: 'repo.add', name, url: 'https://images.example.org' })
const del = (name: string): PoolCommand => ({ type: 'repo.delete', name })
const enable = (name: string, enabled: boolean): PoolCommand => ({ type: 'repo.set', name, enabled })
const closed = (w = world()): World => {
  w.tell('pool', { type: 'PoolClosed' })
  return w
}
const trashed = (...ctids: string[]): { w: World; names: string[] } => {
  const w = world()
  for (const ctid of ctids) {
    has(w, ctid).when(remove(ctid))
    w.settle()
  }
  return { w, names: Object.keys(w.pool().context.trash) }
}

describe('install', () => {
  test('lays the pool out, and marks it as ours last', () => {
    const w = new World()
    assert.deepEqual(w.when(install).lines, [
      'pool CommandAccepted pool.install',
      'pool IdRangeCreated default',
      'pool RepositoryAdded default',
      'pool PoolInstallRequested',
      'pool EffectIntended pool.layout',
    ])
    assert.deepEqual(w.settle().lines, [
      'pool EffectSucceeded pool.layout',
      'pool EffectIntended pool.mark',
      'pool EffectSucceeded pool.mark',
      'pool OperationFinished done',
    ])
    assert.equal(lifeOf(w.pool()), 'closed')
  })

  test('scoped to a dataset marks the pool with it', () => {
    const w = new World()
    w.when({ ...install, dataset: 'tank/osctl' })
    w.settle(({ kind, args }) => {
      if (kind === 'pool.mark') assert.deepEqual(args, { active: true, dataset: 'tank/osctl' })
      return ok
    })
    assert.equal(w.pool().context.dataset, 'tank/osctl')
  })

  test('that fails can be asked for again', () => {
    const w = new World()
    w.when(install)
    assert.equal(w.settle({ 'pool.mark': fail('read-only') }).lines.at(-1), 'pool OperationFinished failed')
    assert.equal(lifeOf(w.pool()), 'absent')
    w.when(install)
    w.settle()
    assert.equal(lifeOf(w.pool()), 'closed')
  })

  test('that is under way is nothing to do, of an imported pool it is refused', () => {
    const w = new World()
    w.when(install)
    assert.equal(w.when(install).decision.is, 'noop')
    w.settle()
    w.tell('pool', opened())
    assert.equal(refusal(w, install).message, 'pool tank is already installed (state: importing)')
  })
})

describe('import', () => {
  test('opens, recovers, is ready', () => {
    const w = closed()
    w.tell('pool', opened('another boot'))
    assert.equal(lifeOf(w.pool()), 'importing')
    assert.equal(w.pool().context.bootId, 'another boot')
    w.tell('pool', ready)
    assert.equal(lifeOf(w.pool()), 'active')
  })

  test('follows a death from wherever the pool was', () => {
    const w = world()
    for (const given of [() => {}, () => w.tell('pool', ready), () => w.when(exportPool())]) {
      given()
      w.tell('pool', opened())
      assert.equal(lifeOf(w.pool()), 'importing')
    }
  })

  test('takes commands on the pool and ends them while it recovers', () => {
    const w = closed()
    w.tell('pool', opened())
    assert.equal(w.when(add('other')).lines.at(-1), 'pool OperationFinished done')
    w.when(create('web', sources.empty))
    assert.equal(w.settle().lines.at(-1), 'ct OperationFinished done')
  })

  test('plans the autostart anew each time', () => {
    const w = has(world(), 'web')
    const id = w.get('web').context.identity?.id ?? ''
    w.tell('pool', { type: 'AutostartPlanned', cts: [id] })
    assert.deepEqual(w.pool().context.autostart, [id])
    w.tell('pool', opened())
    assert.deepEqual(w.pool().context.autostart, [])
  })
})

describe('export', () => {
  const ended = (w: World, result: 'done' | 'failed'): Fact => {
    assert.ok(w.pool().context.op)
    return { type: 'OperationFinished', result, error: null }
  }

  test('is an operation until the pool is closed, which comes last', () => {
    const w = world()
    w.when(exportPool())
    assert.equal(lifeOf(w.pool()), 'exporting')
    assert.equal(refusal(w, add('other')).code, 'E_BUSY')
    const told = w.tell('pool', ended(w, 'done'), { type: 'PoolClosed' })
    assert.deepEqual(told.lines, ['pool OperationFinished done', 'pool PoolClosed'])
    assert.equal(lifeOf(w.pool()), 'closed')
  })

  test('of a pool with running containers is refused without force', () => {
    const w = runs(world(), 'web')
    assert.equal(
      refusal(w, exportPool()).message,
      'the pool has running containers: web (use -f to stop them)',
    )
    assert.equal(w.when(exportPool(true)).decision.is, 'accepted')
  })

  test('names five running containers at most', () => {
    const w = world()
    for (const ctid of ['a', 'b', 'c', 'd', 'e', 'f']) runs(w, ctid)
    assert.match(refusal(w, exportPool()).message, /: a, b, c, d, e … \(use -f/)
  })

  test('takes stops, and no other command on containers', () => {
    const w = runs(has(world(), 'idle'), 'web')
    w.when(exportPool(true))
    assert.equal(refusal(w, start('idle')).message, 'the pool is disabled (state: exporting)')
    assert.equal(refusal(w, create('new')).code, 'E_POOL_DISABLED')
    w.when(stop('web'))
    assert.equal(w.settle().lines.at(-1), 'ct OperationFinished done')
  })

  test('that is given up leaves the pool active', () => {
    const w = world()
    w.when(exportPool())
    w.tell('pool', ended(w, 'failed'), { type: 'PoolExportFailed', left: [] })
    assert.equal(lifeOf(w.pool()), 'active')
  })

  test('that a daemon died in the middle of is gone on with', () => {
    const w = world()
    w.when(exportPool())
    const { op } = w.pool().context
    w.tell('pool', { ...opened(), previous: 'daemon-died' } as Fact, ready)
    assert.deepEqual([lifeOf(w.pool()), w.pool().context.op], ['exporting', op])
    w.tell('pool', ended(w, 'done'), { type: 'PoolClosed' })
    assert.equal(lifeOf(w.pool()), 'closed')
  })

  test('that the death of its host interrupted has failed when the pool is opened again', () => {
    const w = world()
    w.when(exportPool())
    const told = w.tell('pool', opened())
    assert.deepEqual(told.lines, ['pool PoolOpened', 'pool OperationFinished failed'])
    assert.equal(w.pool().context.op, null)
  })
})

describe('uninstall', () => {
  test('takes the mark away from a closed pool', () => {
    const w = closed()
    w.when(uninstall)
    assert.deepEqual(w.next()?.wanted.args, { active: false, dataset: null })
    w.settle()
    assert.equal(lifeOf(w.pool()), 'absent')
  })

  test('that fails leaves it installed', () => {
    const w = closed()
    w.when(uninstall)
    w.settle({ 'pool.mark': fail('read-only') })
    assert.equal(lifeOf(w.pool()), 'closed')
  })

  test('of an imported pool is refused', () => {
    assert.equal(refusal(world(), uninstall).message, 'export the pool first (state: active)')
  })
})

describe('settings of a pool', () => {
  test('record what was before', () => {
    const w = world()
    const set = { type: 'pool.set', set: { parallelStart: 16, attrs: { 'org.example:a': '1' } } } as const
    const told = w.when(set)
    assert.deepEqual(told.lines, [
      'pool CommandAccepted pool.set',
      'pool PoolConfigSet',
      'pool OperationFinished done',
    ])
    const old = { parallelStart: 8, attrs: { 'org.example:a': null } }
    assert.deepEqual(told.events[1]?.data, { set: set.set, old })
    assert.deepEqual(w.pool().context.config, {
      parallelStart: 16,
      parallelStop: 4,
      attrs: { 'org.example:a': '1' },
    })
    assert.equal(w.when(set).decision.is, 'noop')
    w.when({ type: 'pool.set', set: { attrs: { 'org.example:a': null } } })
    assert.deepEqual(w.pool().context.config.attrs, {})
  })
})

describe('repositories', () => {
  test('are added, disabled, enabled and deleted', () => {
    const w = world()
    w.when(add('other'))
    assert.deepEqual(w.pool().context.repositories['other'], {
      url: 'https://images.example.org',
      enabled: true,
    })
    w.when(enable('other', false))
    assert.equal(w.pool().context.repositories['other']?.enabled, false)
    assert.equal(w.when(enable('other', false)).decision.is, 'noop')
    w.when(del('other'))
    assert.equal(w.pool().context.repositories['other'], undefined)
  })

  test('refuse with the words of the original', () => {
    const w = world()
    assert.equal(refusal(w, add('default')).message, 'repository already exists')
    const missing = refusal(w, del('none'))
    assert.equal(missing.message, 'repository not found')
    assert.equal(missing.kind, 'not-found')
    assert.equal(refusal(w, enable('none', true)).code, 'E_REPO_NOT_FOUND')
    assert.equal(refusal(w, del('default')).message, 'the default repository can only be disabled')
  })
})

describe('a pool that is not imported', () => {
  const commands: PoolCommand[] = [
    add('other'),
    del('default'),
    enable('default', false),
    prune(['x']),
    { type: 'pool.set', set: { parallelStart: 3 } },
  ]
  for (const command of commands) {
    test(`refuses ${command.type}`, () => {
      assert.equal(refusal(closed(), command).message, 'the pool is disabled (state: closed)')
    })
  }
})

describe('prune', () => {
  test('destroys by the recorded guid, one after another, and forgets each in its commit', () => {
    const { w, names } = trashed('a', 'b')
    const [a, b] = names
    const { trash } = w.pool().context
    w.when(prune(names))
    assert.equal(phaseOf(w.pool(), 'trash'), 'pruning')
    assert.deepEqual(w.next()?.wanted.args, { dataset: `trash/${a}`, guid: trash[a ?? '']?.guid })
    assert.deepEqual(w.settle().lines, [
      'pool EffectSucceeded dataset.destroy',
      'pool EffectIntended dataset.destroy',
      `pool TrashDestroyed ${a}`,
      'pool EffectSucceeded dataset.destroy',
      `pool TrashDestroyed ${b}`,
      'pool OperationFinished done',
    ])
    assert.deepEqual(w.pool().context.trash, {})
    assert.equal(phaseOf(w.pool(), 'trash'), 'resting')
  })

  test('leaves what is busy for the next time and says that it failed', () => {
    const { w, names } = trashed('a', 'b', 'c')
    w.when(prune(names))
    const told = w.settle(({ args }) =>
      'dataset' in args && args.dataset === `trash/${names[1]}` ? fail('busy') : ok,
    )
    assert.equal(told.lines.at(-1), 'pool OperationFinished failed')
    assert.deepEqual(Object.keys(w.pool().context.trash), [names[1]])
    w.when(prune(names))
    assert.equal(w.settle().lines.at(-1), 'pool OperationFinished done')
    assert.deepEqual(w.pool().context.trash, {})
  })

  test('of the last entry that is busy ends all the same', () => {
    const { w, names } = trashed('a')
    w.when(prune(names))
    assert.equal(w.settle({ 'dataset.destroy': fail('busy') }).lines.at(-1), 'pool OperationFinished failed')
    assert.deepEqual(w.pool().context.pruning, [])
  })

  test('of nothing, or of what is not there, is nothing to do', () => {
    const { w } = trashed('a')
    assert.equal(w.when(prune([])).decision.is, 'noop')
    assert.equal(w.when(prune(['other'])).decision.is, 'noop')
  })

  test('takes a name that is given twice once', () => {
    const { w, names } = trashed('a')
    w.when(prune([...names, ...names]))
    assert.equal(w.settle().lines.filter((one) => one.includes('TrashDestroyed')).length, 1)
  })

  test('goes on after the pool was closed and opened in its midst', () => {
    const { w, names } = trashed('a', 'b')
    w.when(prune(names))
    w.tell('pool', { type: 'PoolClosed' })
    w.tell('pool', opened())
    assert.equal(w.settle().lines.at(-1), 'pool OperationFinished done')
    assert.deepEqual(w.pool().context.trash, {})
  })
})

test('facts of containers are not facts of the pool', () => {
  const facts: Fact[] = [
    { type: 'CtStartRequested', run: 'x', timeoutSeconds: 1 },
    { type: 'CtFreezeRequested' },
    { type: 'PoolUninstallRequested' },
    { type: 'PoolInstallRequested', pool: 'tank', dataset: null },
  ]
  for (const fact of facts) assert.throws(() => world().tell('pool', fact), IllegalFact, fact.type)
})
