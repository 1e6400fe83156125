/**
 * Times as people write them, and as we print them.
 *
 * One grammar for every option that takes a time. It is read where it was typed, in the zone of whoever typed
 * it; the daemon is told milliseconds since the epoch. Whatever `formatTime` prints is read back.
 *
 *   now · 10 minutes ago · 1h30m ago · 2h · yesterday · yesterday 14:00 · monday 9:00 · last friday · 14:00 · 9pm
 *   24 Nov 14:00 · 2026-11-24 · 2026-11-24 14:00:05 · 2026-11-24T14:00:05.250+01:00 · @1795528805 · 1795528805
 *
 * What leaves something open means the latest moment of the past that fits: at one in the morning `23:30` is
 * yesterday's, on a Monday at eight `monday 9:00` is last week's. A day alone is its beginning. Days, weeks,
 * months and years ago are counted on the calendar, so the clock on the wall stays; hours are hours.
 */
import {
  addDays,
  addMonths,
  daysInMonth,
  fixedOffset,
  HOUR_MS,
  localOffset,
  MINUTE_MS,
  momentOf,
  type Offset,
  startOfDay,
  type WallTime,
  wallTimeAt,
  weekdayOf,
} from './calendar.ts'

/**
 * A moment as written: its first and its last millisecond. They differ where whole seconds were written, which
 * is what we print: the event of 14:00:05.250 is not later than `14:00:05`. Use `from` for a beginning, `to`
 * for an end and for "as it was then".
 */
export type Moment = { readonly from: number; readonly to: number }

/** A moment, or an event's position; `pool` is null for a bare SEQ. */
export type Point = { readonly time: Moment } | { readonly pool: string | null; readonly seq: number }

/** The text is no time; the message names it and says what is. */
export class TimeError extends Error {
  constructor(text: string, why = 'not a time') {
    super(`${why}: '${text}' (write '10 minutes ago', 'yesterday 14:00', '2026-11-24 14:00:05' or @EPOCH)`)
    this.name = 'TimeError'
  }
}

/** Local time with its zone: `2026-11-24 14:00:05 +0100`. */
export function formatTime(ms: number, offset: Offset = localOffset): string {
  const { year, month, day, hour, minute, second } = wallTimeAt(ms, offset)
  const east = offset(ms)
  const zone = `${east < 0 ? '-' : '+'}${two(Math.floor(Math.abs(east) / 60))}${two(Math.abs(east) % 60)}`
  return `${String(year).padStart(4, '0')}-${two(month)}-${two(day)} ${two(hour)}:${two(minute)}:${two(second)} ${zone}`
}

/**
 * @param now     ms since the epoch
 * @param offset  the zone of whoever wrote it
 * @throws TimeError
 */
export function parseTime(text: string, now: number, offset: Offset = localOffset): Moment {
  const words = text.trim().toLowerCase().replace(/\s+/g, ' ')
  const moment = epoch(words) ?? ago(words, now, offset) ?? calendar(text, words, now, offset)
  if (moment === null) throw new TimeError(text)
  if (!(moment.from >= 0 && moment.to <= LAST_MS)) throw new TimeError(text, 'out of range')
  return moment
}

/** `POOL:SEQ`, or up to nine digits: a SEQ. */
export const POSITION = /^(?:([a-z][a-z0-9_.:-]{0,99}):)?(\d{1,9})$/i

/** For options that take `TIME|SEQ`: up to nine digits are a SEQ, `POOL:SEQ` is a position, all else a time. */
export function parsePoint(text: string, now: number, offset: Offset = localOffset): Point {
  const position = POSITION.exec(text.trim())
  if (position) return { pool: position[1] ?? null, seq: Number(position[2]) }
  return { time: parseTime(text, now, offset) }
}

/** The last day of the year 9999. */
const LAST_MS = 253_402_300_799_999

const exactly = (ms: number): Moment => ({ from: ms, to: ms })
const wholeSecond = (ms: number): Moment => ({ from: ms, to: ms + 999 })

/** `@SECONDS`, ten digits of seconds, thirteen of milliseconds. */
function epoch(words: string): Moment | null {
  const marked = /^@(\d{1,12})(?:\.(\d{1,9}))?$/.exec(words)
  if (marked) {
    const seconds = Number(marked[1]) * 1000
    return marked[2] === undefined ? wholeSecond(seconds) : exactly(seconds + fraction(marked[2]))
  }
  if (/^\d{10}$/.test(words)) return wholeSecond(Number(words) * 1000)
  return /^\d{13}$/.test(words) ? exactly(Number(words)) : null
}

