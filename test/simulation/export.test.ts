/** A simulated life, taken elsewhere: what osctl-replay prints of its file is what the daemon printed. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { Archive } from '../../src/offline/archive.ts'
import { readFile } from '../../src/offline/file.ts'
import { archiveHandlers } from '../../src/offline/handlers.ts'
import { dispatch } from '../../src/rpc/dispatch.ts'
import type { MethodInput, MethodName } from '../../src/rpc/methods.ts'
import type { ExportHeader, ExportPage } from '../../src/rpc/results.ts'
import { fakeCall } from './call.ts'
import { running, scene } from './scenes.ts'
import type { World } from './world.ts'

const directory = mkdtempSync(join(tmpdir(), 'osctl-export-test-'))
after(() => rmSync(directory, { recursive: true, force: true }))

/** Creations, deletions, a seal, crashes, settings, a container that is gone. */
async function life(): Promise<World> {
  const world = await scene()
  await running(world, 'a', 'b', 'c')
  await world.must('ct.set', { id: 'a', set: { hostname: 'www', autostart: { priority: 1, delay: 0 } } })
  await world.must('ct.delete', { id: 'b', force: true })
  await world.until(world.daemon.pools.get('tank')?.upkeep.seal() ?? Promise.resolve())
  await world.pass(60_000)
  world.powerCut()
  await world.boot()
  await world.settle()
  await world.must('ct.new', { id: 'b', distribution: 'busybox' })
  await world.call('ct.start', { id: 'nothere' })
  await world.must('ct.stop', { id: 'a' })
  await world.settle()
  return world
}

async function asked(world: World, method: MethodName, params: unknown): Promise<unknown> {
  return (await world.must(method, params as never)).result
}

async function exported(world: World, params: Omit<MethodInput<'export.open'>, 'pool'>): Promise<Archive> {
  const header = (await asked(world, 'export.open', { pool: 'tank', ...params })) as ExportHeader
  const lines = [JSON.stringify(header)]
  const container = header.container ? { container: header.container.id } : {}
  const take = async (part: string, from: number, to: number): Promise<void> => {
    for (let next: number | null = from; next !== null; ) {
      const page = (await asked(world, 'export.read', {
        pool: 'tank',
        part,
        from: next,
        to,
        ...container,
      })) as ExportPage
      lines.push(...page.lines)
      next = page.next
    }
  }
  if (header.incident) await take('start', 0, header.first - 1)
  await take('events', header.first, header.head.seq)
  if (header.incident) await take('end', 0, header.head.seq)
  const path = join(directory, `${Math.random()}.log`)
  writeFileSync(path, `${lines.join('\n')}\n`)
  return await Archive.of(path, readFile(path))
}

const replayed = (archive: Archive, method: MethodName, params: unknown): Promise<unknown> =>
  dispatch(archiveHandlers(archive, 'x'), { method, params, id: 1 }, fakeCall({ operation: () => {} }))

const same = async (world: World, archive: Archive, method: MethodName, params: unknown): Promise<void> =>
  assert.deepEqual(
    await replayed(archive, method, params),
    await asked(world, method, params),
    `${method} ${JSON.stringify(params)}`,
  )

describe('A log that is taken elsewhere', () => {
  it('answers there what the daemon answers', async () => {
    const world = await life()
    const archive = await exported(world, {})
    const [summary] = archive.summary()
    assert.equal(summary?.chain, 'verified')
    const head = world.daemon.pools.get('tank')?.journal.head().seq ?? 0
    for (const [method, params] of [
      ['ct.list', {}],
      ['ct.show', { id: 'a' }],
      ['user.list', {}],
      ['id-range.list', {}],
      ['repo.list', {}],
      ['trash.list', {}],
      ['op.list', { all: true }],
      ['history.list', {}],
      ['history.list', { ct: 'b' }],
      ['history.list', { failed: true }],
      ['event.list', { limit: 100 }],
      ['event.show', { position: '20' }],
      ['ct.why', { id: 'a', column: 'state' }],
      ['boot.list', {}],
      ['boot.report', {}],
      ['pool.autostart-queue', { name: 'tank' }],
      ['diff', { from: { position: '30' }, to: { position: `${head}` } }],
      ['pool.list', { at: { position: '40' } }],
    ] as const)
      await same(world, archive, method, params)
    for (let seq = 15; seq <= head; seq += 7)
      await same(world, archive, 'ct.list', { at: { position: `${seq}` } })
  })

  it('of one container tells of it alone, and says what it cannot prove', async () => {
    const world = await life()
    const archive = await exported(world, { ct: 'a' })
    const [summary] = archive.summary()
    assert.equal(summary?.chain, 'partial')
    assert.equal(summary?.container, 'a')
    assert.ok((summary?.gaps ?? 0) > 0)
    assert.deepEqual(summary?.containers, ['a'])
    await same(world, archive, 'ct.show', { id: 'a' })
    await same(world, archive, 'history.list', { ct: 'a' })
    await same(world, archive, 'ct.why', { id: 'a', column: 'state' })
  })

  it('since an incident begins with the states of then and ends with those of now', async () => {
    const world = await life()
    const opened = (await asked(world, 'event.list', { types: ['PoolOpened'] })) as { time: number }[]
    const archive = await exported(world, { since: opened.at(-1)?.time ?? 0 })
    const [summary] = archive.summary()
    assert.ok((summary?.first ?? 0) > 1)
    assert.equal(summary?.chain, 'verified')
    assert.equal(summary?.states, 'equal')
    assert.deepEqual(summary?.quarantined, [])
    assert.ok(summary?.incident?.boots.some(({ previous }) => previous === 'host-died'))
    await same(world, archive, 'ct.list', {})
    const head = world.daemon.pools.get('tank')?.journal.head().seq ?? 0
    for (let seq = summary?.first ?? 0; seq <= head; seq += 5)
      await same(world, archive, 'ct.list', { at: { position: `${seq}` } })
  })

  it('changes nothing there', async () => {
    const world = await life()
    const archive = await exported(world, {})
    await assert.rejects(replayed(archive, 'ct.start', { id: 'a' }), /is replayed, not a host/)
    await assert.rejects(replayed(archive, 'ct.show', { id: 'zzz' }), /container not found/)
    await assert.rejects(
      replayed(archive, 'pool.show', { name: 'other' }),
      /no pool other in .* \(there are: tank\)/,
    )
  })
})
