/**
 * One order for what happened on several pools.
 *
 * Each pool's rows have their own order, which is never touched. Between pools the monotonic clock decides within
 * a boot; of two boots the one that some pool saw first is the earlier; only what no pool has in common is ordered
 * by the wall clock, which may have jumped, and `isByWallClock` tells that, so that the output can.
 */

export type Placed = {
  readonly pool: string
  /** null: the log does not say. */
  readonly boot: string | null
  /** Monotonic clock, µs since that boot. */
  readonly mono: number
  /** Wall clock, ms since the epoch. */
  readonly time: number
}

/** Boots in the order in which one pool saw them. */
type Boots = ReadonlyMap<string, number>

function bootsOf(rows: readonly Placed[]): Boots {
  const boots = new Map<string, number>()
  for (const { boot } of rows) if (boot !== null && !boots.has(boot)) boots.set(boot, boots.size)
  return boots
}

/** Below zero: a is the earlier. null: only the wall clock can tell. */
function certainly(a: Placed, b: Placed, pools: readonly Boots[]): number | null {
  if (a.boot === null || b.boot === null) return null
  if (a.boot === b.boot) return a.mono - b.mono
  for (const boots of pools) {
    const [first, second] = [boots.get(a.boot), boots.get(b.boot)]
    if (first !== undefined && second !== undefined) return first - second
  }
  return null
}

/** Of two pools whose further events are not known: by the monotonic clock within a boot, else by the wall clock. */
export const isEarlier = (a: Placed, b: Placed): boolean => (certainly(a, b, []) ?? a.time - b.time) < 0

/** @param lists  one for each pool, in its own order */
export function inOneOrder<R extends Placed>(lists: readonly (readonly R[])[]): R[] {
  const pools = lists.map(bootsOf)
  const heads = lists.map(() => 0)
  const ordered: R[] = []
  for (;;) {
    let [earliest, at] = [null as R | null, -1]
    for (const [i, list] of lists.entries()) {
      const row = list[heads[i] ?? 0]
      if (row === undefined) continue
      if (earliest === null || (certainly(row, earliest, pools) ?? row.time - earliest.time) < 0)
        [earliest, at] = [row, i]
    }
    if (earliest === null) return ordered
    ordered.push(earliest)
    heads[at] = (heads[at] ?? 0) + 1
  }
}

/** Whether anywhere in these rows, as `inOneOrder` gave them, two neighbours stand so by the wall clock alone. */
export function isByWallClock(rows: readonly Placed[]): boolean {
  const byPool = Map.groupBy(rows, ({ pool }) => pool)
  const pools = [...byPool.values()].map(bootsOf)
  return rows.some((row, i) => {
    const next = rows[i + 1]
    return next !== undefined && next.pool !== row.pool && certainly(row, next, pools) === null
  })
}
