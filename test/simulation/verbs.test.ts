/** A verb that changes something cannot be added without the simulator: this fails until it is driven there. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { type MethodName, methods } from '../../src/rpc/methods.ts'
import { ELSEWHERE, MAKERS } from './commands.ts'
import { VERBS } from './verbs.ts'

/** Methods that only answer. */
const READ_ONLY: readonly MethodName[] = [
  'ping',
  'status',
  'pool.list',
  'pool.show',
  'ct.list',
  'ct.show',
  'ct.log',
  'user.list',
  'id-range.list',
  'repo.list',
  'repo.images',
  'trash.list',
  'ct.why',
  'history.list',
  'history.subjects',
  'event.list',
  'event.show',
  'event.verify',
  'event.recovery',
  'event.segments',
  'event.quarantine',
  'event.prunable',
  'event.subscribe',
  'op.list',
  'op.show',
  'op.attach',
  'healthcheck',
  'diff',
  'export.open',
  'export.read',
  'replay.summary',
  'debug.machine',
]
/** Changes that no effect follows: they end in the commit that begins them, which other verbs crash as well. */
const ONE_COMMIT: readonly MethodName[] = [
  'pool.set',
  'repo.delete',
  'repo.enable',
  'repo.disable',
  'ct.exec',
  'ct.attach',
  'ct.session-ended',
]
/** An import and a shutdown are what every crash test does before and after its verb. */
const AROUND: readonly MethodName[] = ['pool.import', 'op.retry', 'op.resolve', 'shutdown']
/** At every boundary of other verbs: cancel.test.ts. */
const CANCEL: MethodName = 'op.cancel'
/** Their pool is not imported, or its log is damaged or old, so each has a test of its own. */
const OWN: readonly MethodName[] = [
  'pool.uninstall',
  'event.recover',
  'event.prune',
  'event.quarantine-retry',
  CANCEL,
]

const changing = (Object.keys(methods) as MethodName[]).filter((name) => !READ_ONLY.includes(name))

it('every method that changes something happens in storms', () => {
  assert.deepEqual(
    changing.filter((name) => !(name in MAKERS) && !(name in ELSEWHERE)),
    [],
  )
})

it('every method with effects is crashed at every boundary', () => {
  const crashed = new Set([...VERBS.map(({ method }) => method), ...OWN])
  const missing = changing.filter(
    (name) => !crashed.has(name) && !ONE_COMMIT.includes(name) && !AROUND.includes(name),
  )
  assert.deepEqual(missing, [])
})

it('the lists above name what there is', () => {
  for (const name of [...READ_ONLY, ...ONE_COMMIT, ...AROUND, ...Object.keys(ELSEWHERE)])
    assert.ok(name in methods, `${name} is no method any more`)
})
