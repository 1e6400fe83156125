/**
 * Fences: the cgroup of each effect, and what killing it must reach.
 *
 * `osctl/effects/<intent>` holds every process that an effect starts, until LXC's monitor moves itself and the
 * container's init into the container's own cgroup. From there on the two must be told apart: a container
 * that runs has outlived its start and must survive a fence; one that was caught between `lxc-start` and
 * RUNNING is half-started and must go. So a start leaves a *claim* in `/run/osctl/effects/<intent>/claim`
 * before it runs, naming the container's cgroup, and removes it once LXC said RUNNING. `fence` asks whoever
 * knows (`survives`) about a claim that is still there, and kills the claimed cgroup when the answer is no.
 */
import { mkdir, readFile, rm, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ContainerRef } from '../host.ts'
import { killCgroup, makeCgroup, removeCgroup } from './cgroup.ts'
import { systemError, unless } from './errors.ts'
import { CGROUP, effectCgroup, effectDirectory, type Paths } from './paths.ts'

/** A cgroup outside the effect's own that the effect is about to fill. Relative to the cgroup root. */
export type Claim = { readonly cgroup: string; readonly ref: ContainerRef; readonly run: string }

export type Fences = {
  /** Makes the cgroup; each `enter` wants its `leave`. */
  enter(intent: string): Promise<{ cgroup: string; directory: string }>
  leave(intent: string): Promise<void>
  claim(intent: string, claim: Claim): Promise<void>
  release(intent: string): Promise<void>
  /** Kills the effect's cgroup only, for time-outs and cancelling. */
  kill(intent: string): Promise<number>
  /** Kills all that the intent may have left behind; see the port. */
  fence(intent: string): Promise<number>
}

const KILL_TIMEOUT_MS = 20_000

export function makeFences(paths: Paths, survives: (claim: Claim) => Promise<boolean>): Fences {
  const users = new Map<string, number>()
  // Making and removing an intent's cgroup never overlap, else one command's end could pull it from under the next.
  let lane: Promise<unknown> = Promise.resolve()
  const inLane = <T>(work: () => Promise<T>): Promise<T> => {
    const done = lane.then(work)
    lane = done.catch(() => undefined)
    return done
  }
  const claimFile = (intent: string): string => join(effectDirectory(paths, intent), 'claim')

  async function readClaim(intent: string): Promise<Claim | null> {
    try {
      return JSON.parse(await readFile(claimFile(intent), 'utf8')) as Claim
    } catch (error) {
      if (error instanceof SyntaxError) return null
      unless('ENOENT', error, `cannot read the claim of ${intent}`)
      return null
    }
  }

  const kill = (intent: string): Promise<number> => killCgroup(effectCgroup(paths, intent), KILL_TIMEOUT_MS)

  return {
    enter: (intent) =>
      inLane(async () => {
        try {
          await makeCgroup(paths.cgroup, `${CGROUP}/effects/${intent}`)
          await mkdir(effectDirectory(paths, intent), { recursive: true, mode: 0o700 })
        } catch (error) {
          throw systemError(error, `cannot make the cgroup of ${intent}`)
        }
        users.set(intent, (users.get(intent) ?? 0) + 1)
        return { cgroup: effectCgroup(paths, intent), directory: effectDirectory(paths, intent) }
      }),
    leave: (intent) =>
      inLane(async () => {
        const left = (users.get(intent) ?? 1) - 1
        if (left > 0) return void users.set(intent, left)
        users.delete(intent)
        // Something of the effect may still be dying in the cgroup, and a claim may lie in the directory:
        // both then stay for the next fence.
        await removeCgroup(effectCgroup(paths, intent)).catch(() => undefined)
        await rmdir(effectDirectory(paths, intent)).catch(() => undefined)
      }),
    async claim(intent, claim) {
      await mkdir(effectDirectory(paths, intent), { recursive: true, mode: 0o700 })
      await writeFile(claimFile(intent), JSON.stringify(claim), { mode: 0o600 })
    },
    async release(intent) {
      await rm(effectDirectory(paths, intent), { recursive: true, force: true })
    },
    kill,
    async fence(intent) {
      let killed = await kill(intent)
      const claim = await readClaim(intent)
      if (claim && !(await survives(claim)))
        killed += await killCgroup(join(paths.cgroup, claim.cgroup), KILL_TIMEOUT_MS)
      await rm(effectDirectory(paths, intent), { recursive: true, force: true })
      return killed
    },
  }
}
