/**
 * Exit status 0 when node_modules holds what package-lock.json lists. Runs on any Node.
 *
 * npm writes node_modules/.package-lock.json last, so an interrupted installation counts as none; times of
 * files say nothing (git and npm both touch them), so versions are compared.
 */
const { readFileSync } = require('node:fs')
const { join } = require('node:path')

const packages = (file) => JSON.parse(readFileSync(join(process.argv[2], file), 'utf8')).packages

function isInstalled() {
  try {
    const installed = packages('node_modules/.package-lock.json')
    return Object.entries(packages('package-lock.json')).every(
      ([path, wanted]) => path === '' || wanted.optional || installed[path]?.version === wanted.version,
    )
  } catch {
    return false
  }
}

process.exit(isInstalled() ? 0 : 1)
