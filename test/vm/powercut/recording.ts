/**
 * A script of commands, run on a disk whose every write and flush QEMU records: where each was acknowledged, and what
 * there was then. Kept in a directory, so that its points can be looked at in several goes.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { boot, createDisk } from '../driver.ts'
import { MINUTE } from '../scene.ts'
import { bytesOf, recorded } from '../write-log.ts'

/** Each is sent once, so an operation is known by its command. */
export const SCRIPT = [
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

/** The host that wrote the pool reads it again. */
export const HOST = 'osctl.hostid=00c0ffee'
export const DISK_GIB = 1

/** A head of the log, and by which length of the record it was on the disk for certain. */
type Head = { readonly head: string; readonly bytes: number }

export type Acknowledged = {
  readonly command: string
  /** Length of the record of writes when the answer was there. */
  readonly bytes: number
  /** Containers as they are configured, one a line; whether they run is not for a dead host to say. */
  readonly configured: string
  readonly log: Head
}

export type Recording = { readonly writes: string; readonly acknowledged: readonly Acknowledged[] }

/** The columns of `configured`. */
const CONFIGURED = 'osctl ct ls -H -o id,hostname,autostart,my.org:colour -s id'
const HEAD = 'osctl event verify -H -o head'

const writesIn = (dir: string): string => join(dir, 'writes')
const listIn = (dir: string): string => join(dir, 'acknowledged.json')

/** Columns of a table as words with one space between them. */
export const words = (text: string): string =>
  text
    .split('\n')
    .map((line) => line.trim().replace(/\s+/g, ' '))
    .filter((line) => line !== '')
    .join('\n')

/** Runs the script on a machine of its own; the power goes after the last answer. */
export async function record(dir: string): Promise<Recording> {
  const writes = createDisk(writesIn(dir), 0)
  const disk = createDisk(join(dir, 'disk.img'), DISK_GIB)
  const machine = boot({ append: HOST, dir: join(dir, 'recorded'), disks: [recorded(disk, writes)] })
  const acknowledged: Acknowledged[] = []
  try {
    await machine.waitForBoot(10 * MINUTE)
    await machine.succeeds('zpool create -O xattr=sa tank /dev/vdb')
    for (const command of ['pool install tank', ...SCRIPT]) {
      await machine.succeeds(`osctl ${command}`, { timeoutMs: 3 * MINUTE })
      const bytes = bytesOf(writes)
      const [head = '', ...configured] = (await machine.succeeds(`${HEAD}; ${CONFIGURED}`)).split('\n')
      const log = { head: words(head), bytes: bytesOf(writes) }
      acknowledged.push({ command, bytes, configured: words(configured.join('\n')), log })
    }
  } finally {
    await machine.kill()
  }
  writeFileSync(listIn(dir), JSON.stringify(acknowledged))
  return { writes, acknowledged }
}

/** What `record` left in this directory; null when there is nothing. */
export function recordingIn(dir: string): Recording | null {
  try {
    const acknowledged = JSON.parse(readFileSync(listIn(dir), 'utf8')) as Acknowledged[]
    return { writes: writesIn(dir), acknowledged }
  } catch {
    return null
  }
}
