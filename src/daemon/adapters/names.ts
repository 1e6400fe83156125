/**
 * The files that shell completion reads, one name a line: `<directory>/{ct,pool,repo,user}`. Written whole
 * and renamed; a completion never starts a program of ours. Failure costs nobody but the completion.
 */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export function namesIn(directory: string): (names: Readonly<Record<string, readonly string[]>>) => void {
  const written = new Map<string, string>()
  return (names) => {
    for (const [kind, list] of Object.entries(names)) {
      const text = list.map((name) => `${name}\n`).join('')
      if (written.get(kind) === text) continue
      try {
        mkdirSync(directory, { recursive: true, mode: 0o755 })
        const file = join(directory, kind)
        writeFileSync(`${file}.new`, text, { mode: 0o644 })
        renameSync(`${file}.new`, file)
        written.set(kind, text)
      } catch {
        return
      }
    }
  }
}
