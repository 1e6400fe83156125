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
import { DESTROY_PROGRAM, guidArgument } from '../../src/effects/linux/zfs-destroy.ts'
import { boot, createDisk, type Machine, scratch } from '../vm/driver.ts'
import { serveDirectory, type WebServer } from '../vm/driver-http.ts'
import { MINUTE } from '../vm/scene.ts'
import { fromText } from './transcript.ts'

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
    const disks = [createDisk(join(dir, 'disk.img'), 4), createDisk(join(dir, 'moved.img'), 1)]
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

describe('the real host', { timeout: 12 * MINUTE }, () => {
  it('does in every script what is written down of it', async () => {
    // The pools are this program's, and so is LXC.
    await machine.succeeds(
      `sv stop osctld && mkdir /run/guest && curl -sf ${web.url}/guest.tar | tar -C /run/guest -x`,
    )
    await machine.succeeds(
      'node /run/guest/guest.cjs /dev/vdb /dev/vdc >/run/real.txt 2>/run/guest.log || { tail /run/guest.log; false; }',
      { timeoutMs: 8 * MINUTE },
    )
    const text = await machine.succeeds('cat /run/real.txt')
    if (process.env['OSCTL_CONFORMANCE'] === 'write') writeFileSync(REAL, `${text}\n`)
    assert.deepEqual(fromText(text), fromText(readFileSync(REAL, 'utf8')))
  })

  it('destroys all or nothing, also when who asks for it is killed meanwhile', async () => {
    await machine.writeFile('/run/destroy.lua', DESTROY_PROGRAM)
    await machine.succeeds(`zfs create -u conf/killed
      for i in 1 2 3 4 5 6 7 8; do zfs create -u conf/killed/$i; done
      for i in 1 2 3 4 5 6; do zfs snapshot -r conf/killed@$i; done`)
    const guid = guidArgument((await machine.succeeds('zfs get -Hpo value guid conf/killed')).trim())
    const count = async (): Promise<number> =>
      Number(
        await machine.succeeds('zpool sync conf; zfs list -Hro name -t all conf/killed 2>/dev/null | wc -l'),
      )
    const whole = await count()
    let left = whole
    // Where it is killed depends on the machine: before, in the middle and behind are all met.
    for (let seconds = 0.1; left > 0 && seconds < 60; seconds *= 1.6) {
      await machine.run(
        `timeout -s KILL ${seconds.toFixed(2)} zfs program conf /run/destroy.lua conf/killed '${guid}'`,
        { timeoutMs: 2 * MINUTE },
      )
      left = await count()
      assert.ok(left === whole || left === 0, `after ${seconds} s ${left} of ${whole} are left`)
    }
    assert.equal(left, 0)
  })
})
