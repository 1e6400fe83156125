/**
 * A failing life told in as few steps as it takes: steps are left out, first many at once, then fewer, as long as
 * what remains still goes wrong (delta debugging: Zeller and Hildebrandt, "Simplifying and Isolating
 * Failure-Inducing Input"). What remains may go wrong in another way than the whole did; it is a defect all the same.
 */
import { type Storm, storm } from './storm.ts'

/** A life takes some ten milliseconds; this many are a few seconds. */
const MOST_RUNS = 300

export type Shrunk = { readonly keep: readonly number[]; readonly storm: Storm; readonly runs: number }

/**
 * @param live  lives the life of a seed
 * @returns the fewest steps found; `storm` is the life with these alone. Null when the whole does not fail.
 */
export async function shrink(
  seed: bigint,
  steps: number,
  live: typeof storm = storm,
  mostRuns = MOST_RUNS,
): Promise<Shrunk | null> {
  const whole = await live(seed, { steps })
  if (whole.wrong.length === 0) return null
  let best: Shrunk = { keep: whole.taken, storm: whole, runs: 1 }
  let runs = 1
  const fails = async (keep: readonly number[]): Promise<boolean> => {
    runs += 1
    const attempt = await live(seed, { steps: 1 + Math.max(...keep, 0), keep })
    if (attempt.wrong.length > 0) best = { keep, storm: attempt, runs }
    return attempt.wrong.length > 0
  }
  for (let size = Math.ceil(best.keep.length / 2); size >= 1 && runs < mostRuns; ) {
    const leaveOut = await firstOf(best.keep, size, fails, () => runs < mostRuns)
    if (!leaveOut) size = size === 1 ? 0 : Math.ceil(size / 2)
  }
  return { ...best, runs }
}

/** Leaves out one chunk after the other until something still fails without it. */
async function firstOf(
  keep: readonly number[],
  size: number,
  fails: (keep: readonly number[]) => Promise<boolean>,
  goesOn: () => boolean,
): Promise<boolean> {
  // The end first: what came after the failure began is most likely to be of no account.
  for (let end = keep.length; end > 0 && goesOn(); end -= size) {
    const rest = [...keep.slice(0, Math.max(0, end - size)), ...keep.slice(end)]
    if (rest.length > 0 && (await fails(rest))) return true
  }
  return false
}
