/**
 * The outer archive of an image: plain tar, so its members are found by their headers alone and a stream in
 * it can be read in place (vpsadminos §5.2).
 */
import type { FileHandle } from 'node:fs/promises'
import { open } from 'node:fs/promises'
import { HostError } from '../../host.ts'
import { systemError } from '../errors.ts'
import { type Extension, joinEntry } from '../tar/entry.ts'
import { BLOCK, isZero, parseHeader, TarError } from '../tar/header.ts'

export type Member = { readonly name: string; readonly offset: number; readonly size: number }
export type Outer = {
  readonly file: string
  readonly bytes: number
  readonly members: ReadonlyMap<string, Member>
}

/** An image holds a handful of members, an export with hooks some dozens. */
const MAX_MEMBERS = 20_000
const MAX_EXTENSION_BYTES = 64 * 1024

const padded = (size: number): number => Math.ceil(size / BLOCK) * BLOCK

export const badImage = (message: string, cause?: unknown): HostError =>
  new HostError('E_BAD_IMAGE', 'permanent', message, { cause })

async function readAt(handle: FileHandle, offset: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length)
  const { bytesRead } = await handle.read(buffer, 0, length, offset)
  if (bytesRead < length) throw new TarError('the archive is truncated')
  return buffer
}

async function scan(handle: FileHandle, bytes: number): Promise<Map<string, Member>> {
  const members = new Map<string, Member>()
  let extensions: Extension[] = []
  for (let at = 0; ; ) {
    const block = await readAt(handle, at, BLOCK)
    if (isZero(block)) return members
    const header = parseHeader(block)
    at += BLOCK
    if (
      header.type === 'pax' ||
      header.type === 'longname' ||
      header.type === 'longlink' ||
      header.type === 'global'
    ) {
      if (header.size > MAX_EXTENSION_BYTES) throw new TarError('an extension header is too long')
      const data = await readAt(handle, at, header.size)
      if (header.type !== 'global') extensions.push({ type: header.type, data })
      at += padded(header.size)
      continue
    }
    const entry = joinEntry(header, extensions)
    extensions = []
    if (at + entry.size > bytes) throw new TarError('the archive is truncated')
    const name = entry.name.replace(/^(\.\/)+/, '').replace(/\/+$/, '')
    if (members.has(name) && entry.type === 'file') throw new TarError(`the archive holds ${name} twice`)
    if (entry.type === 'file') members.set(name, { name, offset: at, size: entry.size })
    if (members.size > MAX_MEMBERS) throw new TarError('the archive has too many members')
    at += padded(entry.size)
  }
}

/**
 * Lists the members of an image.
 *
 * @throws E_NOT_FOUND, E_BAD_IMAGE: no tar archive, or a truncated one
 */
export async function readOuter(file: string): Promise<Outer> {
  let handle: FileHandle
  try {
    handle = await open(file, 'r')
  } catch (error) {
    throw systemError(error, `cannot open ${file}`)
  }
  try {
    const stat = await handle.stat()
    if (!stat.isFile()) throw badImage(`${file} is not a regular file`)
    return { file, bytes: stat.size, members: await scan(handle, stat.size) }
  } catch (error) {
    if (error instanceof TarError) throw badImage(`${file} is not an image: ${error.message}`, error)
    throw systemError(error, `cannot read ${file}`)
  } finally {
    await handle.close()
  }
}

/** Text of a small member, null when the archive has none of that name. */
export async function readMember(outer: Outer, name: string, maxBytes: number): Promise<string | null> {
  const member = outer.members.get(name)
  if (!member) return null
  if (member.size > maxBytes) throw badImage(`${outer.file}: ${name} is larger than ${maxBytes} bytes`)
  const handle = await open(outer.file, 'r')
  try {
    return (await readAt(handle, member.offset, member.size)).toString('utf8')
  } finally {
    await handle.close()
  }
}
