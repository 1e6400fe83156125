/**
 * Looks at points, one after the other, in one boot of a machine.
 *
 * Its disk is a file; while the pool is exported, the file is written anew as the next point has it, as if somebody had
 * put in another disk. A point that failed may have left its pool imported, so the next one gets a new machine.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import * as esbuild from 'esbuild'
import { boot, createDisk, type Machine } from '../driver.ts'
import { MINUTE } from '../scene.ts'
import { bytesUpTo, type Entry, readWriteLog, writeDisk } from '../write-log.ts'
import type { Question, Seen } from './guest.ts'
import { headBefore } from './judge.ts'
import type { Point } from './points.ts'
import { DISK_GIB, HOST, type Recording } from './recording.ts'

/** What was seen at a point, or why nothing was. */
export type Look = {
  readonly key: string
  readonly seen: Seen | null
  readonly error: string
  readonly seconds: number
}

/** On a machine that does much else. */
const BOOT_MS = 10 * MINUTE
const PROGRAM = '/run/look.cjs'

export class Looker implements AsyncDisposable {
  readonly entries: readonly Entry[]
  readonly #recording: Recording
  readonly #dir: string
  readonly #disk: string
  #machine: Machine | null = null
  #boots = 0

  constructor(recording: Recording, dir: string) {
    this.#recording = recording
    this.#dir = dir
    this.entries = readWriteLog(recording.writes)
    this.#disk = createDisk(join(dir, `look-${process.pid}.img`), DISK_GIB)
  }

  /** @param startsContainers  whether to ask `healthcheck` and see that containers start: that takes twice as long */
  async look(point: Point, startsContainers: boolean): Promise<Look> {
    const begin = performance.now()
    let [seen, error]: [Seen | null, string] = [null, '']
    try {
      seen = await this.#ask(point, startsContainers)
    } catch (thrown) {
      error = thrown instanceof Error ? thrown.message : String(thrown)
      await this.#end()
    }
    const seconds = Math.round((performance.now() - begin) / 100) / 10
    return { key: point.key, seen, error, seconds }
  }

  async #ask(point: Point, startsContainers: boolean): Promise<Seen> {
    writeDisk(this.#recording.writes, this.entries, point, this.#disk, DISK_GIB * 2 ** 30)
    const machine = this.#machine ?? (await this.#start())
    const head = headBefore(this.#recording.acknowledged, bytesUpTo(this.entries, point.entries))
    const question: Question = { head, startsContainers }
    const answer = await machine.succeeds(`node ${PROGRAM} '${JSON.stringify(question)}'`, {
      timeoutMs: 5 * MINUTE,
    })
    return JSON.parse(answer.split('\n').at(-1) ?? '') as Seen
  }

  /** Its first disk is in already: the table of its partitions is the same at every point. */
  async #start(): Promise<Machine> {
    // None is imported at boot.
    const append = `${HOST} osctl.pools=0`
    // A directory of its own: what an earlier machine said in it would be taken for this one's words.
    const dir = join(this.#dir, `look${process.pid}.${++this.#boots}`)
    this.#machine = boot({ append, dir, disks: [this.#disk] })
    await this.#machine.waitForBoot(BOOT_MS)
    await this.#machine.waitUntilSucceeds('osctl ping', BOOT_MS)
    await this.#machine.writeFile(PROGRAM, await program())
    return this.#machine
  }

  async #end(): Promise<void> {
    await this.#machine?.kill()
    this.#machine = null
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end()
    rmSync(this.#disk, { force: true })
  }
}

/** The guest's program in one file. */
async function program(): Promise<string> {
  const { outputFiles } = await esbuild.build({
    entryPoints: [join(import.meta.dirname, 'guest.ts')],
    bundle: true,
    minify: true,
    write: false,
    platform: 'node',
    target: 'node24',
    format: 'cjs',
  })
  return outputFiles[0]?.text ?? ''
}
