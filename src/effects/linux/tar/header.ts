/**
 * One header block of a tar archive, as values. Pure.
 *
 * What two readers could understand differently is refused rather than interpreted: an archive is checked
 * here and unpacked by GNU tar, and both must see the same names and sizes. Source: POSIX.1-2017 pax,
 * "ustar Interchange Format"; GNU tar 1.35 manual, "Basic Tar Format".
 */

export const BLOCK = 512

export class TarError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'TarError'
  }
}

/** The kinds of entries that a root file system may hold. */
export type EntryType = 'file' | 'link' | 'symlink' | 'char' | 'block' | 'directory' | 'fifo' | 'sparse'
/** Records that describe the entry that follows (`global`: all that follow). */
export type ExtensionType = 'pax' | 'global' | 'longname' | 'longlink'

export type Header = {
  readonly type: EntryType | ExtensionType
  readonly name: string
  readonly linkname: string
  readonly size: number
  readonly uid: number
  readonly gid: number
  /** More header blocks follow: the map of an old GNU sparse file goes on. */
  readonly extended: boolean
}

const TYPES: Readonly<Record<string, EntryType | ExtensionType>> = {
  '\0': 'file',
  '0': 'file',
  '7': 'file',
  '1': 'link',
  '2': 'symlink',
  '3': 'char',
  '4': 'block',
  '5': 'directory',
  '6': 'fifo',
  S: 'sparse',
  x: 'pax',
  g: 'global',
  L: 'longname',
  K: 'longlink',
}

/** Names are bytes; latin1 keeps each byte as one character. */
const bytes = (block: Buffer, from: number, length: number): string =>
  block.toString('latin1', from, from + length)

const text = (block: Buffer, from: number, length: number): string => {
  const raw = bytes(block, from, length)
  const end = raw.indexOf('\0')
  return end < 0 ? raw : raw.slice(0, end)
}

function number(block: Buffer, from: number, length: number, what: string): number {
  const first = block[from] ?? 0
  if ((first & 0x80) !== 0) return bigNumber(block, from, length, what)
  const digits = text(block, from, length).trim()
  if (!/^[0-7]*$/.test(digits)) throw new TarError(`a header's ${what} is not a number`)
  return digits === '' ? 0 : Number.parseInt(digits, 8)
}

/** GNU's base-256: the first bit says so, the rest is big-endian. */
function bigNumber(block: Buffer, from: number, length: number, what: string): number {
  let value = BigInt((block[from] ?? 0) & 0x7f)
  for (const byte of block.subarray(from + 1, from + length)) value = (value << 8n) | BigInt(byte)
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new TarError(`a header's ${what} is out of range`)
  return Number(value)
}

function checksum(block: Buffer): number {
  let sum = 8 * 0x20
  for (let i = 0; i < BLOCK; i++) if (i < 148 || i >= 156) sum += block[i] ?? 0
  return sum
}

export const isZero = (block: Buffer): boolean => block.every((byte) => byte === 0)

/**
 * Reads a header.
 *
 * @throws TarError when it is none, or of a type that no root file system needs
 * @pure
 */
export function parseHeader(block: Buffer): Header {
  if (number(block, 148, 8, 'checksum') !== checksum(block))
    throw new TarError('a header has a wrong checksum')
  const flag = bytes(block, 156, 1)
  const type = TYPES[flag]
  if (type === undefined) throw new TarError(`an entry has the unknown type ${JSON.stringify(flag)}`)
  const magic = bytes(block, 257, 8)
  const prefix = magic.startsWith('ustar\0') ? text(block, 345, 155) : ''
  const name = text(block, 0, 100)
  return {
    // Before POSIX, a directory was a file whose name ends in a slash.
    type: type === 'file' && name.endsWith('/') ? 'directory' : type,
    name: prefix === '' ? name : `${prefix}/${name}`,
    linkname: text(block, 157, 100),
    size: number(block, 124, 12, 'size'),
    uid: number(block, 108, 8, 'uid'),
    gid: number(block, 116, 8, 'gid'),
    extended: type === 'sparse' && block[482] === 1,
  }
}

/** The map of an old GNU sparse file goes on in the next block. @pure */
export const goesOn = (block: Buffer): boolean => block[504] === 1

/**
 * Reads the records of a pax header: `<length> <key>=<value>\n`, in bytes.
 *
 * @throws TarError when a record's length is wrong
 * @pure
 */
export function parsePax(data: Buffer): Map<string, string> {
  const records = new Map<string, string>()
  const all = data.toString('latin1')
  for (let at = 0; at < all.length; ) {
    const match = /^(\d{1,10}) /.exec(all.slice(at, at + 11))
    const length = Number(match?.[1])
    const record = all.slice(at + (match?.[0].length ?? 0), at + length)
    const equals = record.indexOf('=')
    if (!match || at + length > all.length || !record.endsWith('\n') || equals < 1) {
      throw new TarError('a pax header is malformed')
    }
    records.set(record.slice(0, equals), record.slice(equals + 1, -1))
    at += length
  }
  return records
}
