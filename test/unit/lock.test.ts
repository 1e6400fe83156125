/** package-lock.json can be installed by every npm from 9 on. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { test } from 'node:test'

type Locked = {
  version?: string
  dependencies?: Record<string, string>
  devDependencies?: Record<string, string>
  optionalDependencies?: Record<string, string>
}

const ROOT = resolve(import.meta.dirname, '../..')
const readJson = (file: string) => JSON.parse(readFileSync(join(ROOT, file), 'utf8'))
const { packages } = readJson('package-lock.json') as { packages: Record<string, Locked> }

/** Where Node would look for a package that is required from another one. */
function resolved(from: string, name: string): Locked | undefined {
  for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/node_modules/')))) {
    const found = packages[`${folder === '' ? '' : `${folder}/`}node_modules/${name}`]
    if (found || folder === '') return found
  }
}

test('every dependency of every package has an entry, optional ones of other platforms too', () => {
  // npm 11 refuses a lock file without them; npm itself leaves them out when the registry does not have them.
  const missing = Object.entries(packages).flatMap(([from, { dependencies, optionalDependencies }]) =>
    Object.keys({ ...dependencies, ...optionalDependencies })
      .filter((name) => resolved(from, name) === undefined)
      .map((name) => `${from}: ${name}`),
  )
  assert.deepEqual(missing, [])
})

test('package.json and the lock file name the same versions, exactly', () => {
  const kinds = ['dependencies', 'devDependencies', 'optionalDependencies'] as const
  const manifest = readJson('package.json') as Locked
  for (const kind of kinds) {
    assert.deepEqual(packages['']?.[kind], manifest[kind])
    for (const [name, version] of Object.entries(manifest[kind] ?? {})) {
      assert.equal(packages[`node_modules/${name}`]?.version, version, name)
    }
  }
})
