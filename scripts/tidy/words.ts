/** What no text of the tree may hold, whatever its language: notes to self, and names of one site or machine. */
import { ALLOWED_WORDS } from './allowed.ts'
import type { Finding } from './tree.ts'

const BANNED: readonly { rule: string; pattern: RegExp; why: string }[] = [
  { rule: 'todo', pattern: /\b(?:TODO|FIXME|XXX)\b/, why: 'do it, or open an issue' },
  {
    rule: 'host-name',
    pattern:
      /\b(?:registry\.npmjs|npmjs\.(?:org|com)|(?:deb|ftp|security|snapshot|archive)[.\w-]*\.debian\.org)/,
    why: "registries and mirrors come from the machine's own configuration",
  },
  {
    rule: 'machine-path',
    pattern: /(?:^|[\s'"`(=:])\/(?:work|workspace|home\/\w+|Users)\//,
    why: 'a path of one machine',
  },
  { rule: 'resolved', pattern: /^\s+"resolved": "http/, why: 'the lock file names no registry' },
]

/** Formats that are not written by hand, or not text. */
const isText = (file: string) => !/\.(?:node|png|gz|zst|xz|tar|db|ico)$/.test(file)

export function checkWords(files: readonly { file: string; text: string }[]): Finding[] {
  const findings: Finding[] = []
  for (const { file, text } of files) {
    if (!isText(file)) continue
    text.split('\n').forEach((content, index) => {
      for (const { rule, pattern, why } of BANNED) {
        const match = pattern.exec(content)
        if (match && !(ALLOWED_WORDS[file]?.includes(rule) ?? false)) {
          findings.push({ file, line: index + 1, rule, what: `${match[0].trim()}: ${why}` })
        }
      }
    })
  }
  return findings
}
