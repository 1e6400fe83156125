/**
 * Joins an entry's header with the extension records before it. Pure.
 */
import { type EntryType, type Header, parsePax, TarError } from './header.ts'

export type Entry = {
  readonly type: EntryType
  readonly name: string
  readonly linkname: string
  /** Bytes that follow in the archive. */
  readonly size: number
  readonly uid: number
  readonly gid: number
}

export type Extension = { readonly type: 'pax' | 'global' | 'longname' | 'longlink'; readonly data: Buffer }

const ENTRY_TYPES = new Set(['file', 'link', 'symlink', 'char', 'block', 'directory', 'fifo', 'sparse'])

/** For people: bytes as UTF-8 where they are, quoted, never longer than a line. */
export function shown(name: string): string {
  const text = JSON.stringify(Buffer.from(name, 'latin1').toString('utf8')).slice(1, -1)
  return text.length > 200 ? `${text.slice(0, 199)}…` : text
}

const cString = (data: Buffer): string => {
  const text = data.toString('latin1')
  return text.endsWith('\0') ? text.slice(0, text.indexOf('\0')) : text
}

function integer(value: string, key: string): number {
  if (!/^\d{1,15}$/.test(value)) throw new TarError(`a pax header's ${key} is not a number`)
  return Number(value)
}

type Names = { name?: string; linkname?: string }

function setOnce(names: Names, key: keyof Names, value: string): void {
  if (names[key] !== undefined) throw new TarError(`the entry ${shown(names[key])} is named twice`)
  names[key] = value
}

/** Keys that would change every following entry; GNU tar and others differ in how. */
const NEVER_GLOBAL = /^(path|linkpath|size|uid|gid|hdrcharset|GNU\.sparse\..*)$/

/** @throws TarError for a global header that would name or size entries @pure */
export function checkGlobal(data: Buffer): void {
  for (const key of parsePax(data).keys()) {
    if (NEVER_GLOBAL.test(key)) throw new TarError(`a global pax header sets ${key}`)
  }
}

/**
 * The entry that a header and its extensions describe.
 *
 * @throws TarError when they contradict each other or are ambiguous
 * @pure
 */
export function joinEntry(header: Header, extensions: readonly Extension[]): Entry {
  if (!ENTRY_TYPES.has(header.type)) throw new TarError('an extension header describes nothing')
  const names: Names = {}
  let { size, uid, gid } = header
  for (const extension of extensions) {
    if (extension.type === 'longname') setOnce(names, 'name', cString(extension.data))
    if (extension.type === 'longlink') setOnce(names, 'linkname', cString(extension.data))
    if (extension.type !== 'pax') continue
    const pax = parsePax(extension.data)
    const sparseName = pax.get('GNU.sparse.name')
    const path = sparseName ?? pax.get('path')
    const linkpath = pax.get('linkpath')
    if (path !== undefined) setOnce(names, 'name', path)
    if (linkpath !== undefined) setOnce(names, 'linkname', linkpath)
    size = integer(pax.get('size') ?? String(size), 'size')
    uid = integer(pax.get('uid') ?? String(uid), 'uid')
    gid = integer(pax.get('gid') ?? String(gid), 'gid')
  }
  const type = header.type as EntryType
  const entry = {
    type,
    name: names.name ?? header.name,
    linkname: names.linkname ?? header.linkname,
    size,
    uid,
    gid,
  }
  if (type !== 'file' && type !== 'sparse' && size !== 0) {
    throw new TarError(`the entry ${shown(entry.name)} is a ${type} with ${size} bytes of data`)
  }
  if (entry.name.includes('\0') || entry.linkname.includes('\0'))
    throw new TarError('a name holds a zero byte')
  return entry
}
