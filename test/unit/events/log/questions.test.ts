/** Every store answers every question as the rule in events/types/query.ts does, however its segments stand. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { MemoryLog } from '../../../../src/events/log/memory.ts'
import { MemoryDisk } from '../../../../src/events/log/memory-disk.ts'
import { SqliteLog } from '../../../../src/events/log/sqlite/log.ts'
import type { EventQuery, LogStore } from '../../../../src/events/log/store.ts'
import type { Actor } from '../../../../src/events/types/actor.ts'
import { isNamed } from '../../../../src/events/types/actor-name.ts'
import type { NewEvent, StoredEvent } from '../../../../src/events/types/envelope.ts'
import type { EventType } from '../../../../src/events/types/events.ts'
import { answers } from '../../../../src/events/types/query.ts'
import { ct, event, readAll, scratchDir, stamp, T0 } from './helpers.ts'

const verified = (uid: number, loginuid: number | null) => ({
  uid,
  gid: 0,
  pid: 7,
  start: 1,
  loginuid,
  exe: null,
  tty: null,
})
const ACTORS: readonly Actor[] = [
  { system: 'autostart' },
  { verified: verified(0, null) },
  { verified: verified(0, 1000) },
  { verified: verified(0, 1000), claimed: { sudoUser: "o'hara", sshClient: '10.0.0.5' } },
  { verified: verified(33, null), claimed: { sshClient: '' } },
  { verified: verified(33, null), claimed: { reason: 'ticket 7', sshClient: 'fe80::1' } },
]
const NAMES = [
  'uid 0',
  'root',
  '1000',
  "o'hara",
  '10.0.0.5',
  "o'hara from 10.0.0.5",
  'system',
  'nobody',
  '33',
]

const KINDS: readonly ((actor: Actor, word: string) => Pick<NewEvent, 'type' | 'data'>)[] = [
  (actor) => ({ type: 'CommandAccepted', data: { command: 'ct start', args: {}, actor, cli: null } }),
  (actor) => ({ type: 'CommandRefused', data: { command: 'ct start', args: {}, actor, cli: null } }),
  (actor) => ({ type: 'CtSessionOpened', data: { session: 's', how: 'exec', program: 'sh', actor } }),
  (_, word) => ({ type: 'OperationFinished', data: { result: word, error: null } }),
  (_, word) => ({ type: 'CtExited', data: { run: 'r', how: 'hook', target: word } }),
  () => ({ type: 'CtLost', data: { run: 'r', bootId: 'b' } }),
  () => ({ type: 'CtFreezeRequested', data: {} }),
]
const WORDS = ['done', 'failed', 'undone', 'stop', 'reboot', 'crash']
const TYPES: readonly EventType[] = [
  'CommandAccepted',
  'OperationFinished',
  'CtExited',
  'CtLost',
  'CtFreezeRequested',
  'CtSessionOpened',
]

const drafts = fc.array(
  fc.record({
    stream: fc.nat(3),
    kind: fc.nat(KINDS.length - 1),
    actor: fc.nat(ACTORS.length - 1),
    word: fc.nat(WORDS.length - 1),
    op: fc.option(fc.nat(4)),
    /** The clock jumps. */
    t: fc.nat(40),
  }),
  { minLength: 1, maxLength: 60 },
)
type Drafted = { stream: number; kind: number; actor: number; word: number; op: number | null; t: number }

function eventOf({ stream, kind, actor, word, op, t }: Drafted): NewEvent {
  const made = KINDS[kind]?.(ACTORS[actor] ?? { system: 'boot' }, WORDS[word] ?? '')
  return event(ct(stream), { ...made, t: T0 + t, ...(op === null ? {} : { op: `OP${op}` }) })
}

const conditions = {
  stream: fc.nat(3).map(ct),
  types: fc.subarray([...TYPES], { minLength: 1 }),
  ops: fc.subarray(['OP0', 'OP1', 'OP4', 'none'], { minLength: 1 }),
  op: fc.constantFrom('OP0', 'OP2'),
  actors: fc.subarray(NAMES, { minLength: 1 }),
  failed: fc.constant(true as const),
  since: fc.nat(40).map((t) => T0 + t),
  until: fc.nat(40).map((t) => T0 + t),
}
/** Two conditions at most: more leave nothing to be found. */
const queries = fc.array(
  fc
    .record({
      all: fc.record(conditions),
      kept: fc.subarray(Object.keys(conditions) as (keyof typeof conditions)[], { maxLength: 2 }),
      reverse: fc.boolean(),
      limit: fc.integer({ min: 1, max: 7 }),
    })
    .map(
      ({ all: every, kept, reverse, limit }): EventQuery => ({
        ...Object.fromEntries(kept.map((name) => [name, every[name]])),
        reverse,
        limit,
      }),
    ),
  { minLength: 1, maxLength: 12 },
)

async function all(log: LogStore, query: EventQuery): Promise<number[]> {
  const seqs: number[] = []
  for (let next: EventQuery | null = query; next; ) {
    const slice = await log.query(next)
    seqs.push(...slice.events.map(({ seq }) => seq))
    const edge: number | null = slice.next
    next = edge === null ? null : query.reverse ? { ...query, to: edge } : { ...query, from: edge }
  }
  return seqs
}

async function hold(log: LogStore, asked: readonly EventQuery[], when: string): Promise<void> {
  const events: StoredEvent[] = await readAll(log)
  const ids = events.filter(({ seq }) => seq % 3 === 0).map(({ id }) => id)
  const wanted = [...asked, { ids, limit: 4 }, { ids, types: TYPES.slice(0, 2), reverse: true, limit: 4 }]
  for (const query of wanted) {
    const expected = events.filter((each) => answers(each, query)).map(({ seq }) => seq)
    if (query.reverse) expected.reverse()
    assert.deepEqual(await all(log, query), expected, `${when}: ${JSON.stringify(query)}`)
  }
}

test('open, sealed and reopened, SQLite and memory answer as the rule says', async () => {
  await fc.assert(
    fc.asyncProperty(drafts, drafts, queries, async (first, second, wanted) => {
      const { dir, remove } = scratchDir()
      const logs: LogStore[] = [
        new SqliteLog({ dir, stamp }),
        new MemoryLog({ disk: new MemoryDisk(), stamp }),
      ]
      for (const log of logs) {
        await log.open()
        await log.append({ events: first.map(eventOf), expected: {} })
        await hold(log, wanted, 'open')
        await log.seal([])
        await log.append({ events: second.map(eventOf), expected: {} })
        await hold(log, wanted, 'one sealed')
        await log.close()
      }
      const again = new SqliteLog({ dir, stamp })
      await again.open()
      // The first question comes before the columns are read, later ones after.
      await hold(again, wanted, 'reopened')
      await new Promise((resolve) => setTimeout(resolve, 5))
      await hold(again, wanted, 'reopened and at rest')
      await again.close()
      remove()
    }),
    { numRuns: 20 },
  )
})

test('an actor answers to all of its name, to who, to where from, to its number', () => {
  assert.ok(isNamed('uid 0', ['root']))
  assert.ok(isNamed('uid 0 from 10.0.0.5', ['0']))
  assert.ok(isNamed("o'hara from 10.0.0.5", ['10.0.0.5']))
  assert.ok(isNamed('system:boot', ['nobody', 'system']))
  assert.ok(!isNamed('uid 1000', ['root']))
  assert.ok(!isNamed('uid 1000', ['100']))
})
