/**
 * Lets a tar archive through, checked: what comes out is what went in, without its device nodes.
 *
 * Checking the stream that is being unpacked, instead of reading the archive twice, means that what was
 * checked is what is unpacked. Whatever an error leaves half-made lies in a staging dataset, which its effect
 * discards. An archive must end with a zero block: one that only stops was cut off.
 */
import { Transform, type TransformCallback } from 'node:stream'
import { checkGlobal, type Extension, joinEntry } from './entry.ts'
import { BLOCK, goesOn, type Header, isZero, parseHeader, TarError } from './header.ts'
import { ArchiveTree } from './tree.ts'

/** A name of 4 KiB and some extended attributes fit many times. */
const MAX_EXTENSION_BYTES = 1024 * 1024

export type FilterResult = { entries: number; bytes: number; skippedDevices: number }

const padded = (size: number): number => Math.ceil(size / BLOCK) * BLOCK

export class TarFilter extends Transform {
  readonly #tree: ArchiveTree
  #pending: Buffer = Buffer.alloc(0)
  #out: Buffer[] = []
  /** Bytes of data still to come, and whether they go through. */
  #data = 0
  #keep = true
  /** Raw blocks and contents of the extension headers before the next entry. */
  #raw: Buffer[] = []
  #extensions: Extension[] = []
  /** An extension header whose data has not all come yet. */
  #extension: { header: Header; block: Buffer } | null = null
  #sparse = false
  #ended = false
  readonly result: FilterResult = { entries: 0, bytes: 0, skippedDevices: 0 }

  /** @param ids size of the container's map */
  constructor(ids: number) {
    super()
    this.#tree = new ArchiveTree(ids)
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    try {
      this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk])
      while (this.#step());
      this.#pass()
      done()
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)))
    }
  }

  override _flush(done: TransformCallback): void {
    const between = this.#pending.length === 0 && this.#data === 0 && this.#raw.length === 0
    if (this.#ended) done()
    else done(new TarError(between ? 'it is truncated: it has no end mark' : 'it is truncated'))
  }

  /** Passes on what one piece of input gave, at once: a write for each header would cost more than the data. */
  #pass(): void {
    if (this.#out.length > 0) this.push(Buffer.concat(this.#out))
    this.#out = []
  }

  #take(length: number): Buffer {
    const taken = this.#pending.subarray(0, length)
    this.#pending = this.#pending.subarray(length)
    return taken
  }

  /** @returns whether something was done; false waits for more input */
  #step(): boolean {
    if (this.#data > 0) return this.#passData()
    if (this.#extension) return this.#readExtension(this.#extension)
    if (this.#pending.length < BLOCK) return false
    const block = this.#take(BLOCK)
    if (this.#ended) return true
    if (this.#sparse) this.#passSparseMap(block)
    else this.#readHeader(block)
    return true
  }

  #passData(): boolean {
    const piece = this.#take(Math.min(this.#data, this.#pending.length))
    this.#data -= piece.length
    if (this.#keep && piece.length > 0) this.#out.push(piece)
    return piece.length > 0
  }

  #passSparseMap(block: Buffer): void {
    if (this.#keep) this.#out.push(block)
    this.#sparse = goesOn(block)
    if (!this.#sparse) this.#data = this.#afterMap
  }
  #afterMap = 0

  #readHeader(block: Buffer): void {
    if (isZero(block)) {
      if (this.#raw.length > 0) throw new TarError('an extension header describes nothing')
      this.#ended = true
      this.#out.push(Buffer.alloc(2 * BLOCK))
      return
    }
    const header = parseHeader(block)
    if (['pax', 'global', 'longname', 'longlink'].includes(header.type)) {
      if (header.size > MAX_EXTENSION_BYTES) throw new TarError('an extension header is too long')
      this.#extension = { header, block }
    } else this.#readEntry(header, block)
  }

  #readExtension({ header, block }: { header: Header; block: Buffer }): boolean {
    const length = padded(header.size)
    if (this.#pending.length < length) return false
    const whole = this.#take(length)
    const data = whole.subarray(0, header.size)
    this.#extension = null
    if (header.type === 'global') {
      checkGlobal(data)
      this.#out.push(Buffer.concat([block, whole]))
      return true
    }
    if (this.#raw.length > 16) throw new TarError('an entry has too many extension headers')
    this.#raw.push(block, whole)
    this.#extensions.push({ type: header.type as Extension['type'], data })
    return true
  }

  #readEntry(header: Header, block: Buffer): void {
    const entry = joinEntry(header, this.#extensions)
    this.#keep = this.#tree.add(entry) === 'keep'
    if (this.#keep) {
      for (const raw of this.#raw) this.#out.push(raw)
      this.#out.push(block)
      this.result.entries++
      this.result.bytes += entry.size
    } else this.result.skippedDevices++
    this.#raw = []
    this.#extensions = []
    this.#sparse = header.extended
    if (header.extended) this.#afterMap = padded(entry.size)
    else this.#data = padded(entry.size)
  }
}
