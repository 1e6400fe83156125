/**
 * Heads of a log that were kept outside of it, and what the log must say to each.
 *
 * A chain that was cut is a shorter valid chain, and an older copy of a log is a valid log: neither can be told from
 * the log alone. So its head is kept where a rollback or a loss of the log does not reach, and compared with it.
 */
import type { Head } from '../events/types/envelope.ts'

/** A head and where it was kept, as an admin would look for it. `hash` may be its beginning only. */
export type Anchor = Head & { readonly where: string }

/**
 * lost: the log ends before it, so its end is lost or an older copy stands in its place.
 * replaced: another event stands there, so this is not the log that was anchored.
 */
export type Broken = { readonly anchor: Anchor; readonly is: 'lost' | 'replaced' }

/**
 * Compares a log with one anchor.
 *
 * @param there  hash of the event at the anchor's position, null when the log has none there
 * @pure
 */
export function judge(end: Head, anchor: Anchor, there: string | null): Broken | null {
  if (anchor.seq === 0) return null
  if (anchor.seq > end.seq) return { anchor, is: 'lost' }
  // What cannot be read there is damage, which is named on its own.
  return there === null || there.startsWith(anchor.hash) ? null : { anchor, is: 'replaced' }
}

/** The worst of several: a log that is another one, else the anchor that is farthest ahead of the log. @pure */
export function worst(broken: readonly Broken[]): Broken | null {
  const replaced = broken.filter(({ is }) => is === 'replaced')
  const [first, ...others] = replaced.length > 0 ? replaced : broken
  if (!first) return null
  const further = replaced.length > 0 ? (a: number, b: number) => a < b : (a: number, b: number) => a > b
  return others.reduce((so, it) => (further(it.anchor.seq, so.anchor.seq) ? it : so), first)
}

/** What is wrong, in the words of an admin. @pure */
export function brokenText({ anchor, is }: Broken, end: Head): string {
  if (is === 'lost') {
    return `its end is lost, or an older copy was put in its place: it ends at ${end.seq}, and its head was once ${anchor.seq} (${anchor.where})`
  }
  return `it is another log than the one that was anchored: event ${anchor.seq} is not the one that stood there (${anchor.where})`
}

/** First event that is missing or not to be trusted. @pure */
export const firstBad = ({ anchor, is }: Broken, end: Head): number =>
  is === 'lost' ? end.seq + 1 : anchor.seq
