import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  addDays,
  DAY_MS,
  fixedOffset,
  HOUR_MS,
  MINUTE_MS,
  momentOf,
  type Offset,
  startOfDay,
  wallTimeAt,
  weekdayOf,
} from '../../../src/rpc/calendar.ts'
import { formatTime, parsePoint, parseTime, TimeError } from '../../../src/rpc/time.ts'

/** Wednesday. */
const NOW = Date.UTC(2026, 10, 25, 1, 14, 5, 250)
const utc = fixedOffset(0)
const read = (text: string, offset: Offset = utc, now = NOW): string => {
  const { from, to } = parseTime(text, now, offset)
  return new Date(from).toISOString() + (to === from ? '' : ` +${to - from}`)
}

/** Central Europe in 2026: an hour is left out on 29 March, one shows twice on 25 October. */
const SPRING = Date.UTC(2026, 2, 29, 1)
const AUTUMN = Date.UTC(2026, 9, 25, 1)
const prague: Offset = (ms) => (ms >= SPRING && ms < AUTUMN ? 120 : 60)

for (const [text, expected] of [
  ['now', '2026-11-25T01:14:05.250Z'],
  ['10 minutes ago', '2026-11-25T01:04:05.250Z'],
  ['1h30m ago', '2026-11-24T23:44:05.250Z'],
  ['1 hour, 30 minutes ago', '2026-11-24T23:44:05.250Z'],
  ['1 hour and 5 secs ago', '2026-11-25T00:14:00.250Z'],
  ['an hour ago', '2026-11-25T00:14:05.250Z'],
  ['2h', '2026-11-24T23:14:05.250Z'],
  ['-2h', '2026-11-24T23:14:05.250Z'],
  ['3 days ago', '2026-11-22T01:14:05.250Z'],
  ['2 weeks ago', '2026-11-11T01:14:05.250Z'],
  ['a month ago', '2026-10-25T01:14:05.250Z'],
  ['9 months ago', '2026-02-25T01:14:05.250Z'],
  ['1 year ago', '2025-11-25T01:14:05.250Z'],
  ['today', '2026-11-25T00:00:00.000Z'],
  ['yesterday', '2026-11-24T00:00:00.000Z'],
  ['yesterday 14:00', '2026-11-24T14:00:00.000Z'],
  ['Yesterday  at 2pm', '2026-11-24T14:00:00.000Z'],
  ['14:00 yesterday', '2026-11-24T14:00:00.000Z'],
  ['tomorrow 06:00', '2026-11-26T06:00:00.000Z'],
  ['2 days ago 14:00', '2026-11-23T14:00:00.000Z'],
  ['2 days ago at noon', '2026-11-23T12:00:00.000Z'],
  ['monday 9:00', '2026-11-23T09:00:00.000Z'],
  ['mon', '2026-11-23T00:00:00.000Z'],
  ['wednesday', '2026-11-25T00:00:00.000Z'],
  ['wednesday 9:00', '2026-11-18T09:00:00.000Z'],
  ['last wednesday', '2026-11-18T00:00:00.000Z'],
  ['last sunday 23:00', '2026-11-22T23:00:00.000Z'],
  ['01:10', '2026-11-25T01:10:00.000Z'],
  ['23:30', '2026-11-24T23:30:00.000Z'],
  ['23:30:10', '2026-11-24T23:30:10.000Z +999'],
  ['12am', '2026-11-25T00:00:00.000Z'],
  ['12 pm', '2026-11-24T12:00:00.000Z'],
  ['midnight', '2026-11-25T00:00:00.000Z'],
  ['today 14:00', '2026-11-25T14:00:00.000Z'],
  ['24 Nov 14:00', '2026-11-24T14:00:00.000Z'],
  ['24. November 14:00', '2026-11-24T14:00:00.000Z'],
  ['Nov 24 2025', '2025-11-24T00:00:00.000Z'],
  ['Dec 24', '2025-12-24T00:00:00.000Z'],
  ['29 feb', '2024-02-29T00:00:00.000Z'],
  ['2026-11-24', '2026-11-24T00:00:00.000Z'],
  ['2026-11-24 14:00', '2026-11-24T14:00:00.000Z'],
  ['2026-11-24 14:00:05', '2026-11-24T14:00:05.000Z +999'],
  ['2026-11-24T14:00:05Z', '2026-11-24T14:00:05.000Z +999'],
  ['2026-11-24T14:00:05.25+01:00', '2026-11-24T13:00:05.250Z'],
  ['2026-11-24 14:00:05,250 -0530', '2026-11-24T19:30:05.250Z'],
  ['2026-11-24 14:00 UTC', '2026-11-24T14:00:00.000Z'],
  ['@1795528805', '2026-11-24T14:00:05.000Z +999'],
  ['@1795528805.250', '2026-11-24T14:00:05.250Z'],
  ['1795528805', '2026-11-24T14:00:05.000Z +999'],
  ['1795528805250', '2026-11-24T14:00:05.250Z'],
] as const) {
  test(`'${text}' is ${expected}`, () => assert.equal(read(text), expected))
}