type Unit = { readonly ms: number } | { readonly days: number } | { readonly months: number }
const UNITS: readonly (readonly [RegExp, Unit])[] = [
  [/^s(ec(ond)?s?)?$/, { ms: 1000 }],
  [/^m(in(ute)?s?)?$/, { ms: MINUTE_MS }],
  [/^h((ou)?rs?)?$/, { ms: HOUR_MS }],
  [/^d(ays?)?$/, { days: 1 }],
  [/^w(eeks?)?$/, { days: 7 }],
  [/^mo(n(th)?s?)?$/, { months: 1 }],
  [/^y((ea)?rs?)?$/, { months: 12 }],
]
const PART = /^(\d{1,9}|an?) ?([a-z]+)(?:,? and |, ?| )?/

/** `10 minutes ago`, `1h30m ago`, `an hour ago`; `2h` and `-2h` mean the same; `now`. */
function ago(words: string, now: number, offset: Offset): Moment | null {
  if (words === 'now') return exactly(now)
  let rest = words.replace(/ ago$/, '').replace(/^-/, '')
  if (rest === '') return null
  let moment = now
  while (rest !== '') {
    const part = PART.exec(rest)
    const unit = UNITS.find(([name]) => part?.[2] !== undefined && name.test(part[2]))?.[1]
    if (!part || !unit) return null
    const count = part[1]?.startsWith('a') ? 1 : Number(part[1])
    moment = back(moment, count, unit, offset)
    rest = rest.slice(part[0].length)
  }
  return exactly(moment)
}

function back(moment: number, count: number, unit: Unit, offset: Offset): number {
  if ('ms' in unit) return moment - count * unit.ms
  const wall = wallTimeAt(moment, offset)
  const then =
    'days' in unit ? addDays(wall, -count * unit.days) : addMonths(wall, -Math.min(count, 1e6) * unit.months)
  return momentOf(then, offset)
}

type Clock = Pick<WallTime, 'hour' | 'minute' | 'second' | 'ms'> & { readonly isWholeSecond: boolean }
/** The days that a text can mean, the latest first; which one it is depends on the clock. */
type Days = { readonly latestFirst: readonly WallTime[]; readonly isOpen: boolean }

const MIDNIGHT: Clock = { hour: 0, minute: 0, second: 0, ms: 0, isWholeSecond: false }

/** A day, a clock, or both in either order, and perhaps a zone. */
function calendar(text: string, words: string, now: number, local: Offset): Moment | null {
  const [body, zone] = takeZone(words)
  const offset = zone ?? local
  const { rest, clock } = takeClock(text, body)
  const today = startOfDay(wallTimeAt(now, offset))
  const dayWords = rest
    .replace(/\b(at|on)\b/g, ' ')
    .replace(/\s+/g, ' ')
    .trim()
  if (dayWords === '' && clock === null) return null
  const days = dayWords === '' ? openDays([today, addDays(today, -1)]) : daysOf(text, dayWords, today)
  if (days === null) return null
  const { isWholeSecond, ...time } = clock ?? MIDNIGHT
  const moments = days.latestFirst.map((day) => momentOf({ ...day, ...time }, offset))
  const moment = days.isOpen ? (moments.find((candidate) => candidate <= now) ?? moments.at(-1)) : moments[0]
  if (moment === undefined) return null
  return isWholeSecond ? wholeSecond(moment) : exactly(moment)
}

/** A zone needs a clock in front of it, lest the end of a date be taken for one. */
function takeZone(words: string): [string, Offset | null] {
  const named = /^(.*(?:\d|am|pm|noon|midnight)) ?(?:z|utc|gmt)$/.exec(words)
  if (named?.[1] !== undefined) return [named[1], fixedOffset(0)]
  const numeric = /^(.*:\d\d(?:[.,]\d+)?|.*(?:am|pm|noon|midnight)) ?([+-])(\d\d):?(\d\d)?$/.exec(words)
  if (numeric?.[1] === undefined) return [words, null]
  const minutes = Number(numeric[3]) * 60 + Number(numeric[4] ?? 0)
  return [numeric[1], fixedOffset(numeric[2] === '-' ? -minutes : minutes)]
}

const CLOCK =
  /(?:^|(?<=\d)t| )(?:(noon|midnight)|(\d{1,2}):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?(?: ?(am|pm))?|(\d{1,2}) ?(am|pm))(?= |$)/

