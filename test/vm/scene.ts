/**
 * What the tests of one boot share: a machine with an installed pool, `osctl` on it, and the questions that are asked
 * again and again: was it refused in one line, is nothing left half made, is the daemon still the same.
 */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { type BootOptions, boot, createDisk, type Machine, scratch } from './driver.ts'

export const MINUTE = 60_000
const OSCTL_TIMEOUT_MS = 3 * MINUTE
/** On a busy host the emulated timer may be late for the kernel's check of it, which panics then. */
const KERNEL = 'no_timer_check panic=1'

export class Scene implements AsyncDisposable {
  readonly machine: Machine
  readonly dir: string
  #daemon = ''

  private constructor(machine: Machine, dir: string) {
    this.machine = machine
    this.dir = dir
  }

  /** Boots a machine with blank disks of these sizes in GiB; no pool. */
  static async boot(sizes: readonly number[], options: BootOptions = {}): Promise<Scene> {
    const dir = options.dir ?? scratch()
    const disks = sizes.map((size, i) => createDisk(`${dir}/disk${i}.img`, size))
    const append = `${KERNEL} ${options.append ?? ''}`
    const machine = boot({ ...options, dir, append, disks: [...disks, ...(options.disks ?? [])] })
    const scene = new Scene(machine, dir)
    try {
      await machine.waitForBoot()
      await machine.waitUntilSucceeds('osctl ping')
      scene.#daemon = await scene.daemonPid()
    } catch (error) {
      await machine[Symbol.asyncDispose]()
      throw error
    }
    return scene
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

  async eventually(what: string, holds: () => Promise<boolean>, timeoutMs = MINUTE): Promise<void> {
    const deadline = Date.now() + timeoutMs
    while (!(await holds())) {
      assert.ok(Date.now() < deadline, `${what}: not within ${timeoutMs / 1000} s`)
      await sleep(500)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.machine[Symbol.asyncDispose]()
  }
}
