/**
 * A diary as OpenZFS 2.3.9 printed it (`zpool history -il tank`): a pool was installed, two containers made, one deleted
 * and its dataset destroyed; then somebody worked by hand on the other one, and one of the changes was put back. At last
 * another host took the pool.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { attribute, type Effect } from '../../../src/audit/attribution.ts'
import { type Finding, rollbacksOf, withCause } from '../../../src/audit/drift-cause.ts'
import { commandOf, parseZpoolHistory } from '../../../src/audit/zpool-history.ts'

const DIARY = readFileSync(join(import.meta.dirname, 'zpool-history.txt'), 'utf8')
const NEW = '01M897765ADE1JF99582SD8Q58'
const TWO = '01M8977RZV0M1GB9D8Y0DQQC89'
const DEL = '01M8977YQJ9EN74PNJSRKNDY5J'
const IMAGE = 'image/s0b3f6d6a68af2aee3cc5999c2b387866515e6b73'
const BYTES_GUID = '8512101182324626202'

/** Intent, kind, arguments, evidence, and when it was under way. */
const DONE: readonly [string, string, object, object, string, string][] = [
  ['INSTALL.1', 'pool.layout', {}, { created: ['ct'] }, '24:43.500', '24:50.700'],
  ['INSTALL.2', 'pool.mark', { active: true, dataset: null }, {}, '24:50.800', '24:52.900'],
  [`${NEW}.2`, 'dataset.create', { dataset: `staging/${NEW}.2` }, {}, '24:56.800', '24:58.900'],
  [`${NEW}.3`, 'image.unpack', { dataset: `staging/${NEW}.2` }, {}, '24:59.000', '25:04.400'],
  [
    `${NEW}.4`,
    'dataset.snapshot',
    { dataset: `staging/${NEW}.2`, name: 'base' },
    {},
    '25:04.500',
    '25:04.900',
  ],
  [
    `${NEW}.5`,
    'dataset.rename',
    { from: `staging/${NEW}.2`, to: IMAGE },
    { existing: false },
    '25:05.000',
    '25:05.900',
  ],
  [`${NEW}.6`, 'dataset.clone', { dataset: `staging/${NEW}.6` }, {}, '25:06.000', '25:06.900'],
  [
    `${NEW}.7`,
    'dataset.rename',
    { from: `staging/${NEW}.6`, to: 'ct/bb' },
    { existing: false },
    '25:07.000',
    '25:07.900',
  ],
  [`${TWO}.1`, 'dataset.clone', { dataset: `staging/${TWO}.1` }, {}, '25:15.000', '25:15.900'],
  [
    `${TWO}.2`,
    'dataset.rename',
    { from: `staging/${TWO}.1`, to: 'ct/two' },
    { existing: false },
    '25:16.000',
    '25:16.900',
  ],
  [`${DEL}.1`, 'dataset.trash', { from: 'ct/two', to: `trash/two.${DEL}` }, {}, '25:22.700', '25:23.900'],
  [
    'PRUNE.1',
    'dataset.destroy',
    { dataset: `trash/two.${DEL}`, guid: BYTES_GUID },
    {},
    '25:25.500',
    '25:26.900',
  ],
  [
    'REPAIR.1',
    'dataset.rename',
    { from: 'ct/www', to: 'ct/bb' },
    { existing: false },
    '25:34.500',
    '25:35.900',
  ],
]
const at = (time: string): number => Date.parse(`2026-11-25T11:${time}`)
const known = (all: readonly Effect[]) => ({ all, since: 0 })
const EFFECTS = DONE.map(
  ([intent, kind, args, evidence, from, to]): Effect => ({
    intent,
    kind,
    args,
    evidence,
    compensates: null,
    from: at(from),
    to: at(to),
  }),
)

test('every change in a real diary is of one effect, of upkeep, or of a command by hand', () => {
  const { effects, upkeep, foreign, unrecorded } = attribute(
    { pool: 'tank', dataset: 'tank' },
    parseZpoolHistory(DIARY),
    known(EFFECTS),
  )
  assert.deepEqual(
    DONE.map(([intent]) => effects.get(intent)?.length),
    [7, 2, 3, 1, 1, 1, 3, 1, 3, 1, 1, 1, 1],
  )
  assert.equal(upkeep.length, 11, 'the datasets of the log and of its cache, with their properties')
  assert.deepEqual(
    foreign.map(({ records, command }) => [records.length, command?.command]),
    [
      [1, 'zfs snapshot tank/ct/bb@x'],
      [2, 'zfs rollback tank/ct/bb@x'],
      [1, 'zfs set quota=1G tank/ct/bb'],
      [1, 'zfs set canmount=off tank/ct/bb'],
      [1, 'zfs rename tank/ct/bb tank/ct/www'],
    ],
  )
  assert.ok(foreign.every(({ command }) => command?.user === 'root' && command.host === 'alpha'))
  assert.deepEqual(unrecorded, [])
})

test('drift is told the command that made it so: of a rollback, a property, a rename', () => {
  const history = parseZpoolHistory(DIARY)
  const [[name, record] = [], ...others] = rollbacksOf(history)
  assert.deepEqual([name, record?.txg, others.length], ['tank/ct/bb', 50, 0])
  assert.equal(record && commandOf(history.commands, record)?.command, 'zfs rollback tank/ct/bb@x')
  for (const [drift, command] of [
    ['quota', 'zfs set quota=1G tank/ct/bb'],
    ['canmount', 'zfs set canmount=off tank/ct/bb'],
  ] as const) {
    const finding: Finding = { stream: 'pool', drift, expected: '', seen: '', found: {} }
    assert.equal(withCause(history, 'tank/ct/bb', finding).found.by?.command, command)
  }
})

test('take any effect away, and its changes are of nobody; take its changes away, and it is named', () => {
  const place = { pool: 'tank', dataset: 'tank' }
  const history = parseZpoolHistory(DIARY)
  const whole = attribute(place, history, known(EFFECTS))
  for (const effect of EFFECTS) {
    const without = attribute(place, history, known(EFFECTS.filter((other) => other !== effect)))
    assert.equal(without.foreign.length > whole.foreign.length, true, effect.intent)
    const own = whole.effects.get(effect.intent) ?? []
    const records = history.records.filter((record) => !own.includes(record))
    const lost = attribute(place, { ...history, records }, known(EFFECTS)).unrecorded
    assert.deepEqual(lost, effect.kind === 'pool.mark' ? [] : [effect])
  }
})
