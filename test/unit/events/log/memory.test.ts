/** The disk in memory meets every fault, and the log on it keeps what a log promises. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { MemoryLog } from '../../../../src/events/log/memory.ts'
import { type Fault, MemoryDisk } from '../../../../src/events/log/memory-disk.ts'
import { DISK_TROUBLE } from '../../../simulation/boundary.ts'
import { baseline, codeOf, ct, event, readAll, stamp } from './helpers.ts'

const settle = async (): Promise<void> => {
  for (let i = 0; i < 50; i++) await Promise.resolve()
}

async function openOn(disk: MemoryDisk): Promise<MemoryLog> {
  const log = new MemoryLog({ disk, stamp })
  await log.open()
  return log
}

/** Meets one fault at the next sync point. */
function plant(disk: MemoryDisk, fault: Fault): void {
  disk.faults = () => {
    disk.faults = () => 'none'
    return fault
  }
}

describe('the log on a disk in memory', () => {
  it('an append is durable only when it resolved', async () => {
    const disk = new MemoryDisk()
    const log = await openOn(disk)
    let isDurable = false
    void log.append({ events: [event('pool')], expected: {} }).then(() => {
      isDurable = true
    })
    while (disk.unsynced === 0) await Promise.resolve()
    assert.equal(isDurable, false)
    disk.crash()
    await settle()
    assert.equal(isDurable, false, 'nobody is left to hear it')
    const again = await openOn(disk)
    assert.equal(again.head().seq, 1)
  })

  it('a crash before the sync loses the events, one after it keeps them, and neither is acknowledged', async () => {
    for (const fault of ['crash-before', 'crash-after'] as const) {
      const disk = new MemoryDisk()
      const log = await openOn(disk)
      plant(disk, fault)
      const crashes: string[] = []
      disk.onCrash = (point) => crashes.push(`${point.what} ${point.n}`)
      const one = event('pool')
      let isSettled = false
      void log.append({ events: [one], expected: {} }).finally(() => {
        isSettled = true
      })
      await settle()
      assert.equal(isSettled, false)
      assert.deepEqual(crashes, ['commit 2'])
      const again = await openOn(disk)
      assert.equal((await again.byId(one.id)) !== null, fault === 'crash-after')
      assert.deepEqual((await again.verify({ full: true })).damage, [])
    }
  })

  it('a COMMIT of unknown outcome poisons the log until it is reopened', async () => {
    for (const fault of ['unknown-applied', 'unknown-lost'] as const) {
      const disk = new MemoryDisk()
      const log = await openOn(disk)
      plant(disk, fault)
      const one = event('pool')
      assert.equal(await codeOf(log.append({ events: [one], expected: {} })), 'E_LOG_UNKNOWN')
      assert.equal(await codeOf(log.append({ events: [event('pool')], expected: {} })), 'E_LOG_UNKNOWN')
      await log.close()
      const again = await openOn(disk)
      assert.equal((await again.byId(one.id)) !== null, fault === 'unknown-applied')
      await again.append({ events: [event('pool')], expected: {} })
    }
  })

  it('no space or a failing disk appended nothing, and the next append goes on', async () => {
    for (const [fault, code] of [
      ['full', 'E_LOG_FULL'],
      ['io', 'E_LOG_IO'],
    ] as const) {
      const disk = new MemoryDisk()
      const log = await openOn(disk)
      plant(disk, fault)
      assert.equal(await codeOf(log.append({ events: [event('pool')], expected: {} })), code)
      assert.equal((await log.append({ events: [event('pool')], expected: {} })).first, 2)
    }
  })

  it('a crash in sealing opens in the old or the new segment', async () => {
    for (const fault of ['crash-before', 'crash-after'] as const) {
      const disk = new MemoryDisk()
      const log = await openOn(disk)
      await log.append({ events: [event(ct(1))], expected: {} })
      plant(disk, fault)
      void log.seal([baseline(ct(1), 1)])
      await settle()
      const again = new MemoryLog({ disk, stamp })
      assert.equal((await again.open()).replayFrom, fault === 'crash-after' ? 3 : 1)
      assert.deepEqual((await again.verify({ full: true })).damage, [])
    }
  })

  it('a disk that ignores syncs loses what it acknowledged: the simulator can tell', async () => {
    const disk = new MemoryDisk()
    const log = await openOn(disk)
    disk.ignoresSync = true
    const acked = event('pool')
    await log.append({ events: [acked], expected: {} })
    disk.crash()
    assert.equal(await (await openOn(disk)).byId(acked.id), null)
  })

  it('a crash may keep what was not synced', async () => {
    const disk = new MemoryDisk()
    const log = await openOn(disk)
    const events = [event('pool'), event('pool')]
    void log.append({ events, expected: {} })
    while (disk.unsynced === 0) await Promise.resolve()
    disk.crash(1)
    const again = await openOn(disk)
    assert.deepEqual(
      (await readAll(again, 2)).map((it) => it.id),
      [events[0]?.id],
    )
  })

  it('under any sequence of faults, what was acknowledged is there, once, in a whole chain', async () => {
    const faults = fc.constantFrom<Fault>('none', 'none', 'crash-before', 'crash-after', ...DISK_TROUBLE)
    await fc.assert(
      fc.asyncProperty(fc.array(faults, { minLength: 1, maxLength: 30 }), async (plan) => {
        const acked = await runWithFaults(plan)
        const { events, disk, refused } = acked
        const ids = events.map((it) => it.id)
        assert.equal(new Set(ids).size, ids.length)
        for (const id of acked.ids) assert.ok(ids.includes(id), 'an acknowledged event is there')
        for (const id of refused) assert.ok(!ids.includes(id), 'a refused event is not')
        assert.deepEqual((await (await openOn(disk)).verify({ full: true })).damage, [])
      }),
      { numRuns: 300 },
    )
  })
})

async function runWithFaults(plan: readonly Fault[]) {
  const disk = new MemoryDisk()
  let log = await openOn(disk)
  const ids: string[] = []
  const refused: string[] = []
  for (const fault of plan) {
    plant(disk, fault)
    const one = event(ct(1))
    const code = codeOf(log.append({ events: [one], expected: {} }))
    const life = disk.life
    const outcome = await Promise.race([code, settle().then(() => 'dead')])
    if (outcome === 'none') ids.push(one.id)
    if (outcome === 'E_LOG_FULL' || outcome === 'E_LOG_IO') refused.push(one.id)
    if (outcome === 'E_LOG_UNKNOWN') await log.close()
    while (disk.failingOpens > 0) assert.equal(await codeOf(openOn(disk)), 'E_LOG_IO')
    if (outcome === 'E_LOG_UNKNOWN' || disk.life !== life || outcome === 'dead') log = await openOn(disk)
  }
  const events = await readAll(log)
  disk.crash()
  return { disk, ids, refused, events }
}
