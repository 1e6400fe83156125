/**
 * Style that no other tool checks (scripts/tidy/): ports, sizes, banned words.
 *
 * usage: node scripts/tidy.ts [TREE]
 */
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { checkPorts } from './tidy/ports.ts'
import { checkSizes } from './tidy/sizes.ts'
import { type Finding, filesOf, parse, read } from './tidy/tree.ts'
import { checkWords } from './tidy/words.ts'

/** @param wholeTree  also tell of permissions and exemptions that nobody needs */
export function tidy(root: string, wholeTree = true): Finding[] {
  const files = filesOf(root)
  const code = files.filter((file) =>
    /^(?:bin|src|test|scripts|bench|os|migrations)\/.*\.(?:ts|mjs)$/.test(file),
  )
  const isOurs = (file: string) => file.startsWith('src/') || file.startsWith('bin/')
  // Apart, so that nothing that a script or a test declares can hide a global's use.
  const ours = parse(root, code.filter(isOurs))
  const others = parse(
    root,
    code.filter((file) => !isOurs(file)),
  )
  return [
    ...checkPorts(ours, wholeTree),
    ...checkSizes([...ours, ...others], wholeTree),
    ...checkWords(files.map((file) => ({ file, text: read(root, file) }))),
  ]
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const findings = tidy(resolve(process.argv[2] ?? '.'))
  for (const { file, line, rule, what } of findings) console.log(`${file}:${line}: ${rule}: ${what}`)
  console.log(`tidy: ${findings.length} findings`)
  process.exitCode = findings.length > 0 ? 1 : 0
}
