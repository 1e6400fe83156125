/**
 * tsc --noEmit, promises that nobody awaits, and switches that miss a case.
 *
 * biome looks for both too, but does not know the types of packages and of Node itself, so it misses every
 * promise of theirs; and it does not see that a type was narrowed before a switch. The type checker knows,
 * and has the program in its hands anyway.
 *
 * usage: node scripts/check-types.ts [TREE]
 */
import { join, relative, resolve } from 'node:path'
import ts from 'typescript'

const root = resolve(process.argv[2] ?? '.')

/** node:test's own functions: the runner waits for what they return. */
const RUNNER = new Set(['test', 'it', 'describe', 'suite', 'before', 'after', 'beforeEach', 'afterEach'])

function isThenable(checker: ts.TypeChecker, type: ts.Type): boolean {
  if (type.isUnion()) return type.types.some((member) => isThenable(checker, member))
  const then = type.getProperty('then')
  return then !== undefined && checker.getTypeOfSymbol(then).getCallSignatures().length > 0
}

/** `.catch(…)` and `.then(…, …)` handle a failure; what follows them is nobody's business. */
function isHandled(expression: ts.Expression): boolean {
  if (!ts.isCallExpression(expression)) return false
  const callee = expression.expression
  if (ts.isIdentifier(callee)) return RUNNER.has(callee.text)
  if (!ts.isPropertyAccessExpression(callee)) return false
  if (callee.name.text === 'catch') return true
  if (callee.name.text === 'then') return expression.arguments.length === 2
  return callee.name.text === 'finally' && isHandled(callee.expression)
}

/** Awaited, or stored where somebody can await it. */
const isKept = (expression: ts.Expression) =>
  ts.isAwaitExpression(expression) ||
  (ts.isBinaryExpression(expression) &&
    expression.operatorToken.kind >= ts.SyntaxKind.FirstAssignment &&
    expression.operatorToken.kind <= ts.SyntaxKind.LastAssignment)

function floatingPromises(source: ts.SourceFile, checker: ts.TypeChecker): ts.Node[] {
  const found: ts.Node[] = []
  const visit = (node: ts.Node) => {
    if (ts.isExpressionStatement(node) && !isKept(node.expression)) {
      const isPromise = isThenable(checker, checker.getTypeAtLocation(node.expression))
      if (isPromise && !isHandled(node.expression)) found.push(node)
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

/** Members of the union that a switch without default does not name; null when it is not over such a union. */
function missingCases(node: ts.SwitchStatement, checker: ts.TypeChecker): string[] | null {
  const { clauses } = node.caseBlock
  if (clauses.some(ts.isDefaultClause)) return null
  const type = checker.getTypeAtLocation(node.expression)
  const members = type.isUnion() ? type.types : [type]
  const isNamed = (member: ts.Type) => (member.flags & (ts.TypeFlags.Unit | ts.TypeFlags.Literal)) !== 0
  if (members.length === 0 || !members.every(isNamed)) return null
  const named = new Set(
    clauses
      .filter(ts.isCaseClause)
      .map(({ expression }) => checker.typeToString(checker.getTypeAtLocation(expression))),
  )
  return members.map((member) => checker.typeToString(member)).filter((name) => !named.has(name))
}

function openSwitches(
  source: ts.SourceFile,
  checker: ts.TypeChecker,
): { node: ts.Node; missing: string[] }[] {
  const found: { node: ts.Node; missing: string[] }[] = []
  const visit = (node: ts.Node) => {
    if (ts.isSwitchStatement(node)) {
      const missing = missingCases(node, checker) ?? []
      if (missing.length > 0) found.push({ node, missing })
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

const config = ts.getParsedCommandLineOfConfigFile(
  join(root, 'tsconfig.json'),
  {},
  {
    ...ts.sys,
    onUnRecoverableConfigFileDiagnostic: (diagnostic) => {
      throw new Error(ts.flattenDiagnosticMessageText(diagnostic.messageText, '\n'))
    },
  },
)
if (!config) throw new Error(`no tsconfig.json in ${root}`)
const program = ts.createProgram(config.fileNames, config.options)
const checker = program.getTypeChecker()
const diagnostics = ts.getPreEmitDiagnostics(program)
process.stdout.write(
  (process.stdout.isTTY ? ts.formatDiagnosticsWithColorAndContext : ts.formatDiagnostics)(diagnostics, {
    getCanonicalFileName: (name) => name,
    getCurrentDirectory: () => root,
    getNewLine: () => '\n',
  }),
)
const ours = program.getSourceFiles().filter(({ fileName }) => !fileName.includes('/node_modules/'))
const tell = (source: ts.SourceFile, node: ts.Node, what: string) => {
  const { line } = source.getLineAndCharacterOfPosition(node.getStart(source))
  console.log(`${relative(root, source.fileName)}:${line + 1}: ${what}`)
}
let floating = 0
let open = 0
for (const source of ours) {
  for (const node of floatingPromises(source, checker)) {
    tell(source, node, `floating promise: ${node.getText(source).split('\n')[0]}`)
    floating += 1
  }
  for (const { node, missing } of openSwitches(source, checker)) {
    tell(source, node, `a switch without default misses ${missing.join(', ')}`)
    open += 1
  }
}
console.log(
  `types: ${config.fileNames.length} files, ${diagnostics.length} errors, ${floating} floating promises, ${open} open switches`,
)
process.exitCode = diagnostics.length + floating + open > 0 ? 1 : 0
