/**
 * Progress of a command while it runs: on a terminal one line that is drawn over, with a bar and a rate
 * where the size is known; otherwise a plain line for each new text, as the original prints them.
 */
import type { ProgressNote } from '../rpc/results.ts'
import type { Io } from './io.ts'
import { bytes } from './output/humanize.ts'
import { harmless } from './output/table.ts'

const REDRAW_MS = 100
const BAR_CELLS = 20
const CLEAR = '\r\x1b[K'

export class Progress {
  readonly #io: Io
  readonly #write: (text: string) => void
  readonly #drawn: boolean
  readonly #now: () => number
  #text = ''
  #visible = false
  #drawnAt = Number.NEGATIVE_INFINITY
  #first: { at: number; done: number } | null = null

  /** @param stream  where to: 2 when the output is JSON and must stay so */
  constructor(io: Io, stream: 1 | 2, now: () => number = () => performance.now()) {
    this.#io = io
    this.#write = stream === 1 ? io.out : io.err
    this.#drawn = io.isTerminal(stream)
    this.#now = now
  }

  show({ text, done, total }: ProgressNote): void {
    const changed = text !== this.#text
    if (changed) this.#first = null
    this.#text = text
    if (!this.#drawn) {
      if (changed) this.#write(`${harmless(text)}\n`)
      return
    }
    const at = this.#now()
    if (!changed && at - this.#drawnAt < REDRAW_MS && done !== total) return
    this.#drawnAt = at
    this.#visible = true
    const line = done === undefined ? harmless(text) : this.#bar(harmless(text), at, done, total ?? null)
    this.#write(CLEAR + [...line].slice(0, this.#io.width() - 1).join(''))
  }

  /** Removes the line, before anything else is printed. */
  clear(): void {
    if (this.#visible) this.#write(CLEAR)
    this.#visible = false
  }

  #bar(text: string, at: number, done: number, total: number | null): string {
    this.#first ??= { at, done }
    const seconds = (at - this.#first.at) / 1000
    const rate = seconds > 0.2 ? `  ${bytes((done - this.#first.done) / seconds)}/s` : ''
    if (total === null || total <= 0) return `${text}  ${bytes(done)}${rate}`
    const share = Math.min(1, done / total)
    const cells = '#'.repeat(Math.floor(share * BAR_CELLS)).padEnd(BAR_CELLS)
    return `${text}  [${cells}] ${Math.floor(share * 100)}%  ${bytes(done)}/${bytes(total)}${rate}`
  }
}
