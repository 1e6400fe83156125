/** Points of a recorded run: every flush and every stretch between two, no point twice, each with its boundary. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Random } from '../../simulation/random.ts'
import { type Point, pointsOf } from '../../vm/powercut/points.ts'
import type { Acknowledged } from '../../vm/powercut/recording.ts'
import { bytesUpTo, type Entry } from '../../vm/write-log.ts'

/** `w` is a write, `f` a flush. */
function entriesOf(letters: string): Entry[] {
  let data = 512
  return [...letters].map((letter) => {
    const isFlush = letter === 'f'
    const entry = { offset: 0, length: isFlush ? 0 : 512, data, isFlush, isForced: false, isDiscard: false }
    data += entry.length + 512
    return entry
  })
}

/** Answers after so many entries. */
const answers = (entries: readonly Entry[], ...counts: number[]): Acknowledged[] =>
  counts.map((count, i) => {
    const bytes = bytesUpTo(entries, count)
    return { command: `command ${i}`, bytes, configured: '', log: { head: '', bytes } }
  })

const names = (points: readonly Point[]): string[] =>
  points.map(({ entries, before }) => `${entries}/${before}`)

describe('points of a recorded run', () => {
  const entries = entriesOf('wwfwwwfwfwwf')
  const acknowledged = answers(entries, 3, 7, 12)

  it('are all flushes after the first answer, with what was answered then, when there are enough', () => {
    const points = pointsOf(entries, acknowledged, 12, new Random(1n))
    const flushes = points.filter(({ kind }) => kind === 'flush')
    assert.deepEqual(names(flushes), ['7/1', '9/1', '12/2'])
    assert.ok(flushes.every(({ unflushed, lost, kept }) => unflushed === 0 && lost === 0 && kept(0)))
  })

  it('lie in every stretch between two flushes', () => {
    const points = pointsOf(entries, acknowledged, 12, new Random(1n))
    const between = points.filter(({ kind }) => kind === 'between')
    const stretch = (at: number) => entries.slice(0, at).filter(({ isFlush }) => isFlush).length
    assert.deepEqual([...new Set(between.map((it) => stretch(it.entries)))], [1, 2, 3])
    for (const { entries: at, unflushed, lost, kept } of between) {
      assert.equal(entries[at - 1]?.isFlush, false)
      assert.ok(entries.slice(at - unflushed, at).every(({ isFlush }) => !isFlush))
      const open = Array.from({ length: unflushed }, (_, i) => at - unflushed + i)
      assert.equal(open.filter((place) => !kept(place)).length, lost)
    }
  })

  it('are never more than asked for, in order, no two alike, and equal for equal seeds', () => {
    const runs = fc.record({
      letters: fc.array(fc.constantFrom('w', 'w', 'f'), { minLength: 1, maxLength: 60 }),
      count: fc.integer({ min: 1, max: 40 }),
      seed: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    })
    fc.assert(
      fc.property(runs, ({ letters, count, seed }) => {
        const all = entriesOf(letters.join(''))
        const list = answers(all, 0, Math.floor(all.length / 2), all.length)
        const points = pointsOf(all, list, count, new Random(seed))
        assert.ok(points.length <= count)
        assert.equal(new Set(points.map(({ key }) => key)).size, points.length)
        assert.deepEqual(
          points.map((it) => it.entries),
          points.map((it) => it.entries).sort((a, b) => a - b),
        )
        const again = pointsOf(all, list, count, new Random(seed))
        assert.deepEqual(
          again.map(({ key }) => key),
          points.map(({ key }) => key),
        )
      }),
    )
  })
})
