/**
 * A head of a log as it is written down outside of its pool, and read again: by an admin as `SEQ:HASH`, by a
 * witness as one line of JSON, by syslog as a line of words.
 */
export type KeptHead = {
  /** Name and guid of the pool; absent where an admin typed the head. */
  readonly pool?: string | undefined
  readonly guid?: string | undefined
  readonly seq: number
  /** Lower-case hexadecimal, whole or its first digits. */
  readonly hash: string
  /** When it was the head: ms since the epoch. */
  readonly time?: number | undefined
}

/** `pool show` prints this much of a hash: fewer digits prove nothing. */
export const SHORTEST_HASH = 16
const TYPED = /^(\d{1,15}):([0-9a-f]{16,64})$/
const WORDS = /\bpool=(\S+) guid=(\d+) seq=(\d{1,15}) hash=([0-9a-f]{16,64})\b/

/** `SEQ:HASH`; null when it is not one. @pure */
export function parseHead(text: string): KeptHead | null {
  const match = TYPED.exec(text.trim())
  return match ? { seq: Number(match[1]), hash: match[2] ?? '' } : null
}

export const headText = ({ seq, hash }: Pick<KeptHead, 'seq' | 'hash'>): string => `${seq}:${hash}`

/** As syslog has it. @pure */
export const headWords = ({ pool, guid, seq, hash }: KeptHead): string =>
  `log head pool=${pool ?? '-'} guid=${guid ?? '0'} seq=${seq} hash=${hash}`

/** One line of a file that heads were kept in: JSON, words, or `SEQ:HASH`; null for any other line. @pure */
export function parseKept(line: string): KeptHead | null {
  const words = WORDS.exec(line)
  if (words) return { pool: words[1], guid: words[2], seq: Number(words[3]), hash: words[4] ?? '' }
  return fromJson(line) ?? parseHead(line)
}

function fromJson(line: string): KeptHead | null {
  if (!line.trimStart().startsWith('{')) return null
  try {
    const { pool, guid, seq, hash, time } = JSON.parse(line) as Record<string, unknown>
    if (typeof seq !== 'number' || typeof hash !== 'string' || parseHead(`${seq}:${hash}`) === null)
      return null
    return {
      seq,
      hash,
      ...(typeof pool === 'string' ? { pool } : {}),
      ...(typeof guid === 'string' ? { guid } : {}),
      ...(typeof time === 'number' ? { time } : {}),
    }
  } catch {
    return null
  }
}
