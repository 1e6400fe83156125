/**
 * A small log as bytes, damaged again and again, and what it says of itself each time.
 *
 * The rule: a log that was damaged is read as it was, or it says what is wrong when it is opened. With its head
 * anchored nothing is silent; with an older anchor at most what came after that one is.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { judge as judgeAnchor } from '../../src/audit/anchors.ts'
import { SqliteLog } from '../../src/events/log/sqlite/log.ts'
import { LogError } from '../../src/events/log/store.ts'
import type { Head } from '../../src/events/types/envelope.ts'
import { appendEach, baseline, ct, event, readAll, session, stamp } from '../unit/events/log/helpers.ts'

/** Memory where there is any: thousands of openings, none of which has to survive a power cut. */
const ROOT = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()

export type Files = Readonly<Record<string, Buffer>>

export type Original = {
  readonly files: Files
  /** Each event as it was, by position. */
  readonly bodies: readonly string[]
  /** Head after each event: heads[n] is that at seq n. */
  readonly heads: readonly Head[]
}

export type Kind = 'in-wal' | 'closed' | 'sealed'

const COMMITS = 8

/**
 * in-wal: as kill -9 leaves it, every commit in the WAL; closed: every commit in the file;
 * sealed: a segment behind it, and commits in the WAL.
 */
export async function original(kind: Kind, commits = COMMITS): Promise<Original> {
  const dir = mkdtempSync(join(ROOT, 'osctl-damage-'))
  try {
    const log = new SqliteLog({ dir, stamp })
    await log.open()
    if (kind === 'sealed') {
      await appendEach(log, [session(), event(ct(1), { key: 'old' }), event('pool')])
      await log.seal([baseline(ct(1), 1), baseline('pool', 1)])
    }
    const events = Array.from({ length: commits - 1 }, (_, i) => event(ct(i % 3), { key: `k${i}` }))
    await appendEach(log, [session(), ...events])
    const bodies = (await readAll(log)).map((each) => JSON.stringify(each))
    const heads = [{ seq: 0, hash: '' }]
    for (let seq = 1; seq <= log.head().seq; seq++) heads.push({ seq, hash: (await log.hashAt(seq)) ?? '' })
    const files = kind === 'closed' ? null : filesIn(dir)
    await log.close()
    return { files: files ?? filesIn(dir), bodies, heads }
  } finally {
    rmSync(dir, { recursive: true })
  }
}

const filesIn = (dir: string): Files =>
  Object.fromEntries(readdirSync(dir).map((name) => [name, readFileSync(join(dir, name))]))

export type Verdict = {
  /** What it says when it is opened, the comparison with the anchor included; empty when it has nothing to say. */
  readonly complaints: readonly string[]
  /** Why it is not read as it was; null when it is. */
  readonly differs: string | null
  /** Events that are read, all of them as they were; -1 when one is not. */
  readonly prefix: number
}

/** A directory whose files are put there anew for each opening. */
export class Bench implements Disposable {
  readonly #dir = mkdtempSync(join(ROOT, 'osctl-damage-'))
  readonly #original: Original

  constructor(from: Original) {
    this.#original = from
  }

  /** Opens these files and compares what is read with what was written. */
  async judge(files: Files, anchor: Head): Promise<Verdict> {
    for (const name of readdirSync(this.#dir)) if (!(name in files)) rmSync(join(this.#dir, name))
    for (const [name, bytes] of Object.entries(files)) writeFileSync(join(this.#dir, name), bytes)
    const log = new SqliteLog({ dir: this.#dir, stamp, create: false, scratch: ROOT })
    try {
      const { damage, notes, readOnly, head, replayFrom } = await log.open()
      const there = anchor.seq > head.seq ? null : await log.hashAt(anchor.seq)
      const broken = judgeAnchor(head, { ...anchor, where: 'the anchor' }, there)
      const complaints = [
        ...damage.map(({ what }) => what),
        ...notes,
        ...(readOnly === null ? [] : [readOnly]),
        ...(broken ? [broken.is] : []),
      ]
      const bodies = (await readAll(log, replayFrom)).map((each) => JSON.stringify(each))
      return { complaints, ...this.#compared(bodies, replayFrom) }
    } catch (error) {
      if (!(error instanceof LogError)) throw error
      return { complaints: [error.message], differs: 'it cannot be opened', prefix: 0 }
    } finally {
      await log.close()
    }
  }

  /** What `event verify --full` says. */
  async verified(): Promise<string[]> {
    const log = new SqliteLog({ dir: this.#dir, stamp, create: false, scratch: ROOT })
    await log.open()
    const { damage } = await log.verify({ full: true })
    await log.close()
    return damage.map(({ what }) => what)
  }

  #compared(bodies: readonly string[], from: number): Pick<Verdict, 'differs' | 'prefix'> {
    const wanted = this.#original.bodies.slice(from - 1)
    const wrong = bodies.findIndex((body, i) => body !== wanted[i])
    if (wrong >= 0) return { differs: `event ${from + wrong} is another one`, prefix: -1 }
    const prefix = from - 1 + bodies.length
    const differs = bodies.length === wanted.length ? null : `it ends at ${prefix}`
    return { differs, prefix }
  }

  [Symbol.dispose](): void {
    rmSync(this.#dir, { recursive: true, force: true })
  }
}

/**
 * What is wrong with a verdict; null when nothing is.
 *
 * @param anchor  the head that was compared with: what came after it may be lost in silence, nothing else
 */
export function fault({ complaints, differs, prefix }: Verdict, anchor: Head): string | null {
  if (complaints.length > 0 || differs === null) return null
  return prefix >= anchor.seq ? null : `silent: ${differs}`
}

export function changed(files: Files, name: string, change: (bytes: Buffer) => Buffer): Files {
  const bytes = files[name]
  if (!bytes) throw new Error(`there is no ${name}`)
  return { ...files, [name]: change(Buffer.from(bytes)) }
}
