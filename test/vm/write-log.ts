/**
 * Disks as a power cut can leave them, out of QEMU's record of what a guest wrote.
 *
 * `blklogwrites` writes, beside the disk, a log in the format of the kernel's dm-log-writes: each write with its data,
 * each flush. A power cut after entry n leaves what was flushed before n for certain, and of the later writes up to
 * n any: a disk's cache may write them in any order. So a point is a number of entries and the choice of those that
 * the cache had written.
 *
 * Source: Linux, Documentation/admin-guide/device-mapper/log-writes.rst; QEMU, block/blklogwrites.c. The superblock's
 * count of entries is written now and then only, so the log is read to its end.
 */
import { closeSync, constants, ftruncateSync, openSync, readSync, statSync, writeSync } from 'node:fs'

const MAGIC = 0x6a736677736872n
const SECTOR = 512
const FLUSH = 1n
const FUA = 2n
const DISCARD = 4n

/** Offsets and lengths in bytes; `data` is where the data begins in the log. */
export type Entry = {
  readonly offset: number
  readonly length: number
  readonly data: number
  readonly isFlush: boolean
  /** Forced to the medium by itself. */
  readonly isForced: boolean
  readonly isDiscard: boolean
}

/** QEMU's options for a disk whose writes are recorded. */
export const recorded = (disk: string, log: string): string =>
  [
    'driver=blklogwrites',
    `file.driver=raw,file.file.driver=file,file.file.filename=${disk}`,
    `log.driver=raw,log.file.driver=file,log.file.filename=${log}`,
    `log-sector-size=${SECTOR}`,
  ].join(',')

/**
 * The entries that are whole.
 * @throws when it is no such log
 */
export function readWriteLog(path: string): Entry[] {
  const fd = openSync(path, 'r')
  try {
    const { size } = statSync(path)
    const head = Buffer.alloc(SECTOR)
    readSync(fd, head, 0, SECTOR, 0)
    if (head.readBigUInt64LE(0) !== MAGIC) throw new Error(`${path} is no log of writes`)
    const entries: Entry[] = []
    for (let at = SECTOR; at + SECTOR <= size; ) {
      readSync(fd, head, 0, SECTOR, at)
      const entry = entryOf(head, at + SECTOR)
      const next = entry.data + (entry.isDiscard ? 0 : entry.length)
      if (next > size || isBlank(head)) break
      entries.push(entry)
      at = next
    }
    return entries
  } finally {
    closeSync(fd)
  }
}

function entryOf(head: Buffer, data: number): Entry {
  const flags = head.readBigUInt64LE(16)
  return {
    offset: Number(head.readBigUInt64LE(0)) * SECTOR,
    length: Number(head.readBigUInt64LE(8)) * SECTOR,
    data,
    isFlush: (flags & FLUSH) !== 0n,
    isForced: (flags & FUA) !== 0n,
    isDiscard: (flags & DISCARD) !== 0n,
  }
}

/** Beyond the last entry the file may have been grown already. */
const isBlank = (head: Buffer): boolean => head.subarray(0, 32).every((byte) => byte === 0)

/** Where the log's end was when something was acknowledged: all of it was written before. */
export const bytesOf = (log: string): number => statSync(log).size

/** How many entries lie within the first bytes of the log. */
export const entriesWithin = (entries: readonly Entry[], bytes: number): number =>
  entries.filter(({ data, length, isDiscard }) => data + (isDiscard ? 0 : length) <= bytes).length

/** The other way round: the length of the log with these entries. */
export function bytesUpTo(entries: readonly Entry[], count: number): number {
  const last = entries[count - 1]
  return last ? last.data + (last.isDiscard ? 0 : last.length) : 0
}

/** Power goes after the first `entries` of the log; of what was not flushed, `kept` says by place what was written. */
export type Cut = { readonly entries: number; kept(at: number): boolean }

/**
 * Makes the disk of this cut in a file, anew: to a machine that runs with the file as its disk, and does not use it at
 * the moment, another disk was put in.
 */
export function writeDisk(
  log: string,
  all: readonly Entry[],
  { entries, kept }: Cut,
  path: string,
  diskBytes: number,
): void {
  const within = all.slice(0, entries)
  const certain = within.findLastIndex(({ isFlush }) => isFlush) + 1
  const from = openSync(log, 'r')
  const disk = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600)
  try {
    ftruncateSync(disk, 0)
    ftruncateSync(disk, diskBytes)
    for (const [at, entry] of within.entries())
      if (at < certain || entry.isForced || kept(at)) apply(from, disk, entry)
  } finally {
    closeSync(from)
    closeSync(disk)
  }
}

function apply(log: number, disk: number, { isFlush, isDiscard, length, data, offset }: Entry): void {
  if (isFlush || isDiscard) return
  const bytes = Buffer.alloc(length)
  readSync(log, bytes, 0, length, data)
  writeSync(disk, bytes, 0, length, offset)
}
