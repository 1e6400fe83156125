/**
 * The terminal, or what stands for it: text out, a question in.
 *
 * Written with writeSync, never through process.stdout: Node's streams switch an inherited pipe to
 * non-blocking, which the program that `ct exec` starts on the same descriptors would not expect.
 */
import { readlinkSync, readSync, writeSync } from 'node:fs'

const TERMINAL = /^\/dev\/(pts\/\d+|tty\w*|hvc\d+|console|lxc\/.+)$/
const RETRY_MS = 5

export interface Io {
  out(text: string): void
  err(text: string): void
  /** Whether 0 (input), 1 (output), 2 (errors) is a terminal. */
  isTerminal(fd: 0 | 1 | 2): boolean
  /** Asks on the terminal; one line, without its newline. */
  ask(question: string): string
  /** Columns of the terminal. */
  width(): number
}

/** Whoever read our output is gone: nothing is left to do, and nobody to tell. */
export class OutputClosed extends Error {}

export const processIo: Io = {
  out: (text) => write(1, text),
  err: (text) => write(2, text),
  isTerminal: (fd) => isTerminal(fd),
  ask: (question) => {
    write(2, question)
    return readAnswer()
  },
  width: () => process.stdout.columns || 80,
}

function isTerminal(fd: number): boolean {
  try {
    return TERMINAL.test(readlinkSync(`/proc/self/fd/${fd}`))
  } catch {
    return false
  }
}

function write(fd: number, text: string): void {
  const data = Buffer.from(text)
  for (let at = 0; at < data.length; ) {
    try {
      at += writeSync(fd, data, at)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'EAGAIN') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS)
      else if (fd === 2) return
      else throw new OutputClosed(code)
    }
  }
}

function readAnswer(): string {
  const byte = Buffer.alloc(1)
  let text = ''
  while (readSync(0, byte, 0, 1, null) === 1 && byte[0] !== 0x0a) text += byte.toString('latin1')
  return text
}
