/** The pool's own diary against the log: what each line means, and whose it is. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { attribute, type Effect, effectsOf } from '../../../src/audit/attribution.ts'
import { zfsChangeRows } from '../../../src/audit/zfs-change-rows.ts'
import { commandOf, parseZpoolHistory, propertyOf, subjectOf } from '../../../src/audit/zpool-history.ts'

const AT = { pool: 'tank', dataset: 'tank' }
const OP = '01KE7Q1R8Z0000000000000000'

const DIARY = `History for 'tank':
2026-11-25.09:00:00 zpool create -O xattr=sa tank /dev/vdb [user 0 (root) on alpha:linux]
2026-11-25.09:00:00 [txg:5] create pool version 5000; software version zfs-2.3.2-2; uts alpha 6.12 #1 x86_64 [on alpha]
2026-11-25.09:00:01 [txg:6] create tank/events (68)  [on alpha]
2026-11-25.09:00:01 [txg:6] set tank/events (68) refreservation=67108864 [on alpha]
2026-11-25.09:00:01 (12ms) ioctl create
    input:
        type: 2
     [user 0 (root) on alpha:linux]
2026-11-25.09:01:00 [txg:20] clone tank/staging/${OP}.1 (101) origin=tank/image/bb@base (90) [on alpha]
2026-11-25.09:01:00 [txg:20] set tank/staging/${OP}.1 (101) canmount=2 [on alpha]
2026-11-25.09:01:00 [txg:21] set tank/staging/${OP}.1 (101) org.vpsadminos.osctl:intent=${OP}.1 [on alpha]
2026-11-25.09:01:00 zfs clone -o canmount=noauto tank/image/bb@base tank/staging/${OP}.1 [user 0 (root) on alpha:linux]
2026-11-25.09:01:01 [txg:22] rename tank/staging/${OP}.1 (101) -> tank/ct/web [on alpha]
2026-11-25.09:02:00 [txg:30] set tank (54) org.vpsadminos.osctl:head=41:${'ab'.repeat(32)} [on alpha]
2026-11-25.09:05:00 [txg:40] clone swap tank/ct/web/%rollback (120) parent=tank/ct/web [on alpha]
2026-11-25.09:05:00 [txg:40] destroy tank/ct/web/%rollback (120)  [on alpha]
2026-11-25.09:05:00 zfs rollback tank/ct/web@monday [user 1000 (jan) on alpha:linux]
2026-11-25.09:06:00 [txg:41] set tank/ct/web/data (130) quota=5 [on alpha]
`
const at = (time: string): number => Date.parse(`2026-11-25T${time}`)
const effect = (
  n: number,
  kind: string,
  args: unknown,
  from: string,
  more: Partial<Effect> = {},
): Effect => ({
  intent: `${OP}.${n}`,
  kind,
  args,
  compensates: null,
  from: at(from),
  to: at(from) + 900,
  evidence: {},
  ...more,
})
const known = (all: readonly Effect[]) => ({ all, since: 0 })
const EFFECTS: readonly Effect[] = [
  effect(
    1,
    'dataset.clone',
    { snapshot: 'image/bb@base', origin: '1', dataset: `staging/${OP}.1` },
    '09:01:00',
  ),
  effect(
    2,
    'dataset.rename',
    { from: `staging/${OP}.1`, to: 'ct/web', guid: '1', orExisting: false },
    '09:01:00',
    {
      to: at('09:01:01'),
    },
  ),
]

test('lines of the diary are changes and commands, whatever stands between them', () => {
  const { records, commands } = parseZpoolHistory(DIARY)
  assert.deepEqual(
    records.map(({ operation, dataset }) => `${operation} ${dataset.replace(OP, 'OP')}`),
    [
      'create tank/events',
      'set tank/events',
      'clone tank/staging/OP.1',
      'set tank/staging/OP.1',
      'set tank/staging/OP.1',
      'rename tank/staging/OP.1',
      'set tank',
      'clone swap tank/ct/web/%rollback',
      'destroy tank/ct/web/%rollback',
      'set tank/ct/web/data',
    ],
  )
  assert.deepEqual(
    commands.map(({ user, host, command }) => [user, host, command.split(' ', 2).join(' ')]),
    [
      ['root', 'alpha', 'zpool create'],
      ['root', 'alpha', 'zfs clone'],
      ['jan', 'alpha', 'zfs rollback'],
    ],
  )
  const swap = records[7]
  assert.ok(swap)
  assert.equal(subjectOf(swap), 'tank/ct/web')
  assert.equal(commandOf(commands, swap)?.command, 'zfs rollback tank/ct/web@monday')
  assert.equal(propertyOf(swap), null)
})

test('each change is of one effect, of the upkeep of the log, or foreign; what lies below a container is its own', () => {
  const { effects, upkeep, foreign, unrecorded } = attribute(AT, parseZpoolHistory(DIARY), known(EFFECTS))
  assert.deepEqual(
    [...effects].map(([intent, records]) => [intent.slice(-1), records.length]),
    [
      ['1', 3],
      ['2', 1],
    ],
  )
  assert.deepEqual(
    upkeep.map(({ act }) => act),
    ['log dataset', 'reserve of the log', 'anchor'],
  )
  assert.deepEqual(
    foreign.map(({ records, command }) => [records.length, command?.command]),
    [[2, 'zfs rollback tank/ct/web@monday']],
  )
  assert.deepEqual(unrecorded, [])
})

test('an effect that is done and left nothing is named; one that found all as it should be need not', () => {
  const more = [
    effect(3, 'dataset.trash', { from: 'ct/x', to: 'trash/x', guid: '1' }, '09:03:00'),
    effect(4, 'dataset.rename', { from: 'a', to: 'image/bb', guid: '1', orExisting: true }, '09:03:00', {
      evidence: { guid: '1', existing: true },
    }),
    effect(5, 'lxc.start', {}, '09:03:00'),
    effect(6, 'dataset.destroy', { dataset: 'trash/y', guid: '1' }, '09:03:00', { evidence: null }),
    effect(7, 'dataset.destroy', { dataset: 'trash/z', guid: '1' }, '08:00:00'),
  ]
  const { unrecorded } = attribute(AT, parseZpoolHistory(DIARY), known([...EFFECTS, ...more]))
  assert.deepEqual(
    unrecorded.map(({ intent }) => intent.slice(-1)),
    ['3'],
    'not what failed, nor what is older than the diary',
  )
})

test('a rename by hand, of names that an effect used a minute ago, is foreign', () => {
  const line = '2026-11-25.09:10:00 [txg:50] rename tank/ct/web (101) -> tank/ct/www [on alpha]\n'
  const repair = effect(
    8,
    'dataset.rename',
    { from: 'ct/www', to: 'ct/web', guid: '1', orExisting: false },
    '09:09:00',
  )
  const { foreign, unrecorded } = attribute(AT, parseZpoolHistory(line), known([repair]))
  assert.deepEqual([foreign.length, unrecorded.length], [1, 0])
  const undo = { ...repair, intent: `${OP}.9`, compensates: repair.intent, from: at('09:10:00'), to: null }
  assert.equal(
    attribute(AT, parseZpoolHistory(line), known([repair, undo])).effects.get(`${OP}.9`)?.length,
    1,
  )
})

test('what was before the log, or before what was pruned of it, is judged by nobody', () => {
  const of = (since: number) =>
    attribute(AT, parseZpoolHistory(DIARY), { all: EFFECTS, since }).foreign.length
  assert.deepEqual([of(at('09:04:59.900')), of(at('09:05:00'))], [1, 0], 'the rollback')
  const outcome = {
    type: 'EffectSucceeded',
    t: 5,
    data: { intent: 'X.1', kind: 'dataset.destroy', by: 'run' },
  }
  assert.equal(effectsOf([outcome as never], 3).since, 5)
})

test('names with blanks, and what ZFS does in two words, are read', () => {
  const lines = ['set tank/ct/my web (7) quota=5 [on a]', 'finish receiving tank/ct/web (8) snap=x  [on a]']
  const text = lines.map((line) => `2026-11-25.09:10:00 [txg:50] ${line}`).join('\n')
  assert.deepEqual(
    parseZpoolHistory(text).records.map(({ operation, dataset, detail }) => [operation, dataset, detail]),
    [
      ['set', 'tank/ct/my web', 'quota=5'],
      ['finish receiving', 'tank/ct/web', 'snap=x'],
    ],
  )
})

test('of effects that make the same change each is given one, the newest first; before and after them it is foreign', () => {
  const line = (time: string) => `2026-11-25.${time} [txg:50] set tank/ct/web (101) quota=5 [on alpha]\n`
  const set = (n: number, from: string) =>
    effect(n, 'dataset.set', { dataset: 'ct/web', guid: '1', set: { quota: '5' } }, from)
  const owners = (times: string[]) =>
    [
      ...attribute(
        AT,
        parseZpoolHistory(times.map(line).join('')),
        known([set(1, '09:10:00.100'), set(2, '09:10:00.500')]),
      ).effects.keys(),
    ].map((intent) => intent.slice(-1))
  assert.deepEqual(owners(['09:10:00', '09:10:00']), ['2', '1'])
  assert.deepEqual(owners(['09:10:01']), ['2'], 'the first was over by then')
  for (const time of ['09:09:58', '09:10:02']) assert.deepEqual(owners([time]), [])
})

test('one that says that it had nothing to do is given nothing that another can have made', () => {
  const lines = ['ct', 'image'].map((name) => `2026-11-25.09:10:00 [txg:50] create tank/${name} (9)  [on a]`)
  const layout = (n: number, created: string[]) =>
    effect(n, 'pool.layout', {}, '09:10:00', { evidence: { created } })
  const { effects, unrecorded } = attribute(
    AT,
    parseZpoolHistory(lines.join('\n')),
    known([layout(1, ['ct', 'image']), layout(2, [])]),
  )
  assert.deepEqual([effects.get(`${OP}.1`)?.length, effects.size, unrecorded.length], [2, 1, 0])
})

test('what somebody else destroyed before need not be destroyed again', () => {
  const line = '2026-11-25.09:09:00 [txg:50] destroy tank/trash/x (101)  [on alpha]\n'
  const late = effect(1, 'dataset.destroy', { dataset: 'trash/x', guid: '1' }, '09:10:00')
  const of = (text: string) => attribute(AT, parseZpoolHistory(text), known([late]))
  assert.equal(of(line).foreign.length, 1)
  assert.deepEqual(of(line).unrecorded, [])
  assert.equal(of(line.replace('trash/x', 'trash/y')).unrecorded.length, 1)
})

test('what somebody else renamed and destroyed then is destroyed; what was only renamed is not', () => {
  const late = effect(1, 'dataset.destroy', { dataset: 'trash/x', guid: '1' }, '09:10:00')
  const lines = [
    'rename tank/trash/x (7) -> tank/y',
    'rename tank/y (7) -> tank/z',
    'destroy tank/z (7)  [on a]',
  ]
  const left = (n: number): number => {
    const text = lines.slice(0, n).map((line) => `2026-11-25.09:09:00 [txg:50] ${line}`)
    return attribute(AT, parseZpoolHistory(text.join('\n')), known([late])).unrecorded.length
  }
  assert.deepEqual([left(1), left(2), left(3)], [1, 1, 0])
})

test('rows: others and what left nothing; with all also effects by their intents, and upkeep by its act', () => {
  const lost = effect(3, 'dataset.trash', { from: 'ct/x', to: 'trash/x', guid: '1' }, '09:03:00')
  const attribution = attribute(AT, parseZpoolHistory(DIARY), known([...EFFECTS, lost]))
  const told = (all: boolean) =>
    zfsChangeRows('tank', attribution, all).map(({ change, of }) => `${change} ${of?.replace(OP, 'OP')}`)
  assert.deepEqual(told(false), ['unrecorded OP.3', 'foreign undefined'])
  assert.deepEqual(told(true), [
    'upkeep log dataset',
    'upkeep reserve of the log',
    'effect OP.1',
    'effect OP.1',
    'effect OP.1',
    'effect OP.2',
    'upkeep anchor',
    'unrecorded OP.3',
    'foreign undefined',
  ])
})

test('every line makes one change, one command or nothing, and every change has one place at most', () => {
  const lines = DIARY.split('\n')
  fc.assert(
    fc.property(fc.shuffledSubarray(lines), fc.subarray([...EFFECTS]), (some, effects) => {
      const history = parseZpoolHistory(some.join('\n'))
      const found = attribute(AT, history, known(effects))
      const own = [...found.effects.values()].flat()
      const others = found.foreign.flatMap(({ records }) => records)
      const placed = [...own, ...found.upkeep.map(({ record }) => record), ...others]
      assert.equal(new Set(placed).size, placed.length)
      assert.ok(placed.length <= history.records.length)
      const left = history.records.filter((record) => !placed.includes(record))
      assert.ok(left.every(({ dataset }) => dataset === 'tank/ct/web/data'))
    }),
  )
})
