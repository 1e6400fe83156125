/**
 * Which entries of an archive stay inside its root. Pure.
 *
 * The tree that the archive builds is followed in memory, by name and kind only. An entry leaves the root
 * when its name is absolute or holds `..`, when it goes through a symlink that is absolute or holds `..`, or
 * when it is a hard link to a name that does. A hard link has the kind of what it links to, so a hard link
 * to a symlink is a symlink. A symlink by itself is data, whatever it points to.
 *
 * The kernel enforces the same in the unpacker's own root (`src/hooks/unpack`); this is what gives an admin
 * the name of the bad entry instead of half a container.
 */
import { type Entry, shown } from './entry.ts'
import { TarError } from './header.ts'

type Kind = 'directory' | 'file' | 'device' | { readonly symlink: string }

/** More entries than any root file system has, few enough to be remembered. */
const MAX_ENTRIES = 4_000_000
const MAX_NAME = 255
const MAX_PATH = 4095
/** As the kernel: a path that goes through more symlinks than that is a loop. */
const MAX_SYMLINKS = 40

export type Verdict = 'keep' | 'skip'

function parts(name: string, what: string): string[] {
  if (name.startsWith('/')) throw new TarError(`${what} ${shown(name)} leaves the root: its name is absolute`)
  const found = name.split('/').filter((part) => part !== '' && part !== '.')
  if (found.includes('..')) throw new TarError(`${what} ${shown(name)} leaves the root: its name holds ..`)
  if (name.length > MAX_PATH || found.some((part) => part.length > MAX_NAME)) {
    throw new TarError(`${what} ${shown(name)} has too long a name`)
  }
  return found
}

export class ArchiveTree {
  readonly #kinds = new Map<string, Kind>()
  readonly #maxId: number
  #entries = 0

  /** @param ids size of the container's map: ids beyond it cannot be written */
  constructor(ids: number) {
    this.#maxId = ids - 1
  }

  /** Where the path's last part is, when its directories' symlinks have been followed. */
  #resolve(name: string, what: string): string {
    let rest = parts(name, what)
    let path: string[] = []
    for (let symlinks = 0; rest.length > 1; ) {
      const next = rest.shift() ?? ''
      path.push(next)
      const kind = this.#kinds.get(path.join('/'))
      if (kind === undefined || kind === 'directory') continue
      const through = shown(path.join('/'))
      if (typeof kind !== 'object')
        throw new TarError(`${what} ${shown(name)} lies below ${through}, which is a ${kind}`)
      const target = kind.symlink.split('/')
      if (kind.symlink.startsWith('/') || target.includes('..')) {
        const leads = `${through}, a symlink to ${shown(kind.symlink)}`
        throw new TarError(`${what} ${shown(name)} leaves the root: it goes through ${leads}`)
      }
      if (++symlinks > MAX_SYMLINKS)
        throw new TarError(`${what} ${shown(name)} goes through too many symlinks`)
      path = path.slice(0, -1)
      rest = [...target.filter((part) => part !== '' && part !== '.'), ...rest]
    }
    return [...path, ...rest].join('/')
  }

  /**
   * Takes the next entry.
   *
   * @returns whether it is to be unpacked; a device node, or a hard link to one, is not
   * @throws TarError naming the entry, when the archive must not be unpacked
   */
  add(entry: Entry): Verdict {
    if (++this.#entries > MAX_ENTRIES) throw new TarError(`it has more than ${MAX_ENTRIES} entries`)
    const path = this.#resolve(entry.name, 'the entry')
    if (path === '' && entry.type !== 'directory') throw new TarError(`the root is a ${entry.type} in it`)
    if (entry.uid > this.#maxId || entry.gid > this.#maxId) {
      throw new TarError(
        `the entry ${shown(entry.name)} belongs to ${entry.uid}:${entry.gid}, the container's ids end at ${this.#maxId}`,
      )
    }
    const kind = this.#kindOf(entry)
    this.#kinds.set(path, kind)
    return kind === 'device' ? 'skip' : 'keep'
  }

  #kindOf(entry: Entry): Kind {
    if (entry.type === 'char' || entry.type === 'block') return 'device'
    if (entry.type === 'directory') return 'directory'
    if (entry.type === 'symlink') {
      if (entry.linkname === '') throw new TarError(`the symlink ${shown(entry.name)} points nowhere`)
      return { symlink: entry.linkname }
    }
    if (entry.type !== 'link') return 'file'
    const target = this.#kinds.get(this.#resolve(entry.linkname, `the hard link ${shown(entry.name)} to`))
    if (target === undefined || target === 'directory') {
      throw new TarError(
        `the hard link ${shown(entry.name)} is to ${shown(entry.linkname)}, no file before it`,
      )
    }
    return target
  }
}
