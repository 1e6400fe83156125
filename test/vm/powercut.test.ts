/**
 * Power cuts at points of a recorded run, on real ZFS: a script of commands is run on a disk whose every write and
 * flush QEMU records; then disks are made as a cut at many points between two acknowledgements can leave them, and
 * the pool on each is imported by another boot of the image.
 *
 * What must hold on each: the log verifies, what had been acknowledged is there, the command under way is there fully
 * or not at all, nothing is left half made, and containers can be started.
 *
 * OSCTL_POWERCUT_POINTS sets how many points (default 8), OSCTL_POWERCUT_SEED which.
 */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { Random } from '../simulation/random.ts'
import { boot, createDisk, type Machine, scratch } from './driver.ts'
import { MINUTE } from './scene.ts'
import { bytesOf, type Cut, entriesWithin, Replay, readWriteLog, recorded } from './write-log.ts'

const POINTS = Number(process.env['OSCTL_POWERCUT_POINTS'] ?? 8)
const SEED = BigInt(process.env['OSCTL_POWERCUT_SEED'] ?? 1)
/** Disks of one machine; each costs it a device. */
const DISKS_A_BOOT = 8
const DISK_BYTES = 2 ** 30
/** The host that wrote the pool reads it again. */
const HOST = 'osctl.hostid=00c0ffee'

const SCRIPT = [
  'ct new --distribution busybox a',
  'ct set hostname a a.example.org',
  'ct start a',
  'ct new --distribution busybox b',
  'ct set autostart b',
  'ct start b',
  'ct set attr a my.org:colour green',
  'ct stop a',
  'ct del -f b',
  'ct new --distribution busybox c',
  'ct start c',
  'ct del -f a',
]

/** Containers as they are configured; whether they run is not for a dead host to say. */
const CONFIGURED = 'osctl ct ls -H -o id,hostname,autostart,my.org:colour -s id'

type Acknowledged = { readonly command: string; readonly bytes: number; readonly configured: string }

const directory = scratch()
const disk = createDisk(join(directory, 'disk.img'), 1)
const log = join(directory, 'writes')
const acknowledged: Acknowledged[] = []
let machine: Machine | null = null

/** Runs the script; after each acknowledgement remembers how much had been written, and what is configured. */
async function record(): Promise<void> {
  createDisk(log, 0)
  machine = boot({ append: HOST, dir: join(directory, 'recorded'), disks: [recorded(disk, log)] })
  await machine.waitForBoot()
  await machine.succeeds('zpool create -O xattr=sa tank /dev/vdb && osctl pool install tank')
  acknowledged.push({ command: 'pool install', bytes: bytesOf(log), configured: '' })
  for (const command of SCRIPT) {
    await machine.succeeds(`osctl ${command}`, { timeoutMs: 3 * MINUTE })
    const bytes = bytesOf(log)
    acknowledged.push({ command, bytes, configured: await machine.succeeds(CONFIGURED) })
  }
  await machine.kill()
  machine = null
}

type Point = Cut & { readonly name: string; readonly before: number }

/** Points spread over the run: at a flush, or after writes of which a part is lost. */
function points(): Point[] {
  const entries = readWriteLog(log)
  const chance = new Random(SEED)
  const first = entriesWithin(entries, acknowledged[0]?.bytes ?? 0)
  const last = entriesWithin(entries, acknowledged.at(-1)?.bytes ?? 0)
  const share = (last - first) / POINTS
  return Array.from({ length: POINTS }, (_, i) => {
    const at = first + Math.floor((i + chance.fraction()) * share)
    const flush = entries.findIndex(({ isFlush }, n) => isFlush && n >= at)
    const isAtFlush = chance.chance(0.3) && flush >= 0 && flush < last
    const count = isAtFlush ? flush + 1 : at
    const own = chance.fork()
    const before = acknowledged.findLastIndex(({ bytes }) => entriesWithin(entries, bytes) <= count)
    const name = `after ${count} of ${entries.length} writes${isAtFlush ? ', at a flush' : ''}, during '${acknowledged[before + 1]?.command ?? 'the end'}'`
    return { name, before, entries: count, kept: () => own.chance(0.5) }
  })
}

/** Imports the pool of a disk, asks it everything, and lets it go. */
async function look(on: Machine, device: string, { before }: Point): Promise<void> {
  // ZFS made partitions on the whole disk that it was given.
  await on.succeeds(`zpool import -f -o cachefile=none -d ${device}1 tank`)
  await on.succeeds('osctl pool import tank', { timeoutMs: 3 * MINUTE })
  await on.waitUntilSucceeds('osctl op ls -H -o state | { ! grep -q running; }', 3 * MINUTE)
  assert.match(await on.succeeds('osctl event verify --full'), /ok/)
  assert.doesNotMatch(await on.succeeds('osctl op ls'), /in doubt/)
  const [was, next] = [acknowledged[before]?.configured, acknowledged[before + 1]?.configured]
  const now = await on.succeeds(CONFIGURED)
  assert.ok(now === was || now === next, `configured:\n${now}\nbefore:\n${was}\nafter:\n${next}`)
  await nothingHalf(on, now)
  await on.succeeds('osctl healthcheck')
  await on.succeeds('osctl ct new --distribution busybox later && osctl ct start later', {
    timeoutMs: 3 * MINUTE,
  })
  await on.succeeds('osctl pool export -f tank && zpool export tank', { timeoutMs: 3 * MINUTE })
}

/** Datasets of containers are those that are configured; staging is empty. */
async function nothingHalf(on: Machine, configured: string): Promise<void> {
  const ids = configured.split('\n').flatMap((line) => line.trim().split(/\s+/)[0] || [])
  const made = (await on.succeeds('zfs list -H -o name -r -d 1 tank/ct')).split('\n').slice(1)
  assert.deepEqual(made.map((name) => name.replace('tank/ct/', '')).sort(), ids.sort())
  assert.equal(await on.succeeds('zfs list -H -o name -r tank/staging'), 'tank/staging')
}

before(record, { timeout: 15 * MINUTE })
after(async () => {
  await machine?.kill()
  if (process.env['OSCTL_KEEP_VM'] === undefined) rmSync(directory, { recursive: true, force: true })
})

describe('a pool whose host lost power', { timeout: POINTS * 2 * MINUTE + 10 * MINUTE }, () => {
  it(`comes back from ${POINTS} points of a recorded run`, async (t) => {
    const all = points()
    const replay = new Replay(log, readWriteLog(log), join(directory, 'certain.img'), DISK_BYTES)
    for (let from = 0; from < all.length; from += DISKS_A_BOOT) {
      const batch = all.slice(from, from + DISKS_A_BOOT)
      const disks = batch.map((point, i) => {
        const path = join(directory, `cut${i}.img`)
        replay.disk(point, path)
        return path
      })
      // All disks hold the same pool: none is imported at boot.
      const append = `${HOST} osctl.pools=0`
      const on = boot({ append, dir: join(directory, `look${from}`), disks })
      machine = on
      await on.waitForBoot()
      await on.waitUntilSucceeds('osctl ping')
      for (const [i, point] of batch.entries()) {
        await t.test(point.name, async () => await look(on, `/dev/vd${'bcdefghijk'[i]}`, point))
        // One that failed leaves its pool to none that follow.
        await on.run('osctl pool export -f tank; zpool export -f tank', { timeoutMs: 2 * MINUTE })
      }
      await on.kill()
      for (const path of disks) rmSync(path)
    }
    replay.close()
  })
})
