/**
 * Writes `src/events/log/sqlite/migrations.ts` out of the numbered SQL files beside this script.
 *
 * A bundle is one file and cannot look for SQL beside it, and Node imports no `.sql`; so the text is
 * embedded as a module. A test holds both equal, and pins each file's sha256: a released migration is
 * never edited, a change is a new number. Run: node migrations/embed.ts
 */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const here = import.meta.dirname
export const TARGET = join(here, '../src/events/log/sqlite/migrations.ts')

export function embedMigrations(): string {
  const files = readdirSync(here).filter((name) => /^\d{4}-[a-z0-9-]+\.sql$/.test(name)).sort()
  const entries = files.map((name) => {
    const sql = readFileSync(join(here, name), 'utf8')
    if (/[`\\]|\$\{/.test(sql)) throw new Error(`${name}: no backtick, backslash or \${ in a migration`)
    const sha256 = createHash('sha256').update(sql).digest('hex')
    const head = `  {\n    number: ${Number(name.slice(0, 4))},\n    name: '${name}',\n    sha256: '${sha256}',`
    return `${head}\n    sql: \`${sql}\`,\n  },`
  })
  return [
    '/** Generated from migrations/*.sql by `node migrations/embed.ts`: edit those, not this. */',
    'export type Migration = {',
    '  readonly number: number',
    '  readonly name: string',
    '  readonly sha256: string',
    '  readonly sql: string',
    '}',
    '',
    'export const migrations: readonly Migration[] = [',
    ...entries,
    ']',
    '',
  ].join('\n')
}

if (import.meta.main) writeFileSync(TARGET, embedMigrations())
