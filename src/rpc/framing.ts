/**
 * Lines on a byte stream: one JSON object each, ended by a newline.
 *
 * The decoder works on bytes and looks for the newline only, so a chunk may end in the middle of a
 * character; a line becomes text when it is complete, and only if it is valid UTF-8. The limit is
 * enforced while bytes arrive: what is kept of an unfinished line never exceeds it.
 */
import { MAX_LINE_BYTES } from './protocol.ts'

const NEWLINE = 0x0a

/** Cuts a stream of bytes into lines, without the newline. Blank lines are dropped. */
export class LineDecoder {
  readonly #limit: number
  #parts: Buffer[] = []
  #length = 0

  constructor(limit: number = MAX_LINE_BYTES) {
    this.#limit = limit
  }

  /**
   * @param chunk  bytes as they came
   * @returns      the lines completed by it, and whether a line exceeds the limit: the stream is then useless
   */
  push(chunk: Buffer): { lines: Buffer[]; tooLong: boolean } {
    const lines: Buffer[] = []
    let start = 0
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      if (this.#length + end - start > this.#limit) return { lines, tooLong: true }
      const line = this.#take(chunk.subarray(start, end))
      if (line.length > 0) lines.push(line)
      start = end + 1
    }
    const rest = chunk.subarray(start)
    if (this.#length + rest.length > this.#limit) return { lines, tooLong: true }
    if (rest.length > 0) {
      this.#parts.push(rest)
      this.#length += rest.length
    }
    return { lines, tooLong: false }
  }

  /** What came after the last newline, at the end of the stream; null when nothing did. */
  rest(): Buffer | null {
    return this.#length === 0 ? null : this.#take(Buffer.alloc(0))
  }

  #take(last: Buffer): Buffer {
    if (this.#parts.length === 0) return last
    const line = Buffer.concat([...this.#parts, last])
    this.#parts = []
    this.#length = 0
    return line
  }
}

/** Parses one line; undefined when it is not valid UTF-8 or not JSON. */
export function parseLine(line: Buffer): unknown {
  const text = line.toString('utf8')
  // Invalid bytes become U+FFFD. (`isUtf8` would say it too, but node:buffer costs a start of osctl 2 ms.)
  if (text.includes('\ufffd') && !Buffer.from(text).equals(line)) return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** One message as a line. JSON never contains a raw newline, so none can be smuggled in. */
export function encodeLine(message: unknown): string {
  return `${JSON.stringify(message)}\n`
}
