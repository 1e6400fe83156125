/**
 * Names and numbers that events are made of.
 *
 * Everything here is a plain string or number at run time; the brands exist so that a container's id of
 * its own (a ULID, for ever) is never mistaken for its `ctid` (a property, reusable after deletion).
 */
import { z } from 'zod'

/** 26 characters of Crockford base32; sorts by creation time. Source: ULID specification. */
export const ulidSchema = z.string().regex(/^[0-7][0-9A-HJKMNP-TV-Z]{25}$/, 'a ULID of 26 characters')
export type Ulid = string

/** The container's name as an admin types it: `^[a-z0-9_-]{1,100}$`, any case (vpsadminos §2.6). */
export const CTID_PATTERN = /^[a-z0-9_][a-z0-9_-]{0,99}$/i
export const ctidSchema = z
  .string()
  .regex(CTID_PATTERN, 'invalid ID, allowed characters: a-z A-Z 0-9 _ - (at most 100, not starting with -)')

/** zpool(8) names: begin with a letter, then letters, digits, `-`, `_`, `.`, `:`, blank excluded here. */
export const POOL_PATTERN = /^[a-z][a-z0-9_.:-]{0,99}$/i
export const poolNameSchema = z
  .string()
  .regex(POOL_PATTERN, 'invalid pool name, allowed: a letter, then a-z A-Z 0-9 _ . : -')

/** osctl user names (vpsadminos §2.3); auto-created users carry the ctid, folded to lower case. */
export const USER_PATTERN = /^[a-z0-9_-]{1,100}$/i
export const userNameSchema = z.string().regex(USER_PATTERN, 'invalid name, allowed format: a-z A-Z 0-9 _ -')

/** Repository names become directory names below `<ds>/repository`. */
export const REPOSITORY_PATTERN = /^[a-z0-9][a-z0-9_-]{0,63}$/i
export const repositoryNameSchema = z
  .string()
  .regex(REPOSITORY_PATTERN, 'invalid name, allowed: a-z A-Z 0-9 _ - (at most 64, not starting with - or _)')

/** `vendor:key` of a user attribute (vpsadminos §2). */
export const ATTR_PATTERN = /^[^:\s]+:\S+$/
export const attrNameSchema = z.string().max(200).regex(ATTR_PATTERN, 'an attribute is named vendor:key')

/** A stream of a pool's log: the log itself, the pool, or one container by its own id. */
export type StreamId = 'log' | 'pool' | 'host' | `ct:${Ulid}`

export const ctStream = (id: Ulid): StreamId => `ct:${id}`
export const ctOfStream = (stream: StreamId): Ulid | undefined =>
  stream.startsWith('ct:') ? stream.slice(3) : undefined

/** The container of a stream that is one; throws for the others. */
export const ctIdOfStream = (stream: StreamId): Ulid => {
  const id = ctOfStream(stream)
  if (id === undefined) throw new Error(`${stream} is not the stream of a container`)
  return id
}

/**
 * An intent is named after its operation and its number in it, `<operation ulid>.<n>`, n from 1: the pure
 * machine can name it without asking anybody for randomness, and the name says which command it serves.
 */
export type IntentId = `${Ulid}.${number}`
export const intentIdSchema = z.string().regex(/^[0-7][0-9A-HJKMNP-TV-Z]{25}\.\d{1,4}$/)
