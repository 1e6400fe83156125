/** Archives made byte by byte, honest and hostile. */
import { gzipSync } from 'node:zlib'

export type Made = {
  readonly name: string
  readonly type?: string
  readonly data?: string | Buffer
  readonly linkname?: string
  readonly mode?: number
  readonly uid?: number
  readonly gid?: number
  /** Where the header lies about the data's length. */
  readonly size?: number
  readonly device?: readonly [number, number]
}

const BLOCK = 512
const octal = (value: number, length: number): string => `${value.toString(8).padStart(length - 1, '0')}\0`

/** One ustar entry: header, data, padding. */
export function entry(made: Made): Buffer {
  const data = Buffer.from(made.data ?? '')
  const header = Buffer.alloc(BLOCK)
  header.write(made.name, 0, 100)
  header.write(octal(made.mode ?? (made.type === '5' ? 0o755 : 0o644), 8), 100)
  header.write(octal(made.uid ?? 0, 8), 108)
  header.write(octal(made.gid ?? 0, 8), 116)
  header.write(octal(made.size ?? data.length, 12), 124)
  header.write(octal(1_700_000_000, 12), 136)
  header.write(made.type ?? '0', 156)
  header.write(made.linkname ?? '', 157, 100)
  header.write('ustar\x0000', 257, 'latin1')
  header.write(octal(made.device?.[0] ?? 0, 8), 329)
  header.write(octal(made.device?.[1] ?? 0, 8), 337)
  seal(header)
  return Buffer.concat([header, data, Buffer.alloc((BLOCK - (data.length % BLOCK)) % BLOCK)])
}

export function seal(header: Buffer): void {
  header.fill(0x20, 148, 156)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
}

/** A pax header with these records, to stand before an entry. */
export function pax(records: Readonly<Record<string, string>>, type: 'x' | 'g' = 'x'): Buffer {
  const lines = Object.entries(records).map(([key, value]) => {
    const rest = Buffer.byteLength(` ${key}=${value}\n`)
    let length = rest + 1
    while (String(length).length + rest !== length) length++
    return `${length} ${key}=${value}\n`
  })
  return entry({ name: 'pax', type, data: lines.join('') })
}

export const end = Buffer.alloc(2 * BLOCK)

/** An archive of these entries; a Buffer is taken as it is. */
export const tar = (...entries: readonly (Made | Buffer)[]): Buffer =>
  Buffer.concat([...entries.map((one) => (Buffer.isBuffer(one) ? one : entry(one))), end])

/** An image in the `tar` format around a root file system's archive. */
export function image(rootfs: Buffer, options: { metadata?: string; compressed?: Buffer } = {}): Buffer {
  return tar(
    { name: 'metadata.yml', data: options.metadata ?? 'type: full\nformat: tar\nuser: null\ndatasets: []\n' },
    { name: 'config', type: '5' },
    { name: 'config/container.yml', data: "distribution: busybox\nversion: '1'\narch: x86_64\n" },
    { name: 'rootfs', type: '5' },
    { name: 'rootfs/base.tar.gz', data: options.compressed ?? gzipSync(rootfs) },
  )
}

export const directory = (name: string): Made => ({ name, type: '5' })
export const symlink = (name: string, linkname: string): Made => ({ name, type: '2', linkname })
export const hardlink = (name: string, linkname: string): Made => ({ name, type: '1', linkname })
export const file = (name: string, data = 'text\n'): Made => ({ name, data })

export type Hostile = { readonly what: string; readonly archive: Buffer; readonly says: RegExp }

/** Root file systems that must be refused, and what the refusal must name. */
export const hostile: readonly Hostile[] = [
  { what: 'a name with ..', archive: tar(file('a/../../x')), says: /a\/\.\.\/\.\.\/x leaves the root/ },
  { what: 'an absolute name', archive: tar(file('/etc/shadow')), says: /\/etc\/shadow leaves the root/ },
  {
    what: 'an absolute symlink written through',
    archive: tar(symlink('etc', '/etc'), file('etc/passwd')),
    says: /etc\/passwd leaves the root: it goes through etc, a symlink to \/etc/,
  },
  {
    what: 'a symlink with .. written through',
    archive: tar(directory('a'), symlink('a/up', '../..'), file('a/up/x')),
    says: /a\/up\/x leaves the root: it goes through a\/up/,
  },
  {
    what: 'a chain of symlinks',
    archive: tar(symlink('one', 'two'), symlink('two', '/tmp'), file('one/x')),
    says: /one\/x leaves the root: it goes through two, a symlink to \/tmp/,
  },
  {
    what: 'a hard link to a symlink, written through',
    archive: tar(symlink('s', '/etc'), hardlink('h', 's'), file('h/passwd')),
    says: /h\/passwd leaves the root: it goes through h, a symlink to \/etc/,
  },
  {
    what: 'a hard link to ..',
    archive: tar(hardlink('h', '../x')),
    says: /hard link h to \.\.\/x leaves the root/,
  },
  {
    what: 'an absolute hard link',
    archive: tar(hardlink('h', '/etc/shadow')),
    says: /to \/etc\/shadow leaves the root/,
  },
  {
    what: 'a hard link through a symlink',
    archive: tar(symlink('s', '/etc'), hardlink('h', 's/shadow')),
    says: /s\/shadow leaves the root: it goes through s/,
  },
  {
    what: 'a hard link to nothing',
    archive: tar(hardlink('h', 'nothing')),
    says: /h is to nothing, no file before it/,
  },
  {
    what: 'a file below a file',
    archive: tar(file('f'), file('f/x')),
    says: /f\/x lies below f, which is a file/,
  },
  { what: 'a foreign id', archive: tar({ name: 'f', uid: 70_000 }), says: /f belongs to 70000:0/ },
  { what: 'no end', archive: tar(file('f')).subarray(0, 1024), says: /truncated/ },
  { what: 'half a file', archive: tar(file('f', 'x'.repeat(2000))).subarray(0, 1024), says: /truncated/ },
  {
    what: 'a long name in pax',
    archive: tar(pax({ path: '../x' }), file('f')),
    says: /\.\.\/x leaves the root/,
  },
  {
    what: 'a global name',
    archive: tar(pax({ path: '../x' }, 'g'), file('f')),
    says: /global pax header sets path/,
  },
  {
    what: 'data after a symlink',
    archive: tar({ ...symlink('s', 'x'), size: 512 }),
    says: /s is a symlink with 512 bytes/,
  },
  { what: 'an unknown type', archive: tar({ name: 'f', type: 'M' }), says: /unknown type "M"/ },
  { what: 'no tar', archive: Buffer.from('x'.repeat(1024)), says: /checksum|not a number/ },
]
