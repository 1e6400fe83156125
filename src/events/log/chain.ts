/**
 * The chain: hash = SHA-256(previous hash ‖ body), over the body's exact bytes.
 *
 * An event's body is its whole envelope as JSON, so `seq`, `ver` and the session are under the hash too.
 * Nothing is ever re-serialised to check it: what was written is what is hashed, whichever release wrote it.
 */
import { hash as digest } from 'node:crypto'
import type { Head, NewEvent, StoredEvent } from '../types/envelope.ts'
import { LogError } from './store.ts'

/** What the first event of a log is chained to. */
export const NO_HASH: Buffer = Buffer.alloc(32)

export type Link = { readonly body: Buffer; readonly hash: Buffer }

/** Completes an event with its place in the log. Absent optional fields are left out of the body. */
export function placed(event: NewEvent, seq: number, ver: number, session: number): StoredEvent {
  const { stream, id, type, v, t, m, op, by, key, data } = event
  return {
    seq,
    ver,
    s: session,
    stream,
    id,
    type,
    v,
    t,
    m,
    ...(op === undefined ? {} : { op }),
    ...(by === undefined ? {} : { by }),
    ...(key === undefined ? {} : { key }),
    data,
  }
}

/** Encodes an event and chains it to the one before. @pure */
export function chained(previous: Buffer, event: StoredEvent): Link {
  const text = JSON.stringify(event)
  const bytes = Buffer.allocUnsafe(32 + Buffer.byteLength(text))
  previous.copy(bytes)
  bytes.write(text, 32)
  return { body: bytes.subarray(32), hash: digest('sha256', bytes, 'buffer') }
}

let scratch = Buffer.allocUnsafe(4096)

/** The hash that a stored body must have after `previous`. @pure */
export function linkHash(previous: Buffer, body: Buffer): Buffer {
  const length = 32 + body.length
  if (scratch.length < length) scratch = Buffer.allocUnsafe(2 * length)
  previous.copy(scratch)
  body.copy(scratch, 32)
  return digest('sha256', scratch.subarray(0, length), 'buffer')
}

/**
 * The same in hex, of a body that is ASCII: its characters are its bytes, and a body that was read as text need not
 * be turned into a buffer of its own. @pure
 */
export function linkHashOfAscii(previous: string, body: string): string {
  const length = 32 + body.length
  if (scratch.length < length) scratch = Buffer.allocUnsafe(2 * length)
  scratch.write(previous, 0, 'hex')
  scratch.write(body, 32, 'latin1')
  return digest('sha256', scratch.subarray(0, length), 'hex')
}

/** @throws E_LOG_DAMAGED */
export function parseBody(body: Uint8Array): StoredEvent {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  try {
    return JSON.parse(bytes.toString('utf8')) as StoredEvent
  } catch (cause) {
    throw new LogError('E_LOG_DAMAGED', 'an event cannot be read: its bytes are no JSON', { cause })
  }
}

/** Bodies that are each followed by their hash, as rows. */
export const paired = <B extends Uint8Array>(items: readonly B[]): { body: B; hash: B }[] =>
  Array.from({ length: items.length / 2 }, (_, i) => ({
    body: items[2 * i] as B,
    hash: items[2 * i + 1] as B,
  }))

export const headOf = (seq: number, hash: Buffer): Head => ({ seq, hash: hash.toString('hex') })