function takeClock(text: string, words: string): { rest: string; clock: Clock | null } {
  const found = CLOCK.exec(words)
  if (!found) return { rest: words, clock: null }
  const rest = `${words.slice(0, found.index)} ${words.slice(found.index + found[0].length)}`
  const [, word, hours, minutes = '0', seconds, part, half = found[8], bareHour] = found
  if (word !== undefined) return { rest, clock: { ...MIDNIGHT, hour: word === 'noon' ? 12 : 0 } }
  const clock = {
    hour: hourOf(text, Number(hours ?? bareHour), half),
    minute: Number(minutes),
    second: Number(seconds ?? 0),
    ms: part === undefined ? 0 : fraction(part),
    isWholeSecond: seconds !== undefined && part === undefined,
  }
  if (clock.hour > 23 || clock.minute > 59 || clock.second > 59)
    throw new TimeError(text, 'no such time of day')
  return { rest, clock }
}

function hourOf(text: string, hour: number, half: string | undefined): number {
  if (half === undefined) return hour
  if (hour < 1 || hour > 12) throw new TimeError(text, 'no such time of day')
  return (hour % 12) + (half === 'pm' ? 12 : 0)
}

const WEEKDAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']
const WEEKDAY =
  /^(last )?(?:(sun)(?:day)?|(mon)(?:day)?|(tue)(?:s|sday)?|(wed)(?:nesday)?|(thu)(?:r|rs|rsday)?|(fri)(?:day)?|(sat)(?:urday)?)$/
const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const MONTH =
  '(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)'
const DAY_MONTH = new RegExp(`^(\\d{1,2})(?:\\.|st|nd|rd|th)? ${MONTH}(?:,? (\\d{4}))?$`)
const MONTH_DAY = new RegExp(`^${MONTH} (\\d{1,2})(?:st|nd|rd|th)?(?:,? (\\d{4}))?$`)

const openDays = (latestFirst: readonly WallTime[]): Days => ({ latestFirst, isOpen: true })
const oneDay = (day: WallTime): Days => ({ latestFirst: [day], isOpen: false })

function daysOf(text: string, words: string, today: WallTime): Days | null {
  const named = { today: 0, yesterday: -1, tomorrow: 1 }[words]
  if (named !== undefined) return oneDay(addDays(today, named))
  const iso = /^(\d{4})-(\d{1,2})-(\d{1,2})$/.exec(words)
  if (iso) return oneDay(dayOf(text, Number(iso[1]), Number(iso[2]), Number(iso[3])))
  const counted = /^(\d{1,5}|a) (days?|weeks?) ago$/.exec(words)
  if (counted) {
    const count = counted[1] === 'a' ? 1 : Number(counted[1])
    return oneDay(addDays(today, -count * (counted[2]?.startsWith('w') ? 7 : 1)))
  }
  return weekday(words, today) ?? monthDay(text, words, today)
}

function weekday(words: string, today: WallTime): Days | null {
  const found = WEEKDAY.exec(words)
  if (!found) return null
  const wanted = WEEKDAYS.indexOf(found.slice(2).find((name) => name !== undefined) ?? '')
  const since = (weekdayOf(today) - wanted + 7) % 7
  const days = [since, since + 7].filter((count) => found[1] === undefined || count > 0)
  return openDays(days.map((count) => addDays(today, -count)))
}

function monthDay(text: string, words: string, today: WallTime): Days | null {
  const [dayFirst, monthFirst] = [DAY_MONTH.exec(words), MONTH_DAY.exec(words)]
  const found = dayFirst ?? monthFirst
  if (!found) return null
  const [name, number] = dayFirst ? [found[2], found[1]] : [found[1], found[2]]
  const month = MONTHS.indexOf((name ?? '').slice(0, 3)) + 1
  const day = Number(number)
  if (found[3] !== undefined) return oneDay(dayOf(text, Number(found[3]), month, day))
  // Nine years hold a 29th of February.
  const years = Array.from({ length: 9 }, (_, i) => today.year - i)
  const there = years.filter((year) => day >= 1 && day <= daysInMonth(year, month))
  if (there.length === 0) throw new TimeError(text, 'no such day')
  return openDays(there.map((year) => dayOf(text, year, month, day)))
}

function dayOf(text: string, year: number, month: number, day: number): WallTime {
  const isThere = year >= 1970 && month >= 1 && month <= 12 && day >= 1 && day <= daysInMonth(year, month)
  if (!isThere) throw new TimeError(text, 'no such day')
  return { year, month, day, hour: 0, minute: 0, second: 0, ms: 0 }
}

/** Digits after the point, as whole milliseconds. */
const fraction = (digits: string): number => Math.floor(Number(`0.${digits}`) * 1000 + 1e-6)

const two = (value: number): string => String(value).padStart(2, '0')
