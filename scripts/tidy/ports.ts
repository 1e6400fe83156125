/**
 * Clock, timers, randomness, disk, processes, sockets and workers are ports (DESIGN §3): only adapters touch
 * them, so that one process can simulate the whole. `events/types` and `machines` touch nothing of Node at all.
 *
 * What an adapter may touch, and why, is in `allowed.ts`. A permission that nobody uses is a finding too.
 */
import ts from 'typescript'
import { ADAPTERS, type Capability } from './allowed.ts'
import { type Finding, lineOf, type Parsed } from './tree.ts'

const PURE_ZONES = ['src/events/types/', 'src/machines/']

/** Modules of Node that compute and touch nothing. Any other is a capability, named by the module. */
const HARMLESS = new Set([
  'stream',
  'stream/promises',
  'path',
  'path/posix',
  'util',
  'url',
  'buffer',
  'events',
  'assert',
  'assert/strict',
])

/** What may be imported from a module that is otherwise a capability. */
const HARMLESS_NAMES: Readonly<Record<string, readonly string[]>> = {
  crypto: ['createHash', 'hash', 'timingSafeEqual'],
}

const GLOBALS: Readonly<Record<string, Capability>> = {
  process: 'process',
  console: 'console',
  performance: 'clock',
  crypto: 'random',
  setTimeout: 'timers',
  setInterval: 'timers',
  setImmediate: 'timers',
  clearTimeout: 'timers',
  clearInterval: 'timers',
  clearImmediate: 'timers',
  fetch: 'http',
  WebSocket: 'http',
  globalThis: 'globals',
  global: 'globals',
  require: 'globals',
}

/** Members of globals that are harmless otherwise. */
const MEMBERS: Readonly<Record<string, Capability>> = {
  'Date.now': 'clock',
  'Math.random': 'random',
  'AbortSignal.timeout': 'timers',
}

const MODULES: Readonly<Record<string, Capability>> = {
  fs: 'disk',
  'fs/promises': 'disk',
  child_process: 'processes',
  net: 'sockets',
  worker_threads: 'workers',
  http: 'http',
  https: 'http',
  crypto: 'random',
  timers: 'timers',
  'timers/promises': 'timers',
  perf_hooks: 'clock',
  process: 'process',
  console: 'console',
  sqlite: 'sqlite',
}

type Use = { capability: Capability; what: string; position: number }

function usesOfImport(node: ts.ImportDeclaration): Use[] {
  if (!ts.isStringLiteral(node.moduleSpecifier) || !node.moduleSpecifier.text.startsWith('node:')) return []
  const clause = node.importClause
  if (clause?.isTypeOnly) return []
  const module = node.moduleSpecifier.text.slice('node:'.length)
  const bindings = clause?.namedBindings
  const named = bindings && ts.isNamedImports(bindings) && !clause.name ? bindings.elements : null
  const harmless = HARMLESS_NAMES[module] ?? []
  const isHarmless = (element: ts.ImportSpecifier) =>
    element.isTypeOnly || harmless.includes((element.propertyName ?? element.name).text)
  if (HARMLESS.has(module) || named?.every(isHarmless)) return []
  const capability = MODULES[module] ?? (`node:${module}` as const)
  return [{ capability, what: `node:${module}`, position: node.getStart() }]
}

const isGlobal = (checker: ts.TypeChecker, node: ts.Identifier) => {
  const parent = node.parent
  const symbol = ts.isShorthandPropertyAssignment(parent)
    ? checker.getShorthandAssignmentValueSymbol(parent)
    : checker.getSymbolAtLocation(node)
  const declared = symbol?.declarations
  return declared === undefined || declared.length === 0
}

