/**
 * The real stage: the live image in QEMU, with a disk of its own, driven over its test shell. The power cut
 * is SIGKILL to QEMU.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { boot, createDisk, type Machine, scratch } from '../../test/vm/driver.ts'
import type { Stage } from './story.ts'

const TOP = join(import.meta.dirname, '..', '..')
const DISK_GIB = 16
const COMMAND_MS = 300_000

export async function realStage(): Promise<Stage> {
  const directory = scratch()
  const disk = createDisk(join(directory, 'tank.img'), DISK_GIB)
  let boots = 0
  const start = async (): Promise<Machine> => {
    process.stdout.write('  (booting the live system in QEMU)\n')
    const machine = boot({ dir: join(directory, `boot-${++boots}`), disks: [disk] })
    const seconds = await machine.waitForBoot()
    process.stdout.write(`  (booted in ${seconds.toFixed(1)} s)\n`)
    await machine.waitUntilSucceeds('osctl ping')
    return machine
  }
  let machine = await start()
  return {
    name: 'real ZFS and LXC in QEMU',
    traces: directory,
    makePool: ['zpool create -O xattr=sa tank /dev/vdb', 'osctl pool install tank'],
    run: async (command) => {
      const { status, output } = await machine.run(command, { timeoutMs: COMMAND_MS })
      return { status, output: output.toString() }
    },
    file: {
      write: "osctl ct exec web sh -c 'echo still here > /root/note; sync'",
      read: 'osctl ct exec web cat /root/note',
    },
    cutPower: () => machine.kill(),
    bootAgain: async () => {
      machine = await start()
    },
    shell: async () => {
      process.stdout.write(
        '\nBooting once more, to a shell of yours on the console (Ctrl-A X ends the machine).\n',
      )
      await machine.powerOff()
      const child = spawn(join(TOP, 'os', 'run.sh'), ['--disk', disk], { stdio: 'inherit' })
      const [status] = (await once(child, 'exit')) as [number | null]
      return status ?? 1
    },
    end: async () => {
      await machine.kill().catch(() => {})
      return 0
    },
  }
}
