/** What osctl says of logs: whether they are whole, what is given up, what goes. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import type { RecoveryPlan, SegmentRow, VerifyRow } from '../../../src/rpc/proof.ts'
import { done, run } from './harness.ts'

const verifyRow: VerifyRow = {
  pool: 'tank',
  result: 'ok',
  head: '9:ab',
  events: 9,
  segments: 1,
  pruned: null,
  anchors: 1,
  first_bad: null,
  problems: [],
}

test('event verify compares with heads that are typed, in a file, or in lines of syslog', async () => {
  const asked: unknown[] = []
  const handlers = {
    'event.verify': async ({ against }: { against?: unknown }) => {
      asked.push(against)
      return [verifyRow]
    },
  }
  const hash = 'ab'.repeat(32)
  const file = join(mkdtempSync(join(tmpdir(), 'osctl-heads-')), 'heads')
  writeFileSync(
    file,
    `noise\n{"guid":"7","seq":5,"hash":"${hash}"}\nx log head pool=tank guid=7 seq=6 hash=${hash}\n`,
  )
  assert.equal((await run(['event', 'verify'], handlers)).status, 0)
  assert.equal((await run(['event', 'verify', '--against', `5:${hash},${file}`], handlers)).status, 0)
  assert.deepEqual(asked, [
    undefined,
    [
      { seq: 5, hash },
      { guid: '7', seq: 5, hash },
      { pool: 'tank', guid: '7', seq: 6, hash },
    ],
  ])
  writeFileSync(file, 'noise\n')
  const empty = await run(['event', 'verify', '--against', file], handlers)
  assert.deepEqual([empty.status, empty.err], [1, `error: --against ${file}: there is no head in it\n`])
  const neither = await run(['event', 'verify', '--against', '5:abc'], handlers)
  assert.match(neither.err, /^error: --against 5:abc: neither SEQ:HASH .* nor a file: ENOENT/)
  rmSync(dirname(file), { recursive: true })
})

test('event verify exits 1 when a log is damaged, and says what', async () => {
  const row = { ...verifyRow, result: 'damaged' as const, first_bad: 4, problems: ['seq 4: hash differs'] }
  const { status, err } = await run(['event', 'verify'], { 'event.verify': async () => [row] })
  assert.deepEqual([status, err], [1, 'tank: seq 4: hash differs\n'])
})

test('event recover shows what is lost and asks; --dry-run only shows; a script must say --yes', async () => {
  const plan: RecoveryPlan = {
    pool: 'tank',
    reason: 'its end is lost',
    from: '40:ab',
    lost_from: 41,
    lost_to: 43,
    damage: ['its end is lost'],
    evidence: null,
    containers: 2,
  }
  const asked: unknown[] = []
  const handlers = {
    'event.recovery': async () => plan,
    'event.recover': async ({ pool, from }: { pool: string; from: string }) => {
      asked.push([pool, from])
      return done
    },
  }
  const dry = await run(['event', 'recover', 'tank', '--dry-run'], handlers)
  assert.equal(dry.status, 0)
  assert.match(dry.out, /goes on after event 40, with 2 containers; lost: events from 41 to 43 at least/)
  const script = await run(['event', 'recover', 'tank'], handlers)
  assert.deepEqual([script.status, asked.length], [1, 0])
  assert.match(script.err, /not confirmed, nothing was done/)
  const no = await run(['event', 'recover', 'tank'], handlers, { terminals: [0], answer: 'n' })
  assert.deepEqual([no.status, asked.length], [1, 0])
  assert.equal((await run(['event', 'recover', 'tank'], handlers, { terminals: [0], answer: 'y' })).status, 0)
  assert.equal((await run(['event', 'recover', 'tank', '--yes'], handlers)).status, 0)
  assert.deepEqual(asked, [
    ['tank', '40:ab'],
    ['tank', '40:ab'],
  ])
})

test('event prune says what would go, and asks; it must be told what', async () => {
  const asked: unknown[] = []
  const segment: SegmentRow = {
    pool: 'tank',
    segment: 3,
    state: 'sealed',
    first: 201,
    last: 300,
    events: 100,
    begun: 1,
    ended: 2,
    bytes: 4096,
    head: 'ab',
  }
  const handlers = {
    'event.prunable': async ({ meta: _meta, ...wanted }: { meta?: unknown }) => {
      asked.push(wanted)
      return asked.length > 1 ? [segment] : []
    },
    'event.prune': async ({ upTo }: { upTo: number }) => {
      asked.push(upTo)
      return done
    },
  }
  assert.equal((await run(['event', 'prune', 'tank'], handlers)).status, 64)
  const nothing = await run(['event', 'prune', 'tank', '--keep', '5'], handlers)
  assert.deepEqual([nothing.status, asked], [0, [{ pool: 'tank', keep: 5 }]])
  assert.match(nothing.err, /nothing to do/)
  const yes = await run(['event', 'prune', 'tank', '--before', '301'], handlers, {
    terminals: [0],
    answer: 'y',
  })
  assert.match(yes.asked.join(), /forget 1 segment of tank with 100 events up to tank:300 \(4.*K/)
  assert.deepEqual(asked.slice(1), [{ pool: 'tank', beforeSeq: 301 }, 3])
  assert.equal((await run(['event', 'prune', 'tank', '--keep', '1'], handlers)).status, 1)
  const time = await run(['event', 'prune', 'tank', '--before', '1 year ago', '-y'], handlers)
  assert.equal(time.status, 0)
  assert.ok((asked.at(-2) as { beforeTime: number }).beforeTime < Date.now())
})

test('event quarantine retry finds a container by its name, its pool and name, or its stream', async () => {
  const asked: unknown[] = []
  const row = {
    pool: 'tank',
    stream: 'ct:01',
    target: 'web',
    position: 'tank:5',
    why: 'unknown event type X',
  }
  const handlers = {
    'event.quarantine': async () => [row, { ...row, pool: 'deep', stream: 'ct:02', target: 'mail' }],
    'event.quarantine-retry': async ({ pool, stream }: { pool: string; stream: string }) => {
      asked.push([pool, stream])
      return done
    },
  }
  for (const id of ['web', 'tank:web', 'ct:01', 'tank:ct:01'])
    assert.equal((await run(['event', 'quarantine', 'retry', id], handlers)).status, 0, id)
  assert.deepEqual(
    asked,
    Array.from({ length: 4 }, () => ['tank', 'ct:01']),
  )
  const none = await run(['event', 'quarantine', 'retry', 'other'], handlers)
  assert.deepEqual(
    [none.status, none.err],
    [1, 'error: other is not quarantined (osctl event quarantine ls)\n'],
  )
  const { out } = await run(['event', 'quarantine', 'ls', '-H', '-o', 'target,why'], handlers)
  assert.match(out, /^web +unknown event type X\nmail/)
})
