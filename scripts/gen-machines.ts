/**
 * Writes the machines' diagrams between their markers in docs/machines.md. A test keeps both equal.
 *
 * usage: node scripts/gen-machines.ts
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { mermaid } from '../src/machines/mermaid.ts'

const file = fileURLToPath(new URL('../docs/machines.md', import.meta.url))

/** The document with both diagrams in their places. @throws when a marker is missing */
export function withDiagrams(document: string): string {
  let text = document
  for (const name of ['ct', 'pool'] as const) {
    const [from, to] = [`<!-- machine ${name} -->`, `<!-- /machine ${name} -->`]
    const [start, end] = [text.indexOf(from), text.indexOf(to)]
    if (start < 0 || end < start) throw new Error(`docs/machines.md lacks the markers of ${name}`)
    text = `${text.slice(0, start)}${from}\n\`\`\`mermaid\n${mermaid(name)}\`\`\`\n${text.slice(end)}`
  }
  return text
}

if (import.meta.main) writeFileSync(file, withDiagrams(readFileSync(file, 'utf8')))
