/**
 * Checks the direction of dependencies with the rules of .dependency-cruiser.cjs.
 *
 * A checker that sees nothing reports nothing (dependency-cruiser does so under TypeScript 7), so this one
 * also counts: every .ts file of src/ and bin/ must be among the modules that were read.
 *
 * usage: node scripts/check-deps.mjs [TREE]
 */
import { existsSync, globSync } from 'node:fs'
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import { cruise } from 'dependency-cruiser'
import extractTsConfig from 'dependency-cruiser/config-utl/extract-ts-config'

const root = resolve(process.argv[2] ?? '.')
process.chdir(root)
const folders = ['bin', 'src'].filter((folder) => existsSync(folder))
const { forbidden, options } = createRequire(import.meta.url)(resolve('.dependency-cruiser.cjs'))

const { output } = await cruise(
  folders,
  { ...options, ruleSet: { forbidden }, validate: true },
  { ...options.enhancedResolveOptions },
  { tsConfig: extractTsConfig(options.tsConfig.fileName) },
)

const seen = new Set(output.modules.map((module) => module.source))
const blind = globSync('{bin,src}/**/*.ts')
  .filter((file) => !file.endsWith('.d.ts') && !seen.has(file))
  .sort()
const violations = output.summary.violations
for (const { rule, from, to, cycle } of violations) {
  const where = cycle
    ? [from, ...cycle.map((step) => step.name)].join(' → ')
    : from === to
      ? from
      : `${from} → ${to}`
  const why = forbidden.find((candidate) => candidate.name === rule.name)?.comment ?? ''
  console.log(`${rule.severity}: ${rule.name}: ${where}${why ? `  (${why})` : ''}`)
}
for (const file of blind) console.log(`error: not-seen: ${file}`)
const errors = violations.filter(({ rule }) => rule.severity === 'error').length + blind.length
const warnings = violations.length + blind.length - errors
console.log(
  `deps: ${seen.size} modules, ${output.summary.totalDependenciesCruised} dependencies, ${errors} errors, ${warnings} warnings`,
)
process.exitCode = errors > 0 || (seen.size === 0 && folders.length > 0) ? 1 : 0
