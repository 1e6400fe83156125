/** The tidy checks find what is planted. That the tree itself is tidy is a step of `npm test -- check`. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { after, test } from 'node:test'
import { tidy } from '../../scripts/tidy.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const trees: string[] = []
after(() => {
  for (const tree of trees) rmSync(tree, { recursive: true, force: true })
})

function treeOf(files: Readonly<Record<string, string>>): string {
  const tree = mkdtempSync(join(tmpdir(), 'tidy-'))
  trees.push(tree)
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(tree, file)), { recursive: true })
    writeFileSync(join(tree, file), `${text}\n`)
  }
  return tree
}

/** Rules that a text breaks when it stands in a file. */
const rulesIn = (file: string, text: string) => tidy(treeOf({ [file]: text }), false).map(({ rule }) => rule)

const impure = [
  'export const a = Date.now()',
  'export const a = new Date()',
  'export const a = Date()',
  'export const a = Math.random()',
  'export const a = crypto.randomUUID()',
  "import { randomBytes } from 'node:crypto'\nexport const a = randomBytes(1)",
  'export const a = performance.now()',
  'setTimeout(() => {}, 1)\nexport {}',
  'export const a = setInterval',
  'export const a = { setImmediate }',
  'export const a = AbortSignal.timeout(1)',
  'export const a = process.pid',
  'export const a = globalThis.process',
  "console.log('a')\nexport {}",
  "export const a = fetch('http://a')",
  "import { readFileSync } from 'node:fs'\nexport const a = readFileSync",
  "import * as fs from 'node:fs/promises'\nexport const a = fs",
  "import { spawn } from 'node:child_process'\nexport const a = spawn",
  "import net from 'node:net'\nexport const a = net",
  "import { Worker } from 'node:worker_threads'\nexport const a = Worker",
  "import http from 'node:http'\nexport const a = http",
  "import 'node:timers/promises'",
  "import { hostname } from 'node:os'\nexport const a = hostname()",
  "export const a = await import('node:fs')",
]

for (const text of impure) {
  test(`a port outside an adapter is found: ${text.split('\n')[0]}`, () => {
    assert.deepEqual(rulesIn('src/daemon/planted.ts', text), ['port'])
  })
}

const pure = [
  'export const a = new Date(0)',
  'export const a = (process: { pid: number }) => process.pid',
  "import { createHash } from 'node:crypto'\nexport const a = createHash('sha256')",
  "import type { Socket } from 'node:net'\nexport type A = Socket",
  "import { join } from 'node:path'\nexport const a = join('a', 'b')",
  'export type A = { process: string; console: number }',
  'export const a = { setTimeout: 1 }.setTimeout',
  '// Date.now() is said, not called\nexport const a = "console.log"',
  'const fetch = () => 1\nexport const a = fetch()',
]

for (const text of pure) {
  test(`what touches nothing is let be: ${text.split('\n')[0]}`, () => {
    assert.deepEqual(rulesIn('src/daemon/planted.ts', text), [])
  })
}

test('what other files declare hides nothing', () => {
  const files = {
    'src/daemon/planted.ts': 'export const a = process.pid',
    'src/daemon/script.ts': 'var process = 1',
    'scripts/expando.mjs': 'process.exitCode = 1',
    'test/global.ts': 'export {}\ndeclare global { var process: { pid: number } }',
  }
  const rules = tidy(treeOf(files), false).map(({ rule }) => rule)
  assert.deepEqual(rules, ['port'])
})

test('an adapter may touch what its permission says, and no more', () => {
  assert.deepEqual(rulesIn('src/effects/linux/planted.ts', "import 'node:fs'"), [])
  assert.deepEqual(rulesIn('src/effects/linux/planted.ts', "import 'node:dgram'"), ['port'])
})

test('facts and rules use nothing of Node, not even a type or what is harmless', () => {
  for (const text of [
    "import { join } from 'node:path'\nexport const a = join",
    'export const a = (b: Buffer) => b',
  ]) {
    assert.deepEqual(rulesIn('src/machines/planted.ts', text), ['pure'])
    assert.deepEqual(rulesIn('src/events/types/planted.ts', text), ['pure'])
  }
})

test('a file of 301 lines of code and a function of 61 are too long; comments are free', () => {
  const lines = (count: number, text: string) => Array.from({ length: count }, () => text).join('\n')
  const body = (count: number) => `export function f(a: number): void {\n${lines(count - 2, 'a++')}\n}`
  assert.deepEqual(rulesIn('src/a.ts', `${lines(300, 'export {}')}\n${lines(300, '// free')}`), [])
  assert.deepEqual(rulesIn('src/a.ts', lines(301, 'export {}')), ['file-size'])
  assert.deepEqual(rulesIn('test/a.ts', lines(500, 'export {}')), [])
  assert.deepEqual(rulesIn('test/a.ts', lines(501, 'export {}')), ['file-size'])
  assert.deepEqual(rulesIn('src/a.ts', body(60)), [])
  assert.deepEqual(rulesIn('src/a.ts', body(61)), ['function-size'])
})

test('notes to self, and names of one site or machine, are found in any file', () => {
  assert.deepEqual(rulesIn('os/a.sh', '# TODO: later'), ['todo'])
  assert.deepEqual(rulesIn('docs/a.md', 'see network/home/me/docs'), [])
  assert.deepEqual(rulesIn('docs/a.md', 'see /home/me/docs'), ['machine-path'])
  assert.deepEqual(rulesIn('docs/a.md', 'https://deb.debian.org/debian'), ['host-name'])
  assert.deepEqual(rulesIn('package-lock.json', '      "resolved": "https://a.b/c.tgz"'), ['resolved'])
})

function typeCheck(text: string): { status: number | null; lines: string[] } {
  const tree = treeOf({ 'src/a.ts': text, 'package.json': '{ "type": "module" }' })
  cpSync(join(ROOT, 'tsconfig.json'), join(tree, 'tsconfig.json'))
  symlinkSync(join(ROOT, 'node_modules'), join(tree, 'node_modules'))
  const argv = [join(ROOT, 'scripts/check-types.ts'), tree]
  const { status, stdout } = spawnSync(process.execPath, argv, { encoding: 'utf8' })
  return { status, lines: stdout.trimEnd().split('\n').slice(0, -1) }
}

test('the type check finds a promise of Node that nobody awaits', () => {
  const text =
    "import { rm } from 'node:fs/promises'\nrm('a')\nvoid rm('b')\nrm('c').catch(() => {})\nawait rm('d')"
  assert.deepEqual(typeCheck(text), { status: 1, lines: ["src/a.ts:2: floating promise: rm('a')"] })
})

test('the type check finds a switch that misses a case, and sees what was ruled out before', () => {
  const kinds = "type Kind = { is: 'a' } | { is: 'b' } | { is: 'c' }"
  const body = (first: string) => `export function f(k: Kind): void {
    ${first}
    switch (k.is) {
      case 'a': return
      case 'b': return
    }
  }`
  assert.deepEqual(typeCheck(`${kinds}\n${body('')}`), {
    status: 1,
    lines: ['src/a.ts:4: a switch without default misses "c"'],
  })
  assert.deepEqual(typeCheck(`${kinds}\n${body("if (k.is === 'c') return")}`), { status: 0, lines: [] })
})