test('a zone in the text replaces the zone of whoever wrote it, for the day as well', () => {
  assert.equal(read('yesterday 14:00', fixedOffset(-120)), '2026-11-23T16:00:00.000Z')
  assert.equal(read('yesterday 14:00 UTC', fixedOffset(-120)), '2026-11-24T14:00:00.000Z')
})

test('where the clock changes: an hour left out is read by the clock before, one that shows twice is the first', () => {
  assert.equal(read('2026-03-29 02:30', prague), '2026-03-29T01:30:00.000Z')
  assert.equal(read('2026-10-25 02:30', prague), '2026-10-25T00:30:00.000Z')
  assert.equal(read('2026-10-25 02:30 +0100', prague), '2026-10-25T01:30:00.000Z')
  // A day ago is the same clock, 24 hours ago is not.
  const after = Date.UTC(2026, 9, 25, 11)
  assert.equal(read('1 day ago', prague, after), '2026-10-24T10:00:00.000Z')
  assert.equal(read('24 hours ago', prague, after), '2026-10-24T11:00:00.000Z')
})

for (const [text, why] of [
  ['', 'not a time'],
  ['soon', 'not a time'],
  ['ago', 'not a time'],
  ['42', 'not a time'],
  ['10 parsecs ago', 'not a time'],
  ['11/24/2026', 'not a time'],
  ['yesterday tomorrow', 'not a time'],
  ['25:00', 'no such time of day'],
  ['13pm', 'no such time of day'],
  ['2026-02-30', 'no such day'],
  ['31 june', 'no such day'],
  ['100 years ago', 'out of range'],
] as const) {
  test(`'${text}' is refused: ${why}`, () => {
    assert.throws(
      () => parseTime(text, NOW, utc),
      (error) => error instanceof TimeError && error.message.startsWith(`${why}: '${text}' (write `),
    )
  })
}

test('a point is a position or a time', () => {
  assert.deepEqual(parsePoint('42', NOW, utc), { pool: null, seq: 42 })
  assert.deepEqual(parsePoint('tank:42', NOW, utc), { pool: 'tank', seq: 42 })
  assert.deepEqual(parsePoint('2026-11-24', NOW, utc), {
    time: { from: Date.UTC(2026, 10, 24), to: Date.UTC(2026, 10, 24) },
  })
  assert.deepEqual(parsePoint('1795528805250', NOW, utc), {
    time: { from: 1795528805250, to: 1795528805250 },
  })
})

const moments = fc.integer({ min: Date.UTC(1971, 0), max: Date.UTC(2099, 0) })
/** A zone whose clock may change once, anywhere, by up to two hours either way. */
const zones = fc
  .record({
    base: fc.integer({ min: -48, max: 48 }),
    change: fc.integer({ min: -8, max: 8 }),
    at: moments,
  })
  .map(
    ({ base, change, at }): Offset =>
      (ms) =>
        15 * (ms >= at ? base + change : base),
  )

