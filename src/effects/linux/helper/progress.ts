/** Says how far it is, in a small file that the daemon looks at: a pipe to it would outlive its reader. */
import { writeFileSync } from 'node:fs'

const EVERY_MS = 500

export type Progress = { add(bytes: number): void }

/** @param file where `<done> <total>` is written, at most twice a second */
export function progressFile(file: string, total: number | null): Progress {
  let done = 0
  let last = 0
  return {
    add(bytes) {
      done += bytes
      if (performance.now() - last < EVERY_MS) return
      last = performance.now()
      writeFileSync(file, `${done} ${total ?? ''}`)
    },
  }
}
