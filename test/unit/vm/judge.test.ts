/** What was seen of a pool after a power cut is judged: each thing that must hold is missed when it does not. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Seen } from '../../vm/powercut/guest.ts'
import { headBefore, judge, nameOf, type Outcome, outcomeOf, underWay } from '../../vm/powercut/judge.ts'
import type { Point } from '../../vm/powercut/points.ts'
import type { Acknowledged } from '../../vm/powercut/recording.ts'
import { formatReport } from '../../vm/powercut/report.ts'

const answer = (command: string, configured: string, bytes: number): Acknowledged => ({
  command,
  configured,
  bytes,
  log: { head: `${bytes}:abcd`, bytes: bytes + 5 },
})
const ACKNOWLEDGED = [
  answer('pool install tank', '', 100),
  answer('ct new a', 'a - - -', 200),
  answer('ct set autostart a', 'a - true -', 300),
  answer('ct new b', 'a - true -\nb - - -', 400),
]
const after = (before: number): Point => ({
  key: '1',
  kind: 'flush',
  entries: 1,
  unflushed: 0,
  lost: 0,
  before,
  kept: () => true,
})

const log = { pool: 'tank', head: '', events: 9, segments: 1, pruned: null, anchors: 1, first_bad: null }
const container = (id: string, state: string, autostart: boolean) => ({
  id,
  state,
  autostart,
  configured: `${id} - ${autostart || '-'} -`,
})
const operation = (command: string, state = 'done') => ({ command: `osctl ${command}`, state, problem: null })

/** `ct new b` was under way, and nothing of it is there. */
const SEEN: Seen = {
  verified: [{ ...log, result: 'ok', problems: [] }],
  operations: ['pool install tank', 'ct new a', 'ct set autostart a'].map((it) => operation(it)),
  containers: [container('a', 'running', true)],
  datasets: ['a'],
  staged: [],
  problems: [],
  started: { later: 'running' },
  changes: [{ change: 'effect', of: '01J', subject: 'tank/ct/a', what: 'rename' }],
  took: {},
}
const wrongOf = (more: Partial<Seen>): string =>
  judge({ ...SEEN, ...more }, ACKNOWLEDGED, after(2)).wrong.join('\n')

describe('a pool after a power cut', () => {
  it('is right without a trace of the command that was under way', () => {
    assert.deepEqual(judge(SEEN, ACKNOWLEDGED, after(2)), { fate: 'no trace', wrong: [] })
  })

  it('is right with that command done, or undone', () => {
    const done: Partial<Seen> = {
      operations: [...SEEN.operations, operation('ct new b')],
      containers: [...SEEN.containers, container('b', 'stopped', false)],
      datasets: ['a', 'b'],
    }
    assert.deepEqual(judge({ ...SEEN, ...done }, ACKNOWLEDGED, after(2)), { fate: 'done', wrong: [] })
    const undone = { operations: [...SEEN.operations, operation('ct new b', 'undone')] }
    assert.deepEqual(judge({ ...SEEN, ...undone }, ACKNOWLEDGED, after(2)), { fate: 'undone', wrong: [] })
  })

  it('is wrong when its log does not verify', () => {
    const damaged: Seen['verified'] = [{ ...log, result: 'lost', problems: ['its end is missing'] }]
    assert.match(wrongOf({ verified: damaged }), /event verify: lost: its end is missing/)
    assert.match(wrongOf({ verified: [] }), /not verified/)
  })

  it('is wrong when ZFS wrote down what is of no effect, or nothing of one that is done, or nothing', () => {
    const [made] = SEEN.changes
    const foreign = { change: 'foreign', of: null, subject: 'tank/ct/z', what: 'create' } as const
    assert.match(wrongOf({ changes: made ? [made, foreign] : [] }), /^foreign: +tank\/ct\/z create$/)
    const unrecorded = { ...foreign, change: 'unrecorded', of: '01K' } as const
    assert.match(wrongOf({ changes: made ? [made, unrecorded] : [] }), /^unrecorded: 01K tank\/ct\/z create$/)
    assert.match(wrongOf({ changes: [] }), /no change of an effect/)
  })

  it('is wrong when what was answered is not in the log, or not there', () => {
    assert.match(
      wrongOf({ operations: SEEN.operations.slice(0, 2) }),
      /'ct set autostart a' was answered, and/,
    )
    assert.match(wrongOf({ containers: [container('a', 'stopped', false)] }), /configured: a - - -, expected/)
  })

  it('is wrong when the command under way is half there, or said to be what it is not', () => {
    assert.match(wrongOf({ datasets: ['a', 'b'] }), /datasets of containers: a, b, expected a/)
    assert.match(wrongOf({ staged: ['01J'] }), /in staging: 01J, expected none/)
    const operations = [...SEEN.operations, operation('ct new b')]
    assert.match(wrongOf({ operations }), /configured: .*expected a - true -, b - - -/)
    const doubtful = [...SEEN.operations, operation('ct new b', 'in doubt')]
    assert.match(wrongOf({ operations: doubtful }), /neither done nor undone/)
    assert.match(wrongOf({ operations: doubtful }), /'osctl ct new b' is in doubt/)
  })

  it('is wrong when healthcheck finds something, or containers do not run or start', () => {
    const problems: Seen['problems'] = [
      { pool: 'tank', entity: 'ct', id: 'a', problem: 'no dataset', level: 'error' },
    ]
    assert.match(wrongOf({ problems }), /error ct a: no dataset/)
    assert.match(wrongOf({ containers: [container('a', 'stopped', true)] }), /a is stopped, expected running/)
    assert.match(wrongOf({ started: { later: 'stopped' } }), /later was started, and is stopped/)
  })
})

