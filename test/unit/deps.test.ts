/** The checker of dependency directions finds what it should: each violation is planted in a copy of the tree. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { after, test } from 'node:test'

const ROOT = resolve(import.meta.dirname, '../..')
const trees: string[] = []
after(() => {
  for (const tree of trees) rmSync(tree, { recursive: true, force: true })
})

function copyOfTheTree(): string {
  const tree = mkdtempSync(join(tmpdir(), 'deps-'))
  trees.push(tree)
  for (const name of ['bin', 'src', 'package.json', 'tsconfig.json', '.dependency-cruiser.cjs']) {
    cpSync(join(ROOT, name), join(tree, name), { recursive: true })
  }
  symlinkSync(join(ROOT, 'node_modules'), join(tree, 'node_modules'))
  return tree
}

function plant(tree: string, file: string, text: string): void {
  mkdirSync(dirname(join(tree, file)), { recursive: true })
  writeFileSync(join(tree, file), `${text}\nexport const planted = true\n`)
}

function check(tree: string): { status: number | null; lines: string[] } {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(ROOT, 'scripts/check-deps.mjs'), tree],
    {
      encoding: 'utf8',
    },
  )
  assert.equal(stderr, '')
  return { status, lines: stdout.split('\n') }
}

const target = "import { EMPTY_HEAD } from '../events/types/envelope.ts'"

/** rule → file that breaks it, and how. */
const violations: Record<string, readonly [file: string, text: string]> = {
  'types-are-the-root': ['src/events/types/planted-a.ts', "import '../../rpc/errors.ts'"],
  'facts-and-rules-are-pure': ['src/machines/planted-b.ts', "import 'node:fs'"],
  'facts-use-zod-alone': ['src/events/types/planted-c.ts', "import 'xstate'"],
  'rules-use-xstate-alone': ['src/machines/planted-d.ts', "import 'pino'"],
  'machines-know-facts': ['src/machines/planted-e.ts', "import '../effects/effect.ts'"],
  'effects-know-facts': ['src/effects/planted-f.ts', "import '../rpc/errors.ts'"],
  'rpc-knows-facts': ['src/rpc/planted-g.ts', "import '../effects/host.ts'"],
  'log-knows-facts': ['src/events/log/planted-h.ts', "import '../../rpc/errors.ts'"],
  'cli-knows-rpc': ['src/cli/planted-i.ts', target],
  'offline-knows-log-and-rules': ['src/offline/planted-j.ts', "import '../effects/host.ts'"],
  'audit-knows-facts-and-rules': ['src/audit/planted-2.ts', "import '../events/log/store.ts'"],
  'log-has-few-users': ['src/rpc/planted-k.ts', "import '../events/log/store.ts'"],
  'kinds-use-the-port': ['src/effects/planted-l.ts', "import './linux/planted-m.ts'"],
  'hosts-know-no-other-host': ['src/effects/linux/planted-m.ts', "import '../simulated/planted-n.ts'"],
  'no-program-is-imported': ['src/daemon/planted-o.ts', "import '../../bin/planted.ts'"],
  'only-xstate': ['src/daemon/planted-p.ts', "import type { AnyStateMachine } from 'xstate'"],
  'only-execa': ['src/daemon/planted-q.ts', "import 'execa'"],
  'only-better-sqlite3': ['src/offline/planted-r.ts', "import 'better-sqlite3'"],
  'only-commander': ['src/rpc/planted-s.ts', "import 'commander'"],
  'only-chokidar': ['src/daemon/planted-t.ts', "import 'chokidar'"],
  'only-koffi': ['src/rpc/planted-u.ts', "import 'koffi'"],
  'only-yaml': ['src/effects/linux/planted-1.ts', "import 'yaml'"],
  'only-pino': ['src/effects/planted-v.ts', "import 'pino'"],
  'no-cycle': ['src/daemon/planted-w.ts', "import './planted-x.ts'"],
  'no-unresolvable': ['src/daemon/planted-y.ts', "import './nowhere.ts'"],
  'no-undeclared-package': ['src/daemon/planted-z.ts', "import 'esbuild'"],
}

test('every rule finds the violation that is planted for it', () => {
  const tree = copyOfTheTree()
  plant(tree, 'bin/planted.ts', '')
  plant(tree, 'src/effects/simulated/planted-n.ts', '')
  plant(tree, 'src/daemon/planted-x.ts', "import './planted-w.ts'")
  for (const [file, text] of Object.values(violations)) plant(tree, file, text)

  const { status, lines } = check(tree)

  assert.equal(status, 1)
  for (const [rule, [file]] of Object.entries(violations)) {
    const found = lines.some((line) => line.startsWith(`error: ${rule}: `) && line.includes(file))
    assert.ok(found, `${rule} did not find ${file}:\n${lines.join('\n')}`)
  }
})

test('every rule of the configuration has a violation planted for it', () => {
  const { forbidden } = createRequire(import.meta.url)(join(ROOT, '.dependency-cruiser.cjs')) as {
    forbidden: { name: string; severity: string }[]
  }
  const errors = forbidden.filter((rule) => rule.severity === 'error').map((rule) => rule.name)
  assert.deepEqual(Object.keys(violations).sort(), errors.sort())
})

test('a module that the checker did not see is an error', () => {
  const tree = copyOfTheTree()
  const config = join(tree, '.dependency-cruiser.cjs')
  const blinded = readFileSync(config, 'utf8').replace('options: {', "options: { exclude: '^src/rpc/errors',")
  writeFileSync(config, blinded)

  const { status, lines } = check(tree)

  assert.equal(status, 1)
  assert.ok(lines.includes('error: not-seen: src/rpc/errors.ts'), lines.join('\n'))
})
