/** What changed between two moments, and the events responsible. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { diff } from '../../../src/audit/diff.ts'
import { poolAt } from '../../../src/audit/past.ts'
import type { PoolMoment } from '../../../src/audit/view.ts'
import { SqliteLog } from '../../../src/events/log/sqlite/log.ts'
import { scratchDir, stamp } from '../events/log/helpers.ts'
import { appendGolden, goldenEvents } from './golden-log.ts'

const noPause = (): undefined => undefined
const { dir, remove } = scratchDir()
const log = new SqliteLog({ dir, stamp })
const events = goldenEvents()
const last = events.length
const facts = { name: 'tank', guid: null, dataset: 'tank', directory: '/tank' }
const at = (seq: number): Promise<PoolMoment> =>
  poolAt(facts, { log, checkpoint: () => Promise.resolve(null) }, seq, noPause)

before(() => appendGolden(log))
after(async () => {
  await log.close()
  remove()
})

describe('a diff', () => {
  it('of a moment with itself is empty', async () => {
    for (const seq of [1, 50, 206, last]) {
      const { changes } = await diff(await at(seq), await at(seq), undefined, noPause)
      assert.deepEqual(changes, [])
    }
  })

  it('names an event between the two for every change, of the stream that changed', async () => {
    for (const [from, to] of [
      [0, 60],
      [60, 150],
      [100, 210],
      [190, last],
      [0, last],
    ] as const) {
      const earlier = from === 0 ? null : await at(from)
      const { changes } = await diff(earlier, await at(to), undefined, noPause)
      assert.ok(changes.length > 0)
      for (const { entity, key, name, property, position, actor, command } of changes) {
        const what = `${from}…${to}: ${entity} ${name} ${property}`
        const seq = Number(position?.split(':')[1])
        assert.ok(seq > from && seq <= to, `${what}: ${position}`)
        const event = events[seq - 1]
        assert.equal(event?.stream, entity === 'container' ? `ct:${key}` : 'pool', what)
        assert.ok(actor !== null && actor !== '' && command !== null && command !== '', what)
      }
    }
  })

  it('says who set a property, and with what', async () => {
    const set = events.find(({ type }) => type === 'CtConfigSet')
    assert.ok(set)
    const { changes } = await diff(await at(set.seq - 2), await at(set.seq), undefined, noPause)
    const change = changes.find(({ position }) => position === `tank:${set.seq}`)
    assert.equal(change?.entity, 'container')
    assert.equal(change?.change, 'changed')
    assert.equal(change?.time, set.t)
    assert.match(change?.actor ?? '', /alice/)
    assert.match(change?.command ?? '', /^osctl ct set/)
  })

  it('tells a container that came and one that went, and of one container nothing else', async () => {
    const made = events.find(({ type }) => type === 'CtCreateRequested')
    assert.ok(made)
    const { ctid, id } = (made.data as { identity: { ctid: string; id: string } }).identity
    const came = await diff(await at(made.seq - 2), await at(made.seq), ctid, noPause)
    assert.equal(came.changes[0]?.change, 'added')
    assert.equal(came.changes[0]?.property, null)
    assert.ok(came.changes.every(({ key }) => key === id))
    assert.deepEqual(await diff(await at(made.seq - 2), await at(made.seq), id, noPause), came)
    const trashed = events.find(({ type }) => type === 'TrashAdded')
    assert.ok(trashed)
    const gone = (trashed.data as { ct: string }).ct
    const went = await diff(await at(trashed.seq - 20), await at(trashed.seq), undefined, noPause)
    const removed = went.changes.find(({ key, property }) => key === gone && property === null)
    assert.equal(removed?.change, 'removed')
    assert.ok(went.changes.some(({ entity, change }) => entity === 'trash' && change === 'added'))
  })
})
