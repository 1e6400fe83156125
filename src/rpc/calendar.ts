/**
 * The calendar of a time zone: from a moment to what the clock on the wall shows, and back.
 *
 * The zone is an argument, its offset at any moment, so that all of it is pure: the CLI hands in its own zone,
 * a text that names one replaces it, and a test can invent one whose clock changes when it likes.
 */

/** Minutes east of UTC at a moment (ms since the epoch). */
export type Offset = (ms: number) => number

/** What calendar and clock on the wall show. `month` and `day` count from 1, as people do. */
export type WallTime = {
  readonly year: number
  readonly month: number
  readonly day: number
  readonly hour: number
  readonly minute: number
  readonly second: number
  readonly ms: number
}

export const MINUTE_MS = 60_000
export const HOUR_MS = 3_600_000
export const DAY_MS = 86_400_000

/** The zone of this process: TZ, else /etc/localtime. */
export const localOffset: Offset = (ms) => -new Date(ms).getTimezoneOffset()

export const fixedOffset =
  (minutes: number): Offset =>
  () =>
    minutes

export function wallTimeAt(ms: number, offset: Offset): WallTime {
  const shifted = new Date(ms + offset(ms) * MINUTE_MS)
  return {
    year: shifted.getUTCFullYear(),
    month: shifted.getUTCMonth() + 1,
    day: shifted.getUTCDate(),
    hour: shifted.getUTCHours(),
    minute: shifted.getUTCMinutes(),
    second: shifted.getUTCSeconds(),
    ms: shifted.getUTCMilliseconds(),
  }
}

/**
 * The moment at which the wall shows this. When the clock is put back an hour shows twice, and the first is
 * meant; when it is put forward an hour is left out, and what would have shown is taken by the clock before.
 */
export function momentOf(wall: WallTime, offset: Offset): number {
  const { year, month, day, hour, minute, second, ms } = wall
  const asIfUtc = Date.UTC(year, month - 1, day, hour, minute, second, ms)
  // No zone changes its clock twice within two days.
  const before = offset(asIfUtc - DAY_MS)
  const after = offset(asIfUtc + DAY_MS)
  const candidates = [before, after]
    .map((minutes) => ({ minutes, moment: asIfUtc - minutes * MINUTE_MS }))
    .filter(({ minutes, moment }) => offset(moment) === minutes)
    .map(({ moment }) => moment)
  return candidates.length > 0 ? Math.min(...candidates) : asIfUtc - before * MINUTE_MS
}

export function daysInMonth(year: number, month: number): number {
  return new Date(Date.UTC(year, month, 0)).getUTCDate()
}

/** 0 is Sunday. */
export function weekdayOf({ year, month, day }: WallTime): number {
  return new Date(Date.UTC(year, month - 1, day)).getUTCDay()
}

/** The same clock on another day of the calendar. */
export function addDays(wall: WallTime, days: number): WallTime {
  const { year, month, day } = wall
  const moved = new Date(Date.UTC(year, month - 1, day + days))
  return {
    ...wall,
    year: moved.getUTCFullYear(),
    month: moved.getUTCMonth() + 1,
    day: moved.getUTCDate(),
  }
}

/** The same day of another month; its last one where that month is shorter. */
export function addMonths(wall: WallTime, months: number): WallTime {
  const count = wall.year * 12 + wall.month - 1 + months
  const [year, month] = [Math.floor(count / 12), (((count % 12) + 12) % 12) + 1]
  return { ...wall, year, month, day: Math.min(wall.day, daysInMonth(year, month)) }
}

export const startOfDay = (wall: WallTime): WallTime => ({ ...wall, hour: 0, minute: 0, second: 0, ms: 0 })