it('the head that must be there is the newest that was on the disk for certain', () => {
  assert.equal(headBefore(ACKNOWLEDGED, 104), '')
  assert.equal(headBefore(ACKNOWLEDGED, 304), '200:abcd')
  assert.equal(headBefore(ACKNOWLEDGED, 305), '300:abcd')
  assert.equal(underWay(ACKNOWLEDGED, after(3)), 'nothing')
})

it('a point that could not be looked at is wrong, and has its name', () => {
  const error = 'zpool import: no such pool'
  const outcome = outcomeOf({ seen: null, error }, after(2), ACKNOWLEDGED, 9)
  assert.deepEqual([outcome.fate, outcome.wrong], ['wrong', [error]])
  assert.equal(
    nameOf({ ...after(2), kind: 'between', unflushed: 3, lost: 1 }, ACKNOWLEDGED, 9),
    "entry 1 of 9, 1 of 3 lost after a flush; 'ct set autostart a' answered, 'ct new b' under way",
  )
  assert.equal(outcomeOf({ seen: SEEN, error: '' }, after(2), ACKNOWLEDGED, 9).started, 1)
})

it('a report counts points, fates and what was wrong', () => {
  const outcome = (key: string, more: Partial<Outcome> = {}): Outcome => ({
    key,
    name: `entry ${key}`,
    kind: 'flush',
    command: 'ct new b',
    fate: 'done',
    wrong: [],
    started: 0,
    ...more,
  })
  const run = { commit: 'abc', date: '2026-01-05', seed: '7', points: 9, entries: 99 }
  const outcomes = [
    outcome('1'),
    outcome('2', { kind: 'between', fate: 'undone', started: 2 }),
    outcome('3', { wrong: ['a is gone'] }),
  ]
  const text = formatReport(run, outcomes)
  assert.match(
    text,
    /3 distinct points, of 9 that\nwere chosen among 99 .*, 2 at a flush and 1 between two\.\n.* at 1\. 1 were wrong/,
  )
  assert.match(text, /\| `ct new b` \| 2 \| 1 \| 1 \| 1 \| 0 \| 0 \| 1 \|/)
  assert.match(text, /\| entry 3 \| done \| 0 \| a is gone \|/)
})
