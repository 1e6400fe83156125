/**
 * Reading SQLite's write-ahead log without SQLite.
 *
 * SQLite takes a WAL up to the first frame whose checksum is wrong and drops the rest without a word: one
 * flipped bit in the middle silently takes every later commit away, and the next checkpoint deletes the
 * evidence. So the WAL is judged here before SQLite is let near it.
 *
 * What follows the valid part may be harmless. Frames of an earlier round (other salts) are leftovers.
 * Frames of this round that belong to one commit at most are the torn end of a commit that nobody was told
 * of, or damage to the last commit: which of the two cannot be told, so the file is kept aside. Two commits
 * or more can only be damage, since each commit is synced before the next one begins.
 *
 * Source: "WAL Format", https://www.sqlite.org/fileformat2.html#walformat
 */
import { readFileSync } from 'node:fs'

const HEADER = 32
const FRAME_HEADER = 24
const MAGIC = 0x377f0682

export type WalState =
  | { readonly kind: 'clean'; readonly commits: number }
  | {
      readonly kind: 'torn'
      readonly what: string /** Names this state of the file. */
      readonly label: string
    }
  | { readonly kind: 'damaged'; readonly what: string }

type Sum = [number, number]

function checksum(bytes: Buffer, from: number, to: number, bigEndian: boolean, seed: Sum): Sum {
  let [a, b] = seed
  for (let i = from; i < to; i += 8) {
    a = (a + (bigEndian ? bytes.readUInt32BE(i) : bytes.readUInt32LE(i)) + b) >>> 0
    b = (b + (bigEndian ? bytes.readUInt32BE(i + 4) : bytes.readUInt32LE(i + 4)) + a) >>> 0
  }
  return [a, b]
}

export function judgeWal(path: string): WalState {
  let bytes: Buffer
  try {
    bytes = readFileSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { kind: 'clean', commits: 0 }
    throw error
  }
  return judgeWalBytes(bytes)
}

/** @pure */
export function judgeWalBytes(bytes: Buffer): WalState {
  // The header is synced before the first frame: with no frame behind it, nothing can be lost.
  if (bytes.length <= HEADER) return { kind: 'clean', commits: 0 }
  const bigEndian = bytes.readUInt32BE(0) === MAGIC + 1
  const seed = checksum(bytes, 0, 24, bigEndian, [0, 0])
  const isIntact =
    (bigEndian || bytes.readUInt32BE(0) === MAGIC) &&
    seed[0] === bytes.readUInt32BE(24) &&
    seed[1] === bytes.readUInt32BE(28)
  if (!isIntact)
    return { kind: 'damaged', what: 'the header of log.db-wal is damaged: all its commits are lost' }
  return judgeFrames(bytes, bytes.readUInt32BE(8), bigEndian, seed)
}

function judgeFrames(bytes: Buffer, pageSize: number, bigEndian: boolean, seed: Sum): WalState {
  const size = FRAME_HEADER + pageSize
  let sum = seed
  let commits = 0
  let at = HEADER
  for (; at + size <= bytes.length; at += size) {
    if (salts(bytes, at) < 2) break
    sum = checksum(bytes, at, at + 8, bigEndian, sum)
    sum = checksum(bytes, at + FRAME_HEADER, at + size, bigEndian, sum)
    if (sum[0] !== bytes.readUInt32BE(at + 16) || sum[1] !== bytes.readUInt32BE(at + 20)) break
    if (bytes.readUInt32BE(at + 4) !== 0) commits += 1
  }
  return judgeRest(bytes, at, size, commits)
}

/** How many of the frame's two salts are those of the header. */
function salts(bytes: Buffer, at: number): number {
  const first = bytes.readUInt32BE(at + 8) === bytes.readUInt32BE(16) ? 1 : 0
  return first + (bytes.readUInt32BE(at + 12) === bytes.readUInt32BE(20) ? 1 : 0)
}

function judgeRest(bytes: Buffer, from: number, size: number, commits: number): WalState {
  let frames = 0
  let lost = 0
  for (let at = from; at + FRAME_HEADER <= bytes.length; at += size) {
    if (salts(bytes, at) === 0) break
    frames += 1
    if (bytes.readUInt32BE(at + 4) !== 0) lost += 1
  }
  if (frames === 0) return { kind: 'clean', commits }
  const frame = (from - HEADER) / size + 1
  const where = `log.db-wal is broken at frame ${frame}, after ${commits} commits`
  if (lost > 1) return { kind: 'damaged', what: `${where}: ${lost} later commits are lost` }
  const label = `${bytes.readUInt32BE(16).toString(16)}-${frame}`
  return { kind: 'torn', what: `${where}: the torn end of a commit, or damage to the last one`, label }
}
