/**
 * Real ZFS and LXC do what `test/conformance/real.txt` says, call by call: the scripts that
 * `test/unit/effects/conformance.test.ts` plays on the simulated host are played on the live system, by its own Node,
 * through the daemon's own hands. OSCTL_CONFORMANCE=write writes down what is so now.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
// @ts-expect-error: a script without types
import { build } from '../../scripts/build.mjs'
import { fromText } from '../conformance/transcript.ts'
import { boot, createDisk, type Machine, scratch } from './driver.ts'
import { serveDirectory, type WebServer } from './driver-http.ts'
import { MINUTE } from './scene.ts'

const TOP = join(import.meta.dirname, '../..')
const REAL = join(TOP, 'test/conformance/real.txt')
const dir = scratch()
let machine: Machine
let web: WebServer

before(
  async () => {
    const out = join(dir, 'guest')
    await build({ root: TOP, out, entries: { guest: 'test/conformance/guest.ts' } })
    execFileSync('tar', ['-C', out, '-cf', join(dir, 'guest.tar'), '.'])
    web = await serveDirectory(dir)
    const disks = [createDisk(join(dir, 'disk.img'), 4)]
    machine = boot({ dir: join(dir, 'boot'), disks, append: 'no_timer_check panic=1' })
    await machine.waitForBoot()
  },
  { timeout: 5 * MINUTE },
)
after(async () => {
  await machine?.kill()
  await web?.[Symbol.asyncDispose]()
  rmSync(dir, { recursive: true, force: true })
})

describe('the real host', { timeout: 10 * MINUTE }, () => {
  it('does in every script what is written down of it', async () => {
    // The pools are this program's, and so is LXC.
    await machine.succeeds(
      `sv stop osctld && mkdir /run/guest && curl -sf ${web.url}/guest.tar | tar -C /run/guest -x`,
    )
    await machine.succeeds(
      'node /run/guest/guest.cjs /dev/vdb >/run/real.txt 2>/run/guest.log || { tail /run/guest.log; false; }',
      { timeoutMs: 8 * MINUTE },
    )
    const text = await machine.succeeds('cat /run/real.txt')
    if (process.env['OSCTL_CONFORMANCE'] === 'write') writeFileSync(REAL, `${text}\n`)
    assert.deepEqual(fromText(text), fromText(readFileSync(REAL, 'utf8')))
  })
})
