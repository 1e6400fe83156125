/**
 * Lives in a process of their own, watched from outside. A life that spins, in microtasks or in virtual time, answers
 * nobody and ends never: only another process can tell which one it was. So the one that lives says after each life how
 * it went, and at the beginning of each whose it is; when nothing is heard for long it is killed, the life that it was
 * in has failed, and another process goes on with the next.
 *
 * Long is by the processor time that it took: on a machine that is busy with other things a life that does not get its
 * turn has not failed.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync, writeSync } from 'node:fs'
import type { Counts, Storm, storm } from './storm.ts'

/** What is heard: the seed of a life that begins (or is lived again, to shrink it), or how one went. */
export type Beat =
  | { readonly at: string }
  | { readonly done: string; readonly isWrong: boolean; readonly counts: Counts }

export type Life = { readonly seed: string; readonly isWrong: boolean; readonly counts: Counts }

/** The descriptor on which beats are written. */
const FD = 3
/** Of processor time; a life takes some ten milliseconds, a long one half a second. */
export const SILENCE_MS = 60_000
/** One that waits takes none: then it is by the clock, so many times as long. */
const WAITING = 20
/** Looks at it so often in that time. */
const LOOKS = 8
/** A tick of /proc/PID/stat, proc(5): USER_HZ is 100 on every architecture that Linux has. */
const TICK_MS = 10

const NOTHING_LIVED: Counts = { commands: 0, crashes: 0, faults: 0, checks: 0, moments: 0 }

const beat = (what: Beat): void => void writeSync(FD, `${JSON.stringify(what)}\n`)

/** Lives so many lives, and tells of each on descriptor 3; `tell` is for those that went wrong. */
export async function lives(
  first: bigint,
  count: number,
  live: (seed: bigint) => Promise<Storm>,
  tell: (seed: bigint, life: Storm, nth: number) => Promise<void>,
): Promise<void> {
  let failures = 0
  for (let seed = first; seed < first + BigInt(count); seed++) {
    beat({ at: `${seed}` })
    const life = await live(seed)
    const isWrong = life.wrong.length > 0
    beat({ done: `${seed}`, isWrong, counts: life.counts })
    if (isWrong) failures += 1
    await tell(seed, life, isWrong ? failures : 0)
  }
}

/** The same life, of which is heard each time that it is lived again. */
export const heard =
  (live: typeof storm): typeof storm =>
  (seed, options) => {
    beat({ at: `${seed}` })
    return live(seed, options)
  }

/** What one process told until it ended, was killed, or died. */
type Told = { readonly at: string | null; readonly end: 'ended' | 'silent' | 'died' }

/** @param onLife  hears of each life, of one that spins as of one that went wrong */
export async function watched(
  launch: (first: bigint, count: number) => ChildProcess,
  first: bigint,
  count: number,
  onLife: (life: Life, spins: boolean) => void,
  silenceMs = SILENCE_MS,
): Promise<void> {
  const end = first + BigInt(count)
  for (let next = first; next < end; ) {
    const job = launch(next, Number(end - next))
    const { at, end: how } = await listened(job, silenceMs, (life) => {
      next = BigInt(life.seed) + 1n
      onLife(life, false)
    })
    if (how === 'ended' && next >= end) return
    if (how !== 'silent' || at === null) throw new Error(`a job ended in the middle, at seed ${at ?? next}`)
    // It was being shrunk: that it went wrong is known.
    if (BigInt(at) < next) continue
    onLife({ seed: at, isWrong: true, counts: NOTHING_LIVED }, true)
    next = BigInt(at) + 1n
  }
}

function listened(job: ChildProcess, silenceMs: number, onLife: (life: Life) => void): Promise<Told> {
  return new Promise((resolve, reject) => {
    let at: string | null = null
    let isSilent = false
    let text = ''
    let told = ''
    let last = { cpu: cpuMs(job.pid), at: performance.now() }
    const timer = setInterval(() => {
      const isLong = performance.now() - last.at >= silenceMs * WAITING
      if (!isLong && cpuMs(job.pid) - last.cpu < silenceMs) return
      isSilent = true
      job.kill('SIGKILL')
    }, silenceMs / LOOKS)
    job.stdio[FD]?.on('data', (chunk: Buffer) => {
      last = { cpu: cpuMs(job.pid), at: performance.now() }
      const lines = `${text}${chunk}`.split('\n')
      text = lines.pop() ?? ''
      for (const line of lines) {
        const heard = JSON.parse(line) as Beat
        if ('at' in heard) at = heard.at
        else onLife({ seed: heard.done, isWrong: heard.isWrong, counts: heard.counts })
      }
    })
    job.stdout?.on('data', (chunk: Buffer) => {
      told += chunk
    })
    job.on('error', (error) => {
      clearInterval(timer)
      reject(error)
    })
    job.on('close', (code) => {
      clearInterval(timer)
      // As one: the stories of two processes are not mixed up.
      if (told !== '') console.log(told.trimEnd())
      resolve({ at, end: isSilent ? 'silent' : code === 0 ? 'ended' : 'died' })
    })
  })
}

/** Processor time that a process took so far, user and system, ms; 0 when it is gone. @source proc(5), stat */
function cpuMs(pid: number | undefined): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? []
    return (Number(fields[11]) + Number(fields[12])) * TICK_MS
  } catch {
    return 0
  }
}

/** A program of this folder, whose beats can be heard. */
export const launched = (argv: readonly string[]): ChildProcess =>
  spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit', 'pipe'] })
