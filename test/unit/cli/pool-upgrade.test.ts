/** `osctl pool upgrade`: shows without a pool, asks before it acts, and says what it costs. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FormatRow } from '../../../src/rpc/proof.ts'
import { done, run } from './harness.ts'

const row: FormatRow = {
  pool: 'tank',
  format: 1,
  newest: 2,
  needs: '0.1.0',
  upgrade: 2,
  would_need: '9.9.0',
  brings: 'news',
  problem: null,
}

function daemon(rows: readonly FormatRow[]) {
  const upgraded: string[] = []
  const handlers = {
    'pool.formats': async ({ pools }: { pools?: string[] | undefined }) =>
      rows.filter(({ pool }) => pools?.includes(pool) ?? true),
    'pool.upgrade': async ({ name }: { name: string }) => {
      upgraded.push(name)
      return done
    },
  }
  return { upgraded, handlers }
}

test('without a pool it lists formats, and what an upgrade would bring', async () => {
  const { upgraded, handlers } = daemon([row])
  const { status, out } = await run(['pool', 'upgrade'], handlers)
  assert.equal(status, 0)
  assert.match(out, /^POOL +FORMAT +NEWEST +NEEDS +UPGRADE +WOULD_NEED +BRINGS +PROBLEM/)
  assert.match(out, /tank +1 +2 +0\.1\.0 +2 +9\.9\.0 +news/)
  assert.deepEqual(upgraded, [])
})

test('it asks, and names who can no longer write the pool; a script must say --yes', async () => {
  const { upgraded, handlers } = daemon([row])
  const script = await run(['pool', 'upgrade', 'tank'], handlers)
  assert.deepEqual(
    [script.status, script.err],
    [1, 'error: not confirmed, nothing was done (--yes does not ask)\n'],
  )
  const no = await run(['pool', 'upgrade', 'tank'], handlers, { terminals: [0], answer: 'n' })
  assert.equal(no.status, 1)
  assert.match(
    no.asked[0] ?? '',
    /tank \(format 1\) to format 2\? It cannot be undone: osctld before 9\.9\.0/,
  )
  assert.deepEqual(upgraded, [])
  await run(['pool', 'upgrade', 'tank'], handlers, { terminals: [0], answer: 'y' })
  await run(['pool', 'upgrade', 'tank', '-y'], handlers)
  assert.deepEqual(upgraded, ['tank', 'tank'])
})

test('of pools that have the newest, or cannot be upgraded, nothing is asked: the daemon answers', async () => {
  const { upgraded, handlers } = daemon([
    { ...row, upgrade: null },
    { ...row, pool: 'deep', problem: 'suspended' },
  ])
  const { status, asked } = await run(['pool', 'upgrade', '--all'], handlers, { terminals: [0] })
  assert.deepEqual([status, asked, upgraded], [0, [], ['tank', 'deep']])
  const both = await run(['pool', 'upgrade', '--all', 'tank'], handlers)
  assert.match(both.err, /either a pool or --all/)
})