test('whatever is printed is read back, to the second, whichever zone reads it', () => {
  fc.assert(
    fc.property(moments, zones, zones, moments, (ms, writer, reader, now) => {
      const { from, to } = parseTime(formatTime(ms, writer), now, reader)
      assert.equal(from, ms - (((ms % 1000) + 1000) % 1000))
      assert.equal(to - from, 999)
    }),
  )
})

test('ISO times with milliseconds are read exactly', () => {
  fc.assert(
    fc.property(moments, zones, (ms, zone) => {
      assert.deepEqual(parseTime(new Date(ms).toISOString(), NOW, zone), { from: ms, to: ms })
    }),
  )
})

test('a clock on the wall leads to a moment at which the wall shows it, the first such', () => {
  fc.assert(
    fc.property(moments, zones, (ms, zone) => {
      const wall = wallTimeAt(ms, zone)
      const moment = momentOf(wall, zone)
      assert.deepEqual(wallTimeAt(moment, zone), wall)
      assert.ok(moment <= ms)
    }),
  )
})

test('hours, minutes and seconds ago are exact in every zone; days keep the clock where the day has it', () => {
  fc.assert(
    fc.property(moments, zones, fc.nat(500), (now, zone, n) => {
      assert.equal(parseTime(`${n} hours ago`, now, zone).from, now - n * HOUR_MS)
      assert.equal(parseTime(`${n}m ${n}s ago`, now, zone).from, now - n * (MINUTE_MS + 1000))
      const { from } = parseTime(`${n % 300} days ago`, now, zone)
      const wanted = addDays(wallTimeAt(now, zone), -(n % 300))
      assert.equal(from, momentOf(wanted, zone))
    }),
  )
})

test('a clock alone is its latest time that has passed, a weekday its latest day', () => {
  const clocks = fc.record({ hour: fc.nat(23), minute: fc.nat(59) })
  const fixed = fc.integer({ min: -12, max: 14 }).map((hours) => fixedOffset(hours * 60))
  fc.assert(
    fc.property(moments, fixed, clocks, fc.nat(6), (now, zone, { hour, minute }, day) => {
      const clock = `${hour}:${String(minute).padStart(2, '0')}`
      const { from } = parseTime(clock, now, zone)
      assert.ok(from <= now && now - from < DAY_MS)
      const shown = wallTimeAt(from, zone)
      assert.deepEqual([shown.hour, shown.minute, shown.second], [hour, minute, 0])
      const name = ['sunday', 'mon', 'tues', 'wed', 'thurs', 'friday', 'sat'][day]
      const then = parseTime(`${name} ${clock}`, now, zone).from
      assert.ok(then <= now && now - then < 7 * DAY_MS)
      assert.equal(weekdayOf(wallTimeAt(then, zone)), day)
    }),
  )
})

test('yesterday is the day of the calendar before today, also where a day has not 24 hours', () => {
  fc.assert(
    fc.property(moments, zones, (now, zone) => {
      const today = startOfDay(wallTimeAt(now, zone))
      const { from } = parseTime('yesterday 12:00', now, zone)
      assert.equal(from, momentOf({ ...addDays(today, -1), hour: 12 }, zone))
    }),
  )
})

test('any text is a time or refused with one line, never anything else', () => {
  const words = fc.constantFrom(
    ...[
      'now',
      'ago',
      'last',
      'monday',
      'yesterday',
      'at',
      '14:00',
      '9pm',
      '10',
      'm',
      'days',
      '-',
      '@',
      'utc',
    ],
    ...['2026-11-24', 't', '+0100', 'nov', '31', 'z', '99999999', '00:00:00.5', ' '],
  )
  const texts = fc.oneof(
    fc.string(),
    fc.array(words, { maxLength: 6 }).map((list) => list.join(' ')),
  )
  fc.assert(
    fc.property(texts, zones, (text, zone) => {
      try {
        const { from, to } = parseTime(text, NOW, zone)
        assert.ok(
          Number.isSafeInteger(from) && from >= 0 && (to === from || to === from + 999),
          `${from} ${to}`,
        )
      } catch (error) {
        assert.ok(error instanceof TimeError, String(error))
      }
    }),
    { numRuns: 2000 },
  )
})
