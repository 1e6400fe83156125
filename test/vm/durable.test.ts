/**
 * An acknowledgement that has left the machine is kept: the power is cut as soon as osctl has said that it is done.
 * And the test would notice if it were not: the same cut, with a daemon whose log is opened with
 * `synchronous=NORMAL`, forgets.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { attributed } from './attributed.ts'
import { boot, createDisk, type Machine, scratch } from './driver.ts'
import { MINUTE } from './scene.ts'

const TOP = join(import.meta.dirname, '..', '..')
const directory = scratch()
const disk = createDisk(join(directory, 'tank.img'), 2)
const machines: Machine[] = []
let machine: Machine

async function start(root?: string): Promise<void> {
  const dir = join(directory, `boot${machines.length + 1}`)
  machine = boot({ dir, disks: [disk], ...(root ? { root } : {}) })
  machines.push(machine)
  await machine.waitForBoot()
  await machine.waitUntilSucceeds('osctl ping')
}

/** An image with the same daemon, but for how its log is opened. */
function imageWithNormal(): string {
  const dist = join(directory, 'dist')
  const out = join(directory, 'image')
  cpSync(join(TOP, 'dist'), dist, { recursive: true })
  const worker = join(dist, 'log-worker.cjs')
  const text = readFileSync(worker, 'utf8')
  const weak = text
    .replace('"synchronous = FULL"', '"synchronous = NORMAL"')
    .replace('FULL = 2;', 'FULL = 1;')
  assert.equal(weak.length, text.length + 2, 'both places were found')
  writeFileSync(worker, weak)
  execFileSync(join(TOP, 'os', 'build.sh'), ['--dist', dist, '--out', out], { stdio: 'pipe' })
  return join(out, 'root.squashfs')
}

/** Is acknowledged, and the power goes. The group of transactions that ZFS writes by itself was just written. */
async function setAndCut(value: string): Promise<void> {
  await machine.succeeds(`zpool sync tank; osctl pool set attr tank my.org:value ${value}`)
  await machine.kill()
}

const value = (): Promise<string> => machine.waitUntilSucceeds('osctl pool show -H -o my.org:value tank')

before(() => start(), { timeout: 5 * MINUTE })
after(async () => await machine.kill())

describe('what osctl acknowledged', { timeout: 20 * MINUTE }, () => {
  it('is there after a power cut that follows at once', async () => {
    await machine.succeeds('zpool create -O xattr=sa tank /dev/vdb && osctl pool install tank')
    await setAndCut('first')
    await start(imageWithNormal())
    assert.equal(await value(), 'first')
  })

  it('is lost by a daemon that opens its log with synchronous=NORMAL, so this test would notice', async () => {
    await setAndCut('second')
    await start()
    assert.equal(await value(), 'first')
    assert.match(await machine.succeeds('osctl event verify --full'), /ok/)
  })

  it('every change that ZFS wrote down is of an effect, of upkeep, or of this test', async () => {
    await attributed(machine, machines)
  })
})
