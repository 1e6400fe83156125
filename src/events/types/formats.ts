/**
 * The formats of a pool's log: what each brings, and which osctld can go on with it (DESIGN D14).
 *
 * Events are never rewritten, so a log only ever gets younger events. What an older osctld cannot read of them would
 * cost a container its commands, so a release goes on writing the format that the pool has, and booting the image
 * before it simply works. `osctl pool upgrade` is the step that cannot be taken back: it seals the segment, and the
 * next one opens in the newer format. From there on the pool is read-only to whoever does not know it.
 *
 * What holds for every format that there will ever be, so that an older osctld can show the pool and say what it needs:
 *   - table `segment`, table `events` with the ten columns of format 1, bodies of JSON, the chain over them. A format
 *     adds types of events, versions of them, columns, tables; it takes nothing away
 *   - `user_version` of a segment's file is its format
 *   - the segment's first event, SegmentOpened, names the format and the first osctld that knows it: an osctld that
 *     was made before that one reads it there, since its own table cannot have it
 *   - one segment has one format; a later one never has an older
 *
 * There is one format. Nothing of what the store keeps is worth what another would cost every host, the way back to
 * the image before. So the step to the next is rehearsed: a build can be given one more (`__NEXT_FORMAT__`, set by
 * scripts/build.mjs out of OSCTL_NEXT_FORMAT), and the simulator gives its daemons whatever table it likes.
 */
import type { EventType } from './events.ts'

export type Format = {
  readonly number: number
  /** The first osctld that reads and writes it. */
  readonly since: string
  /** For an admin who decides: one line. */
  readonly brings: string
  /** Types of events that came with it, and versions of types. A log of an older format does not hold them. */
  readonly events: Readonly<Partial<Record<EventType, number>>>
}
/** All that an osctld knows, oldest first, without a gap: the last one is what it writes into new pools. */
export type Formats = readonly [Format, ...Format[]]

const RELEASED: Formats = [
  { number: 1, since: '0.1.0', brings: 'the event log: everything that osctld does is in it', events: {} },
]

declare const __NEXT_FORMAT__: Format | undefined

export const FORMATS: Formats =
  typeof __NEXT_FORMAT__ === 'undefined' ? RELEASED : [...RELEASED, __NEXT_FORMAT__]

/** @pure */
export const newest = (formats: Formats): Format => formats.at(-1) ?? formats[0]

/** A format that this osctld knows. @pure */
export const formatOf = (formats: Formats, number: number): Format | undefined =>
  formats.find((format) => format.number === number)

/** What a segment says of its own format. */
export type NamedFormat = { readonly number: number; readonly since: string }

/** Why a log of this format cannot be written; null when it can. `since` as the segment names it. @pure */
export function tooNew(formats: Formats, { number, since }: { number: number; since: string | null }) {
  const last = newest(formats).number
  if (number <= last) return null
  const way = since === null ? 'a newer osctld is needed' : `osctld ${since} or newer is needed`
  return `the pool was upgraded to format ${number}, this osctld writes up to format ${last}: ${way}`
}

/**
 * The format that an event needs, when the log's is older.
 *
 * @param v  version of the event's shape
 * @pure
 */
export function wanting(
  formats: Formats,
  has: number,
  { type, v }: { readonly type: EventType; readonly v: number },
): Format | null {
  return formats.find(({ number, events }) => number > has && (events[type] ?? Infinity) <= v) ?? null
}