/** A name that stands for a value here, rather than naming a property, a type or a parameter. */
function isValueUse(node: ts.Identifier): boolean {
  const parent = node.parent
  if (ts.isPropertyAccessExpression(parent)) return parent.expression === node
  if (ts.isTypeNode(parent) || ts.isTypeQueryNode(parent) || ts.isQualifiedName(parent)) return false
  if (ts.isShorthandPropertyAssignment(parent)) return true
  const named = parent as ts.Node & { name?: ts.Node; propertyName?: ts.Node; label?: ts.Node }
  return named.name !== node && named.propertyName !== node && named.label !== node
}

function useOfIdentifier(node: ts.Identifier, checker: ts.TypeChecker): Use | null {
  const parent = node.parent
  const member =
    ts.isPropertyAccessExpression(parent) && parent.expression === node
      ? `${node.text}.${parent.name.text}`
      : ''
  const isBareDate =
    node.text === 'Date' &&
    ((ts.isNewExpression(parent) && (parent.arguments ?? []).length === 0) || ts.isCallExpression(parent)) &&
    parent.expression === node
  const capability = isBareDate ? 'clock' : (MEMBERS[member] ?? GLOBALS[node.text])
  if (capability === undefined || !isValueUse(node) || !isGlobal(checker, node)) return null
  return { capability, what: member || (isBareDate ? 'new Date()' : node.text), position: node.getStart() }
}

function usesOf({ source, checker }: Parsed): Use[] {
  const uses: Use[] = []
  const visit = (node: ts.Node) => {
    if (ts.isImportDeclaration(node)) uses.push(...usesOfImport(node))
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const [name] = node.arguments
      const module = name && ts.isStringLiteral(name) ? name.text.replace(/^node:/, '') : '?'
      const isOurs = module.startsWith('.')
      if (!isOurs && !HARMLESS.has(module)) {
        uses.push({
          capability: MODULES[module] ?? 'globals',
          what: `import('${module}')`,
          position: node.getStart(),
        })
      }
    } else if (ts.isIdentifier(node)) {
      const use = useOfIdentifier(node, checker)
      if (use) uses.push(use)
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return uses
}

function nodeInPureZone({ file, source }: Parsed): Finding[] {
  const findings: Finding[] = []
  const visit = (node: ts.Node) => {
    const isNodeModule =
      (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) &&
      node.moduleSpecifier !== undefined &&
      ts.isStringLiteral(node.moduleSpecifier) &&
      node.moduleSpecifier.text.startsWith('node:')
    if (isNodeModule || (ts.isIdentifier(node) && node.text === 'Buffer')) {
      const line = lineOf(source, node.getStart(source))
      findings.push({ file, line, rule: 'pure', what: `${node.getText(source)}: nothing of Node here` })
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return findings
}

export function checkPorts(files: readonly Parsed[], wholeTree: boolean): Finding[] {
  const findings: Finding[] = []
  const used = new Set<string>()
  for (const parsed of files) {
    const { file, source } = parsed
    if (PURE_ZONES.some((zone) => file.startsWith(zone))) findings.push(...nodeInPureZone(parsed))
    const adapters = ADAPTERS.filter(
      ({ path }) => file === path || (path.endsWith('/') && file.startsWith(path)),
    )
    for (const { capability, what, position } of usesOf(parsed)) {
      const permit = adapters.find(({ may }) => may.includes(capability))
      if (permit) used.add(`${permit.path} ${capability}`)
      else {
        const line = lineOf(source, position)
        findings.push({
          file,
          line,
          rule: 'port',
          what: `${what}: ${capability} is a port (scripts/tidy/allowed.ts)`,
        })
      }
    }
  }
  if (!wholeTree) return findings
  for (const { path, may } of ADAPTERS) {
    if (!files.some(({ file }) => file.startsWith(path))) continue
    for (const capability of may) {
      if (used.has(`${path} ${capability}`)) continue
      findings.push({
        file: 'scripts/tidy/allowed.ts',
        line: 0,
        rule: 'unused-permission',
        what: `${path} does not use ${capability}`,
      })
    }
  }
  return findings
}
