import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { inOneOrder, isByWallClock, type Placed } from '../../../src/rpc/order.ts'

const at = (pool: string, boot: string | null, mono: number, time: number): Placed => ({
  pool,
  boot,
  mono,
  time,
})
const shown = (rows: readonly Placed[]): string =>
  rows.map(({ pool, boot, mono }) => `${pool}${boot}${mono}`).join(' ')

test('within a boot the monotonic clock decides, whatever the wall clock says', () => {
  const rows = inOneOrder([
    [at('a', 'x', 1, 100), at('a', 'x', 3, 100)],
    [at('b', 'x', 2, 5), at('b', 'x', 4, 5)],
  ])
  assert.equal(shown(rows), 'ax1 bx2 ax3 bx4')
  assert.equal(isByWallClock(rows), false)
})

test('of two boots the one that some pool saw first is the earlier', () => {
  const rows = inOneOrder([
    [at('a', 'x', 9, 100), at('a', 'y', 1, 50)],
    [at('b', 'y', 2, 10)],
    [at('c', 'x', 8, 200)],
  ])
  assert.equal(shown(rows), 'cx8 ax9 ay1 by2')
  assert.equal(isByWallClock(rows), false)
})

test('where no pool saw both boots the wall clock decides, and it is told', () => {
  const rows = inOneOrder([[at('a', 'x', 1, 100)], [at('b', 'y', 1, 50)], [at('c', null, 0, 70)]])
  assert.equal(shown(rows), 'by1 cnull0 ax1')
  assert.equal(isByWallClock(rows), true)
  assert.equal(isByWallClock(rows.slice(0, 1)), false)
})

test('rows of one true history come back in its order: boots follow each other, wall clocks jump', () => {
  const steps = fc.array(
    fc.record({
      pool: fc.constantFrom('a', 'b', 'c'),
      reboot: fc.nat(9),
      jump: fc.integer({ min: -50, max: 50 }),
    }),
    { maxLength: 60 },
  )
  fc.assert(
    fc.property(steps, (list) => {
      let [boot, mono] = [0, 0]
      // Every pool is there at every boot, as its first event of it says.
      const rows = list.flatMap(({ pool, reboot, jump }, i) => {
        const isNew = i === 0 || reboot === 0
        if (isNew) [boot, mono] = [boot + 1, 0]
        const first = isNew ? ['a', 'b', 'c'].map((each) => at(each, `boot${boot}`, ++mono, i + jump)) : []
        return [...first, at(pool, `boot${boot}`, ++mono, i + jump)]
      })
      const lists = ['a', 'b', 'c'].map((pool) => rows.filter((row) => row.pool === pool))
      assert.deepEqual(inOneOrder(lists), rows)
      assert.equal(isByWallClock(rows), false)
    }),
  )
})
