/**
 * tsc --noEmit, and promises that nobody awaits.
 *
 * biome looks for such promises too, but does not know the types of packages and of Node itself: there it
 * misses every one. The type checker knows them all, and has the program in its hands anyway.
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
let floating = 0
for (const source of program.getSourceFiles()) {
  if (source.fileName.includes('/node_modules/')) continue
  for (const node of floatingPromises(source, checker)) {
    const { line } = source.getLineAndCharacterOfPosition(node.getStart(source))
    const text = node.getText(source).split('\n')[0]
    console.log(`${relative(root, source.fileName)}:${line + 1}: floating promise: ${text}`)
    floating += 1
  }
}
console.log(
  `types: ${config.fileNames.length} files, ${diagnostics.length} errors, ${floating} floating promises`,
)
process.exitCode = diagnostics.length + floating > 0 ? 1 : 0
