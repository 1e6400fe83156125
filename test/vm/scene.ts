/**
 * What the tests of one boot share: a machine with an installed pool, `osctl` on it, and the questions that are asked
 * again and again: was it refused in one line, is nothing left half made, is the daemon still the same.
 */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { attributed } from './attributed.ts'
import { type BootOptions, boot, createDisk, type Machine, scratch } from './driver.ts'

export const MINUTE = 60_000
const OSCTL_TIMEOUT_MS = 3 * MINUTE
/** On a busy host the emulated timer may be late for the kernel's check of it, which panics then. */
const KERNEL = 'no_timer_check panic=1'

export class Scene implements AsyncDisposable {
  readonly dir: string
  #options: BootOptions
  #machine: Machine | null = null
  #boots = 0
  /** Those of all boots. */
  readonly #machines: Machine[] = []
  #daemon = ''

  private constructor(dir: string, options: BootOptions) {
    this.dir = dir
    this.#options = options
  }

  /** Boots a machine with blank disks of these sizes in GiB; no pool. */
  static async boot(sizes: readonly number[], options: BootOptions = {}): Promise<Scene> {
    const dir = options.dir ?? scratch()
    const disks = sizes.map((size, i) => createDisk(`${dir}/disk${i}.img`, size))
    const append = `${KERNEL} ${options.append ?? ''}`
    const scene = new Scene(dir, { ...options, append, disks: [...disks, ...(options.disks ?? [])] })
    await scene.#start()
    return scene
  }

  /** The machine of the present boot; each boot has a directory of its own below `dir`. */
  get machine(): Machine {
    if (this.#machine === null) throw new Error('no machine runs')
    return this.#machine
  }

  async #start(): Promise<void> {
    const machine = boot({ ...this.#options, dir: join(this.dir, `boot${++this.#boots}`) })
    this.#machine = machine
    this.#machines.push(machine)
    try {
      await machine.waitForBoot()
      await this.expectNewDaemon()
    } catch (error) {
      await this[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Powers off as an admin does, and boots again on the same disks. */
  async powerCycle(): Promise<void> {
    await this.machine.powerOff(5 * MINUTE)
    await this.#start()
  }

  /** Cuts the power, and boots again on what the disks hold. */
  async powerCut(): Promise<void> {
    await this.machine.kill()
    await this.#start()
  }

  /** Cuts the power, and puts the disks into another machine, which boots with these options. */
  async carryDisks(other: Pick<BootOptions, 'mac' | 'append'>): Promise<void> {
    await this.machine.kill()
    this.#options = { ...this.#options, ...other, append: `${KERNEL} ${other.append ?? ''}` }
    await this.#start()
  }

  /** A pool of ours on a disk of its own. */
  async pool(name: string, disk: string, options = ''): Promise<void> {
    await this.sh(`zpool create -O xattr=sa ${options} ${name} ${disk} && osctl pool install ${name}`)
  }

  sh(command: string, timeoutMs = MINUTE): Promise<string> {
    return this.machine.succeeds(command, { timeoutMs })
  }

  osctl(command: string, timeoutMs = OSCTL_TIMEOUT_MS): Promise<string> {
    return this.sh(`osctl ${command}`, timeoutMs)
  }

  async column(ctid: string, name: string): Promise<string> {
    return (await this.osctl(`ct show -H -o ${name} ${ctid}`)).trim()
  }

  inside(ctid: string, command: string): Promise<string> {
    return this.osctl(`ct exec ${ctid} sh -c '${command}'`)
  }

  /**
   * The command must fail: exit status 1, and one line on standard error that says this.
   * @returns the line, without `error: `
   */
  async refused(command: string, says: RegExp, timeoutMs = OSCTL_TIMEOUT_MS): Promise<string> {
    const { status, text } = await this.machine.run(`osctl ${command} 2>&1 >/dev/null`, { timeoutMs })
    assert.match(text, /^error: [^\n]+\n$/, `osctl ${command}: one line\n${text}`)
    assert.match(text, says)
    assert.doesNotMatch(text, /^\s+at |\.[ct]js:\d|internal error/m, 'no stack trace')
    assert.equal(status, 1, `osctl ${command}`)
    return text.replace(/^error: /, '').trimEnd()
  }

  daemonPid(): Promise<string> {
    return this.machine.waitUntilSucceeds('pgrep -o -f osctld.cjs')
  }

  /** The daemon of the beginning answers. */
  async daemonLives(): Promise<void> {
    assert.equal(await this.sh('osctl ping && pgrep -o -f osctld.cjs'), `pong\n${this.#daemon}`)
  }

  /** To be called after the test itself restarted osctld. */
  async expectNewDaemon(): Promise<void> {
    await this.machine.waitUntilSucceeds('osctl ping')
    this.#daemon = await this.daemonPid()
  }

  /** All that a creation makes on the host and in the log: to compare before and after one that fails. */
  async made(pool: string): Promise<string> {
    return await this.sh(
      `zfs list -H -o name -r ${pool} | grep -E '/(ct|staging)/'; osctl ct ls -H -o pool,id; cat /etc/subuid;
       cd /sys/fs/cgroup/osctl/effects && find . -mindepth 1 -type d; ls /run/osctl/effects /run/osctl/pools/${pool}/containers; true`,
    )
  }

  /** All is as it was, once what observed it is gone: helpers' cgroups are removed right after the answer. */
  async unchanged(pool: string, whole: string): Promise<void> {
    for (let i = 0; i < 10 && (await this.made(pool)) !== whole; i++) await sleep(500)
    assert.equal(await this.made(pool), whole, 'nothing half made')
  }

  async eventually(what: string, holds: () => Promise<boolean>, timeoutMs = MINUTE): Promise<void> {
    const deadline = Date.now() + timeoutMs
    while (!(await holds())) {
      assert.ok(Date.now() < deadline, `${what}: not within ${timeoutMs / 1000} s`)
      await sleep(500)
    }
  }

  /** Whose each change was that ZFS wrote down. */
  async attributed(): Promise<void> {
    await attributed(this.machine, this.#machines)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#machine?.kill()
    if (process.env['OSCTL_KEEP_VM'] === undefined) rmSync(this.dir, { recursive: true, force: true })
  }
}
