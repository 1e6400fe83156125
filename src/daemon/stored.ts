/** A batch that was appended, as it stands in the log. */
import type { StoredEvent } from '../events/types/envelope.ts'
import type { Advanced } from '../machines/advance.ts'

export type Committed = Advanced & { readonly first: number; readonly stored: readonly StoredEvent[] }

/**
 * @param first  position of its first event
 * @param before  versions of its streams before it
 * @param session  position of the newest SessionOpened before it
 * @pure
 */
export function asStored(
  advanced: Advanced,
  first: number,
  before: ReadonlyMap<string, number>,
  session: number,
): Committed {
  const counts = new Map(before)
  let s = session
  const stored = advanced.events.map((event, index): StoredEvent => {
    const ver = (counts.get(event.stream) ?? 0) + 1
    counts.set(event.stream, ver)
    const seq = first + index
    if (event.type === 'SessionOpened') s = seq
    return { ...event, seq, ver, s }
  })
  return { ...advanced, first, stored }
}
