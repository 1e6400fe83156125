/** A verb that changes something cannot be added without the simulator: this fails until it is driven there. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { it } from 'node:test'
import { type MethodName, methods } from '../../src/rpc/methods.ts'
import { ELSEWHERE, MAKERS } from './commands.ts'
import { EVERY_VERB } from './verbs-all.ts'

/** Methods that only answer. */
const READ_ONLY: readonly MethodName[] = [
  'ping',
  'status',
  'pool.list',
  'pool.show',
  'pool.autostart-queue',
  'boot.list',
  'boot.report',
  'pool.formats',
  'witness.list',
  'witness.heads',
  // It sends a message, and changes nothing here.
  'witness.test',
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
  'drift.list',
  'drift.changes',
  'diff',
  'export.open',
  'export.read',
  'replay.summary',
  'debug.machine',
]
/** Enumerated in a test of their own: their pool's log is damaged, or understood by another daemon only. */
const OWN: { readonly [M in MethodName]?: string } = {
  'event.recover': 'recover.test.ts',
  'event.quarantine-retry': 'quarantine.test.ts',
}

const changing = (Object.keys(methods) as MethodName[]).filter((name) => !READ_ONLY.includes(name))

it('every method that changes something happens in storms', () => {
  assert.deepEqual(
    changing.filter((name) => !(name in MAKERS) && !(name in ELSEWHERE)),
    [],
  )
})

it('every method that changes something is crashed at every boundary', () => {
  const crashed = new Set(EVERY_VERB.map(({ method }) => method))
  assert.deepEqual(
    changing.filter((name) => !crashed.has(name) && !(name in OWN)),
    [],
    'give each a verb in verbs.ts, or in verbs-rest.ts when it is not asked of a world at rest',
  )
  for (const [name, file] of Object.entries(OWN)) {
    const text = readFileSync(join(import.meta.dirname, file), 'utf8')
    assert.ok(text.includes(name) && text.includes('waysAt('), `${file} does not crash ${name}`)
  }
})

it('the lists above name what there is', () => {
  for (const name of [...READ_ONLY, ...Object.keys(OWN), ...Object.keys(ELSEWHERE)])
    assert.ok(name in methods, `${name} is no method any more`)
})
