/**
 * Golden logs: what a release wrote, every later one must read. A log is never written again; when an
 * event's shape changes, the present story becomes the log of the next version: `GOLDEN_NEW=v2 node --test …`.
 * Its states are what the present machines make of it: after a context has a new member, review and
 * `GOLDEN_STATES=1`.
 */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { chained, linkHash, NO_HASH, parseBody } from '../../../src/events/log/chain.ts'
import type { StoredEvent } from '../../../src/events/types/envelope.ts'
import { EVENT_TYPES } from '../../../src/events/types/events.ts'
import { INTENT_KINDS } from '../../../src/events/types/intents.ts'
import { baselineOf, canonical } from '../../../src/machines/baseline.ts'
import { assertSchema, fold, type States, text } from './check.ts'
import { story } from './story.ts'

const root = fileURLToPath(new URL('../../golden', import.meta.url))
const created = process.env['GOLDEN_NEW']
if (created) write(created)

function write(version: string): void {
  const folder = `${root}/${version}`
  assert.ok(!existsSync(`${folder}/log.jsonl`), `${version} is written already and never changes`)
  mkdirSync(folder, { recursive: true })
  let head: Buffer = NO_HASH
  const lines = story().events.map((event) => {
    const { body, hash } = chained(head, event)
    head = hash
    return body.toString()
  })
  writeFileSync(`${folder}/log.jsonl`, `${lines.join('\n')}\n`)
  writeFileSync(`${folder}/head`, `${head.toString('hex')}\n`)
}

const linesOf = (version: string): Buffer[] =>
  readFileSync(`${root}/${version}/log.jsonl`, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => Buffer.from(line))

const folded = (events: readonly StoredEvent[]): States => {
  const states: States = new Map()
  for (const event of events) fold(states, event)
  return states
}
/** States as text, sorted and one to a line, for reviews. */
const printed = (states: States): string =>
  [...states]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([stream, state]) => `${stream} ${canonical(baselineOf(state))}\n`)
    .join('')

const versions = readdirSync(root).sort()

for (const version of versions) {
  describe(`the golden log ${version}`, () => {
    const bodies = linesOf(version)
    const events = bodies.map(parseBody)

    test('is the very one that was written', () => {
      let head: Buffer = NO_HASH
      for (const body of bodies) head = linkHash(head, body)
      assert.equal(head.toString('hex'), readFileSync(`${root}/${version}/head`, 'utf8').trim())
      assert.deepEqual(
        events.map(({ seq }) => seq),
        events.map((_event, i) => i + 1),
      )
    })

    test('folds to the expected states', () => {
      const file = `${root}/${version}/states.txt`
      const now = printed(folded(events))
      if (process.env['GOLDEN_STATES']) writeFileSync(file, now)
      assert.equal(now, readFileSync(file, 'utf8'))
    })

    test('folds to the same states from its newest baselines', () => {
      const all = folded(events)
      const tail = folded(events.slice(events.findLastIndex(({ type }) => type === 'SegmentOpened')))
      assert.ok(tail.size > 3)
      for (const [stream, state] of tail) assert.equal(text(state), text(all.get(stream) ?? state))
    })
  })
}

describe('the newest golden log', () => {
  const events = linesOf(versions.at(-1) ?? '').map(parseBody)

  test('holds every type of event and every kind of effect', () => {
    const types = new Set(events.map(({ type }) => type))
    assert.deepEqual(
      EVENT_TYPES.filter((type) => !types.has(type)),
      [],
      'write the log of a new version',
    )
    const kinds = new Set(events.map(({ data }) => (data as { kind?: string }).kind))
    assert.deepEqual(
      INTENT_KINDS.filter((kind) => !kinds.has(kind)),
      [],
    )
  })

  test('is of the present shapes', () => {
    for (const event of events) assertSchema(event)
  })

  test('takes at most 500 bytes an event on average', (t) => {
    const average = (list: readonly StoredEvent[]): number =>
      list.reduce((sum, event) => sum + Buffer.byteLength(JSON.stringify(event)), 0) / list.length
    const plain = events.filter(({ type }) => type !== 'Baseline')
    t.diagnostic(
      `${events.length} events, ${average(plain).toFixed(0)} bytes on average, with baselines ${average(events).toFixed(0)}`,
    )
    assert.ok(average(plain) <= 500)
  })
})

test('the story of today can still be told', () => {
  const w = story()
  assert.deepEqual(
    [...folded(w.events)].map(([stream, state]) => [stream, text(state)]).sort(),
    [...w.states].map(([stream, state]) => [stream, text(state)]).sort(),
  )
})
